/**
 * The tasks that one worker holds, from their assignment to their end: the first one runs, the
 * others wait inside the worker.
 *
 * @module
 */

import {
  CellState,
  type ControlBlock,
  MAX_WINDOW,
  mustTransfer,
  type RunMessage,
} from "../wire/protocol.ts";
import type { Task } from "./task.ts";

/** A task that a worker holds. */
export interface HeldTask {
  readonly task: Task;
  /** Its cell in the {@linkcode ControlBlock}. */
  readonly cell: number;
  /** How long it will run, in milliseconds. */
  expectedMs: number;
  /** Whether the pool has taken it back, so that the worker will skip it. */
  isTakenBack: boolean;
}

/** What leaves for a worker together. */
export interface Outgoing {
  readonly messages: readonly RunMessage[];
  /** The bodies among them that move. */
  readonly transfer: readonly ArrayBuffer[];
}

/** The tasks of one worker, in the order in which it runs them. */
export class HeldTasks {
  readonly #control: ControlBlock | undefined;
  readonly #freeCells = Array.from({ length: MAX_WINDOW }, (_, index) => MAX_WINDOW - 1 - index);
  #held: HeldTask[] = [];
  #loadMs = 0;
  #unsent: RunMessage[] = [];
  #transfer: ArrayBuffer[] = [];
  #lastFirst: HeldTask | undefined;

  /**
   * Makes an empty list.
   *
   * @param control The memory shared with the worker, if any.
   */
  constructor(control: ControlBlock | undefined) {
    this.#control = control;
  }

  /** How many tasks the worker has not ended, those included that it will skip. */
  get size(): number {
    return this.#held.length;
  }

  /** Whether there is a cell for one more. */
  get hasRoom(): boolean {
    return this.#freeCells.length > 0;
  }

  /** How long the tasks will take, in milliseconds; `Infinity` if the first takes too long. */
  get loadMs(): number {
    return this.#loadMs;
  }

  /** The task whose time runs: the first, unless the worker has only to skip it. */
  get timed(): Task | undefined {
    const first = this.#held[0];
    return first?.isTakenBack === true && !first.task.isSettled ? undefined : first?.task;
  }

  /** The tasks that were not taken back. */
  get tasks(): Task[] {
    return this.#held.flatMap(({ task, isTakenBack }) => isTakenBack ? [] : task);
  }

  /** Adds a task at the end. It leaves with {@linkcode takeUnsent}. */
  add(task: Task): void {
    const cell = this.#freeCells.pop();
    if (cell === undefined) throw new TypeError("Cannot hold a task as no cell is free");
    const { expectedMs } = task.procedure;
    this.#held.push({ task, cell, expectedMs, isTakenBack: false });
    this.#loadMs += expectedMs;
    const { body } = task;
    if (mustTransfer(body)) this.#transfer.push(body.buffer);
    this.#unsent.push(toMessage(task, cell));
  }

  /** Takes out what was added since the last time. */
  takeUnsent(): Outgoing | undefined {
    if (this.#unsent.length === 0) return undefined;
    const outgoing = { messages: this.#unsent, transfer: this.#transfer };
    this.#unsent = [];
    this.#transfer = [];
    return outgoing;
  }

  /** Removes the task of that id, once the worker is through with it. */
  remove(id: number): HeldTask | undefined {
    // Replies come in order, so it is the first one nearly always.
    const index = this.#held[0]?.task.id === id ? 0 : this.#indexOf(id);
    const held = this.#held[index];
    if (held === undefined) return undefined;
    if (index === 0) this.#held.shift();
    else this.#held.splice(index, 1);
    this.#control?.release(held.cell);
    this.#freeCells.push(held.cell);
    this.#unload(held);
    return held;
  }

  /** Finds a task that was not taken back. */
  find(task: Task): HeldTask | undefined {
    return this.#held.find((held) => held.task === task && !held.isTakenBack);
  }

  /** Finds the task of that id. */
  get(id: number): Task | undefined {
    return this.#held[this.#indexOf(id)]?.task;
  }

  /** Takes a task back unless the worker has started it; tells whether it could. */
  takeBack(held: HeldTask): boolean {
    if (!this.#control?.takeBack(held.cell)) return false;
    held.isTakenBack = true;
    this.#unload(held);
    held.expectedMs = 0;
    return true;
  }

  /** Whether tasks wait, and the first has not been found to take too long. */
  get mayBeStuck(): boolean {
    return this.#held.length > 1 && this.#loadMs < Infinity;
  }

  /**
   * Looks whether the first task is the same as at the last look, and so takes longer than expected.
   * If it does, the tasks that wait behind it are taken back, and no further should be added.
   *
   * @returns The tasks that were taken back.
   */
  takeBackStuck(): Task[] {
    const first = this.#held[0];
    const isStuck = first !== undefined && first === this.#lastFirst;
    this.#lastFirst = first;
    if (!isStuck) return [];
    this.#loadMs = first.expectedMs = Infinity;
    return this.#held.slice(1).flatMap((held) => {
      const mayLeave = held.task.isRepeatable && !held.isTakenBack;
      return mayLeave && this.takeBack(held) ? held.task : [];
    });
  }

  /**
   * Finds the tasks that a worker has started, should it die: the last one is to blame, and the
   * replies of the others were lost with it.
   */
  findStarted(): Task[] {
    const control = this.#control;
    if (control === undefined) return this.#held.slice(0, 1).map(({ task }) => task);
    return this.#held.flatMap(({ task, cell }) => {
      const state = control.stateOf(cell);
      return state === CellState.waiting || state === CellState.takenBack ? [] : task;
    });
  }

  #indexOf(id: number): number {
    return this.#held.findIndex(({ task }) => task.id === id);
  }

  #unload({ expectedMs }: HeldTask): void {
    if (this.#held.length === 0) this.#loadMs = 0;
    else if (this.#loadMs < Infinity) this.#loadMs -= expectedMs;
    else this.#loadMs = this.#held.reduce((sum, { expectedMs }) => sum + expectedMs, 0);
  }
}

function toMessage(task: Task, cell: number): RunMessage {
  const { id, body, contentType, correlationId, deadline, redeliveries, headers, timing, sink } =
    task;
  return {
    type: "run",
    id,
    cell,
    procedure: task.procedure.name,
    body,
    // Each member of a message costs time on the pool's thread.
    ...(contentType === undefined ? {} : { contentType }),
    ...(correlationId === undefined ? {} : { correlationId }),
    ...(deadline === undefined ? {} : { deadline }),
    ...(redeliveries === 0 ? {} : { redeliveries }),
    ...(headers === undefined ? {} : { headers }),
    ...(timing === undefined ? {} : { wantsTiming: true }),
    ...(sink?.credits === undefined ? {} : { credits: sink.credits }),
    ...(sink?.onProgress === undefined ? {} : { wantsProgress: true }),
  };
}
