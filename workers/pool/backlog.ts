/**
 * The tasks that wait for a worker.
 *
 * @module
 */

import type { Task } from "./task.ts";
import { TaskQueue } from "./task_queue.ts";

/** So many dropped tasks may keep their memory before the lists are swept. */
const MAX_DROPPED = 1_024;

/** Tasks in the order of their priority, and within one priority in that of their arrival. */
export class Backlog {
  /** Tasks that came back from a worker that died; they go first. */
  readonly #returned = new TaskQueue();
  readonly #levels: { readonly priority: number; readonly tasks: TaskQueue }[] = [];
  /** Tasks of procedures of which as many run as may run. */
  readonly #aside = new Map<string, TaskQueue>();
  #size = 0;
  #dropped = 0;

  /** How many tasks wait. */
  get size(): number {
    return this.#size - this.#dropped;
  }

  /** Adds a task behind those of its priority. */
  push(task: Task, priority = 0): void {
    this.#size++;
    this.#level(priority).push(task);
  }

  /** Puts tasks back at the front, in their order. */
  unshift(tasks: readonly Task[]): void {
    this.#size += tasks.length;
    this.#returned.unshift(tasks);
  }

  /** Keeps a task that was next out of the way of others, until {@linkcode resume}. */
  setAside(task: Task): void {
    this.#size++;
    const { procedure } = task.request;
    const aside = this.#aside.get(procedure) ?? new TaskQueue();
    this.#aside.set(procedure, aside);
    aside.push(task);
  }

  /** Puts the first aside task of a procedure at the front. */
  resume(procedure: string): void {
    if (this.#aside.size === 0) return;
    const aside = this.#aside.get(procedure);
    const task = aside?.shift();
    if (task !== undefined) this.#returned.push(task);
    if (aside?.length === 0) this.#aside.delete(procedure);
  }

  /** Counts out a waiting task that has settled: it is passed over when its turn comes. */
  drop(): void {
    this.#dropped++;
    if (this.#dropped >= MAX_DROPPED && this.#dropped > this.size) this.#sweep();
  }

  /** The task that is next. */
  peek(): Task | undefined {
    for (let queue = this.#first(); queue !== undefined; queue = this.#first()) {
      if (queue.first?.isSettled === false) return queue.first;
      queue.shift();
      this.#size--;
      this.#dropped--;
    }
    return undefined;
  }

  /** Takes out the task that is next. */
  shift(): Task | undefined {
    if (this.peek() === undefined) return undefined;
    this.#size--;
    return this.#first()?.shift();
  }

  /** Takes out all tasks. */
  clear(): Task[] {
    this.#sweep();
    const tasks = this.#queues().flatMap((queue) => queue.clear());
    this.#size = 0;
    return tasks;
  }

  #level(priority: number): TaskQueue {
    const index = this.#levels.findIndex((level) => level.priority <= priority);
    const found = this.#levels[index];
    if (found?.priority === priority) return found.tasks;
    const tasks = new TaskQueue();
    this.#levels.splice(index === -1 ? this.#levels.length : index, 0, { priority, tasks });
    return tasks;
  }

  #first(): TaskQueue | undefined {
    if (this.#returned.length > 0) return this.#returned;
    for (const { tasks } of this.#levels) if (tasks.length > 0) return tasks;
    return undefined;
  }

  #queues(): TaskQueue[] {
    return [this.#returned, ...this.#levels.map(({ tasks }) => tasks), ...this.#aside.values()];
  }

  #sweep(): void {
    for (const queue of this.#queues()) this.#size -= queue.sweep();
    this.#dropped = 0;
  }
}
