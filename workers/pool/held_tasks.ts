/**
 * The tasks that one worker holds: the first one runs, the others wait inside the worker.
 *
 * @module
 */

import { CellState, type ControlBlock, MAX_WINDOW } from "../wire/protocol.ts";
import type { Task } from "./task.ts";

/** A task that a worker holds. */
export interface HeldTask {
  readonly task: Task;
  /** Its cell in the {@linkcode ControlBlock}. */
  readonly cell: number;
  /** How long it will run, in milliseconds. */
  readonly expectedMs: number;
  /** Whether the pool has taken it back, so that the worker will skip it. */
  isTakenBack: boolean;
}

/** The tasks of one worker, in the order in which it runs them. */
export class HeldTasks {
  readonly #control: ControlBlock | undefined;
  readonly #freeCells = Array.from({ length: MAX_WINDOW }, (_, index) => MAX_WINDOW - 1 - index);
  #tasks: HeldTask[] = [];
  #loadMs = 0;

  /**
   * Makes an empty list.
   *
   * @param control The memory shared with the worker, if any.
   */
  constructor(control: ControlBlock | undefined) {
    this.#control = control;
  }

  /** Whether the worker holds no task at all. */
  get isEmpty(): boolean {
    return this.#tasks.length === 0;
  }

  /** Whether there is a cell for one more. */
  get hasRoom(): boolean {
    return this.#freeCells.length > 0;
  }

  /** How long the tasks will take, in milliseconds. */
  get loadMs(): number {
    return this.#loadMs;
  }

  /** The task that the worker runs, or will run next. */
  get first(): HeldTask | undefined {
    return this.#tasks[0];
  }

  /** The tasks that were not taken back. */
  get wanted(): readonly HeldTask[] {
    return this.#tasks.filter(({ isTakenBack }) => !isTakenBack);
  }

  /** Adds a task at the end; returns its cell. */
  add(task: Task, expectedMs: number): number {
    const cell = this.#freeCells.pop();
    if (cell === undefined) throw new TypeError("Cannot hold a task as no cell is free");
    this.#tasks.push({ task, cell, expectedMs, isTakenBack: false });
    this.#loadMs += expectedMs;
    return cell;
  }

  /** Removes the task of that id, once the worker is through with it. */
  remove(id: number): HeldTask | undefined {
    const index = this.#tasks.findIndex(({ task }) => task.id === id);
    const held = this.#tasks[index];
    if (held === undefined) return undefined;
    // Replies come in order, so it is the first one nearly always.
    if (index === 0) this.#tasks.shift();
    else this.#tasks.splice(index, 1);
    this.#control?.release(held.cell);
    this.#freeCells.push(held.cell);
    this.#loadMs = this.isEmpty ? 0 : this.#loadMs - held.expectedMs;
    return held;
  }

  /** Finds a task that was not taken back. */
  find(task: Task): HeldTask | undefined {
    return this.#tasks.find((held) => held.task === task && !held.isTakenBack);
  }

  /** Finds the task of that id. */
  get(id: number): HeldTask | undefined {
    return this.#tasks.find(({ task }) => task.id === id);
  }

  /** Takes a task back unless the worker has started it; tells whether it could. */
  takeBack(held: HeldTask): boolean {
    if (!this.#control?.takeBack(held.cell)) return false;
    held.isTakenBack = true;
    return true;
  }

  /** The task that a worker has started and not finished: the one to blame if it dies. */
  findRunning(): HeldTask | undefined {
    if (this.#control === undefined) return this.first;
    return this.#tasks.find(({ cell }) => {
      const state = this.#control?.stateOf(cell);
      return state === CellState.started || state === CellState.cancelled;
    });
  }
}
