/**
 * A list of tasks.
 *
 * @module
 */

import type { Task } from "./task.ts";

/** A first-in first-out list that takes constant time at both ends. */
export class TaskQueue {
  #tasks: Task[] = [];
  #head = 0;

  /** How many tasks there are. */
  get length(): number {
    return this.#tasks.length - this.#head;
  }

  /** The task that is next. */
  get first(): Task | undefined {
    return this.#tasks[this.#head];
  }

  /** Adds a task at the end. */
  push(task: Task): void {
    this.#tasks.push(task);
  }

  /** Puts tasks at the front, in their order; takes time for all that are there. */
  unshift(tasks: readonly Task[]): void {
    this.#tasks = [...tasks, ...this.#tasks.slice(this.#head)];
    this.#head = 0;
  }

  /** Takes out the task that is next. */
  shift(): Task | undefined {
    const task = this.first;
    if (task === undefined) return undefined;
    this.#head++;
    // Moving the rest only when half is gone makes the cost of a move constant per task.
    if (this.#head * 2 < this.#tasks.length) return task;
    this.#tasks = this.#tasks.slice(this.#head);
    this.#head = 0;
    return task;
  }

  /** Removes tasks that have settled; returns how many. */
  sweep(): number {
    const before = this.length;
    this.#tasks = this.#tasks.slice(this.#head).filter((task) => !task.isSettled);
    this.#head = 0;
    return before - this.length;
  }

  /** Takes out all tasks. */
  clear(): Task[] {
    const tasks = this.#tasks.slice(this.#head);
    this.#tasks = [];
    this.#head = 0;
    return tasks;
  }
}
