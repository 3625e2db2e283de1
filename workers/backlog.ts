/**
 * The tasks that wait for a worker.
 *
 * @module
 */

import type { Task } from "./task.ts";

/** So many dropped tasks may keep their memory before the list is swept. */
const MAX_DROPPED = 1_024;

/** A first-in first-out list of tasks that takes constant time at both ends. */
export class Backlog {
  #tasks: Task[] = [];
  #head = 0;
  /** Tasks that came back from a worker that died; they go first. */
  #returned: Task[] = [];
  #dropped = 0;

  /** How many tasks wait. */
  get size(): number {
    return this.#returned.length + this.#tasks.length - this.#head - this.#dropped;
  }

  /** Adds a task at the end. */
  push(task: Task): void {
    this.#tasks.push(task);
  }

  /** Puts tasks back at the front, in their order. */
  unshift(tasks: readonly Task[]): void {
    this.#returned.unshift(...tasks);
  }

  /** Counts out a waiting task that has settled: it is passed over when its turn comes. */
  drop(): void {
    this.#dropped++;
    if (this.#dropped >= MAX_DROPPED && this.#dropped > this.size) this.#sweep();
  }

  /** The task that is next. */
  peek(): Task | undefined {
    for (let task = this.#first(); task !== undefined; task = this.#first()) {
      if (!task.isSettled) return task;
      this.#dropped--;
      this.#removeFirst();
    }
    return undefined;
  }

  /** Takes out the task that is next. */
  shift(): Task | undefined {
    const task = this.peek();
    if (task !== undefined) this.#removeFirst();
    return task;
  }

  /** Takes out all tasks. */
  clear(): Task[] {
    this.#sweep();
    const tasks = this.#tasks;
    this.#tasks = [];
    return tasks;
  }

  #first(): Task | undefined {
    return this.#returned[0] ?? this.#tasks[this.#head];
  }

  #removeFirst(): void {
    if (this.#returned.shift() !== undefined) return;
    this.#head++;
    // Moving the rest only when half is gone makes the cost of a move constant per task.
    if (this.#head * 2 < this.#tasks.length) return;
    this.#tasks = this.#tasks.slice(this.#head);
    this.#head = 0;
  }

  #sweep(): void {
    const waiting = [...this.#returned, ...this.#tasks.slice(this.#head)];
    this.#tasks = waiting.filter((task) => !task.isSettled);
    this.#returned = [];
    this.#head = 0;
    this.#dropped = 0;
  }
}
