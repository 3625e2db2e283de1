/**
 * The tasks that wait for a worker.
 *
 * @module
 */

import type { PoolProcedure } from "./procedures.ts";
import type { Task } from "./task.ts";

/** So many settled tasks may keep their memory before the lists are swept. */
const MAX_SETTLED = 1_024;

/**
 * Tasks in the order of their priority, and within one priority in that of their arrival. Those of a
 * procedure of which workers hold as many as they may are passed over until one of these has ended.
 */
export class Backlog {
  readonly #general = new Lane();
  /** Procedures with a limit of their own: what waits for it must not keep others waiting. */
  readonly #limited = new Map<PoolProcedure, Lane>();
  #size = 0;
  #settled = 0;

  /** How many tasks wait. */
  get size(): number {
    return this.#size;
  }

  /** Adds a task behind those of its priority. */
  push(task: Task): void {
    this.#size++;
    this.#laneOf(task).queueOf(task).push(task);
  }

  /** Puts tasks back that came before those of their priority that wait. */
  restore(tasks: readonly Task[]): void {
    this.#size += tasks.length;
    // The last first: each of the others is then at once before all that wait.
    for (const task of tasks.toReversed()) this.#laneOf(task).queueOf(task).insert(task);
  }

  /** Counts out a waiting task that has settled: it is passed over when its turn comes. */
  drop(): void {
    this.#size--;
    this.#settled++;
    if (this.#settled >= MAX_SETTLED && this.#settled > this.#size) this.#sweep();
  }

  /**
   * Finds a task that waits.
   *
   * @returns The task, and how many are before it; `undefined` if none is that one.
   */
  find(isMeant: (task: Task) => boolean): { readonly ahead: number } | undefined {
    const tasks = this.#lanes().flatMap((lane) => lane.tasks()).filter((task) => !task.isSettled);
    const found = tasks.find(isMeant);
    if (found === undefined) return undefined;
    const isAhead = ({ priority, order }: Task) =>
      priority > found.priority || (priority === found.priority && order < found.order);
    return { ahead: tasks.filter(isAhead).length };
  }

  /** The task that is next, if there is one that a worker may have. */
  peek(): Task | undefined {
    return this.#next()?.first;
  }

  /** Takes out the task that is next. */
  shift(): Task | undefined {
    const queue = this.#next();
    if (queue !== undefined) this.#size--;
    return queue?.shift();
  }

  /** Takes out all tasks. */
  clear(): Task[] {
    this.#sweep();
    this.#size = 0;
    return this.#lanes().flatMap((lane) => lane.clear());
  }

  #next(): TaskQueue | undefined {
    let best = this.#firstOf(this.#general);
    if (this.#limited.size === 0) return best;
    for (const [procedure, lane] of this.#limited) {
      if (procedure.isFull) continue;
      const queue = this.#firstOf(lane);
      if (queue !== undefined && (best === undefined || isBefore(queue, best))) best = queue;
    }
    return best;
  }

  /** The queue of a lane whose first task is next in it, and has not settled. */
  #firstOf(lane: Lane): TaskQueue | undefined {
    for (let queue = lane.first; queue !== undefined; queue = lane.first) {
      if (queue.first?.isSettled === false) return queue;
      queue.shift();
      this.#settled--;
    }
    return undefined;
  }

  #laneOf({ procedure }: Task): Lane {
    if (procedure.maxConcurrent === undefined) return this.#general;
    const found = this.#limited.get(procedure);
    if (found !== undefined) return found;
    const lane = new Lane();
    this.#limited.set(procedure, lane);
    return lane;
  }

  #lanes(): Lane[] {
    return [this.#general, ...this.#limited.values()];
  }

  #sweep(): void {
    for (const lane of this.#lanes()) lane.sweep();
    this.#settled = 0;
  }
}

/** Tasks that may start in their own order, whatever others wait for: a queue for each priority. */
class Lane {
  readonly #queues: TaskQueue[] = [];

  /** The queue of the highest priority in which tasks wait. */
  get first(): TaskQueue | undefined {
    for (let priority = this.#queues.length - 1; priority >= 0; priority--) {
      const queue = this.#queues[priority];
      if (queue !== undefined && queue.length > 0) return queue;
    }
    return undefined;
  }

  /** The queue of a task's priority. */
  queueOf({ priority }: Task): TaskQueue {
    while (this.#queues.length <= priority) this.#queues.push(new TaskQueue(this.#queues.length));
    // The loop above has made it.
    return this.#queues[priority] as TaskQueue;
  }

  /** All tasks. */
  tasks(): Task[] {
    return this.#queues.flatMap((queue) => queue.tasks());
  }

  /** Removes tasks that have settled. */
  sweep(): void {
    for (const queue of this.#queues) queue.sweep();
  }

  /** Takes out all tasks. */
  clear(): Task[] {
    return this.#queues.toReversed().flatMap((queue) => queue.clear());
  }
}

/** Tasks of one priority, in the order of their arrival; takes constant time at both ends. */
class TaskQueue {
  readonly priority: number;
  #tasks: Task[] = [];
  #head = 0;

  constructor(priority: number) {
    this.priority = priority;
  }

  get length(): number {
    return this.#tasks.length - this.#head;
  }

  /** The task that came first. */
  get first(): Task | undefined {
    return this.#tasks[this.#head];
  }

  push(task: Task): void {
    this.#tasks.push(task);
  }

  /** Adds a task before all that came after it; few came before it. */
  insert(task: Task): void {
    if (this.#head > 0 && (this.first?.order ?? Infinity) > task.order) {
      this.#tasks[--this.#head] = task;
      return;
    }
    let index = this.#head;
    while ((this.#tasks[index]?.order ?? Infinity) < task.order) index++;
    this.#tasks.splice(index, 0, task);
  }

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

  tasks(): Task[] {
    return this.#tasks.slice(this.#head);
  }

  sweep(): void {
    this.#tasks = this.#tasks.slice(this.#head).filter((task) => !task.isSettled);
    this.#head = 0;
  }

  clear(): Task[] {
    const tasks = this.#tasks.slice(this.#head);
    this.#tasks = [];
    this.#head = 0;
    return tasks;
  }
}

/** Whether the first task of a queue is to start before that of another. */
function isBefore(one: TaskQueue, other: TaskQueue): boolean {
  if (one.priority !== other.priority) return one.priority > other.priority;
  return (one.first?.order ?? 0) < (other.first?.order ?? 0);
}
