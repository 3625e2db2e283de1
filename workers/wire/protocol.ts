/**
 * What passes between a pool and its workers, and where the two sides find each other.
 *
 * @module
 */

import type { Body } from "../../codec.ts";
import type { MessageHeaders } from "../../contract.ts";
import type { EncodedItem, EncodedReply } from "../../internal/encoded_reply.ts";
import type { WorkerTiming } from "../../internal/run_timing.ts";

/** Grows with every incompatible change: a worker file may import another version of this package. */
export const PROTOCOL_VERSION = 1;

/** The most tasks that one worker holds at a time: one runs, the others wait inside it. */
export const MAX_WINDOW = 64;

/** A thread can receive a {@linkcode LoadMessage}: what was posted before is lost. */
export interface BootedMessage {
  readonly type: "booted";
  /** The lock that it holds for as long as it lives. */
  readonly lockName: string;
}

/** Tells a thread which file to load. All else goes through the port, as the thread's own messages
 * are those of its tasks. */
export interface LoadMessage {
  readonly type: "load";
  /** The absolute URL of the worker file. */
  readonly url: string;
  /** The memory of {@linkcode ControlBlock}. */
  readonly control: SharedArrayBuffer;
  /** The thread's end of the line to its pool. */
  readonly port: MessagePort;
}

/** What a pool tells a worker. */
export type PoolMessage =
  | RunMessage
  | { readonly type: "abort"; readonly id: number }
  /** Allows a task that streams so many items more. */
  | { readonly type: "credit"; readonly id: number; readonly count: number };

/** Hands a task to a worker. Absent members have the value that is most common. */
export interface RunMessage {
  readonly type: "run";
  /** Tells the tasks of one pool apart; positive, fits 31 bits. */
  readonly id: number;
  /** The cell of the {@linkcode ControlBlock} that belongs to the task. */
  readonly cell: number;
  readonly procedure: string;
  readonly body: Body;
  readonly contentType?: string;
  readonly correlationId?: string;
  readonly deadline?: number;
  readonly redeliveries?: number;
  /** Those of the request. */
  readonly headers?: MessageHeaders;
  /** How many items the task may send at first; absent if no stream is wanted. */
  readonly credits?: number;
  /** Whether somebody wants to know of progress. */
  readonly wantsProgress?: true;
  /** Whether somebody wants to know how long it takes. */
  readonly wantsTiming?: true;
}

/** What a worker tells its pool. */
export type WorkerMessage =
  /** The worker file was loaded and has called `expose()`. */
  | { readonly type: "ready"; readonly version: number; readonly procedures: readonly string[] }
  /** The worker file cannot be used. */
  | { readonly type: "unusable"; readonly reason: string }
  | ReplyMessage
  | ItemMessage
  /** The pool took the task back before it started. */
  | { readonly type: "skipped"; readonly id: number }
  /** The worker is about to end. */
  | { readonly type: "ending"; readonly reason: string };

/** Ends a task. */
export interface ReplyMessage extends EncodedReply {
  readonly id: number;
  /** How long the task ran, in milliseconds, decoding and encoding included. */
  readonly runMs: number;
  /** What the worker's heap holds, in MiB; told now and then. */
  readonly memoryMb?: number;
  /** How long it took, if somebody wants to know. */
  readonly timing?: WorkerTiming;
}

/** One value that a task tells before its end: an item of a stream, or how far it has come. */
export interface ItemMessage extends EncodedItem {
  readonly type: "item" | "progress";
  readonly id: number;
}

/** The worker's end of the line to its pool. */
export interface WorkerPort {
  /** Absent where pool and worker share no memory. */
  readonly control: ControlBlock | undefined;
  /** Whether the pool was told that the worker ends: it believes that what waits has not begun. */
  readonly isEnding: boolean;
  /** Calls `receive` with whatever comes, in order. */
  listen(receive: (message: PoolMessage) => void): void;
  /**
   * Takes a message for the pool, which may leave only with the next {@linkcode flush}.
   *
   * @throws {RpcError} `too-large`, for an item. An output becomes an error.
   */
  send(message: WorkerMessage, transfer?: ArrayBuffer): void;
  /** Sends what waits. */
  flush(): void;
}

/** How far the task of a cell has come. */
export type CellState = typeof CellState[keyof typeof CellState];
/** The values of a cell. */
export const CellState = {
  /** Free, or its task waits inside the worker. */
  waiting: 0,
  /** The pool took the task back before it started; the worker will skip it. */
  takenBack: 1,
  /** The worker runs the task, and its output is wanted. */
  started: 2,
  /** The worker runs the task, but nobody waits for its output any more. */
  cancelled: 3,
  /** The task ran to its end; its reply may not have left the worker yet. */
  finished: 4,
} as const;

/**
 * Memory that pool and worker share, one cell for each task that the worker holds. It works while
 * the worker's event loop does not turn, and each step is one atomic operation: either the worker
 * starts a task or the pool takes it back, never both.
 */
export class ControlBlock {
  /** The memory, to be shared with the other side. */
  readonly memory: SharedArrayBuffer;
  readonly #cells: Int32Array;

  /**
   * Looks at shared memory.
   *
   * @param memory What the other side made; fresh if there is no other side yet.
   */
  constructor(memory: SharedArrayBuffer = new SharedArrayBuffer(4 * MAX_WINDOW)) {
    this.memory = memory;
    this.#cells = new Int32Array(memory);
  }

  /** Tells how far the task of a cell has come. */
  stateOf(cell: number): CellState {
    // Only the methods below write, and they write these values only.
    return Atomics.load(this.#cells, cell) as CellState;
  }

  /** Claims a task for the worker; false if the pool took it back. */
  claim(cell: number): boolean {
    return this.#change(cell, CellState.waiting, CellState.started);
  }

  /** Takes a task back for the pool; false if the worker has started it. */
  takeBack(cell: number): boolean {
    return this.#change(cell, CellState.waiting, CellState.takenBack);
  }

  /** Marks a running task as cancelled. */
  cancel(cell: number): boolean {
    return this.#change(cell, CellState.started, CellState.cancelled);
  }

  /** Marks a task as run to its end. */
  finish(cell: number): void {
    Atomics.store(this.#cells, cell, CellState.finished);
  }

  /** Makes a cell free for another task. */
  release(cell: number): void {
    Atomics.store(this.#cells, cell, CellState.waiting);
  }

  #change(cell: number, from: CellState, to: CellState): boolean {
    return Atomics.compareExchange(this.#cells, cell, from, to) === from;
  }
}

/**
 * The global property where a worker's entry file leaves the {@linkcode WorkerPort}. It is a
 * registered symbol because the worker file may import its own copy of this package.
 */
export const WORKER_PORT: unique symbol = Symbol.for("@warren/rpc.worker-port");

/** The global object of a worker. */
export type WorkerGlobal = typeof globalThis & { [WORKER_PORT]?: WorkerPort };

/** From this size on, bytes that move are cheaper for the pool's thread than bytes that are cloned. */
export const TRANSFER_FROM_BYTES = 8_192;
const encoder = new TextEncoder();

/** Whether a body moves. Bodies of the pool and of its workers have their buffer for themselves. */
export function mustTransfer(body: Body): body is Uint8Array<ArrayBuffer> {
  return typeof body !== "string" && body.length >= TRANSFER_FROM_BYTES;
}

/** Makes a long text bytes, as these can move. */
export function toTransferable(body: Body): Body {
  const isLongText = typeof body === "string" && body.length >= TRANSFER_FROM_BYTES;
  return isLongText ? encoder.encode(body) : body;
}
