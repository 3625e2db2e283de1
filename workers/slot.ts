/**
 * One place in a pool. It outlives its workers: when one dies, it starts the next.
 *
 * @module
 */

import { RpcError } from "../errors.ts";
import type { StartHost, WorkerHost } from "./host.ts";
import type { PoolEvent } from "./pool_events.ts";
import { CellState, MAX_WINDOW, PROTOCOL_VERSION } from "./protocol.ts";
import type { ReplyMessage, RunMessage, WorkerMessage } from "./protocol.ts";
import type { Task } from "./task.ts";

/** The wait before the second restart in a row, in milliseconds; it doubles with each further. */
const FIRST_BACKOFF_MS = 100;
const MAX_BACKOFF_MS = 5_000;

/** What a slot needs of its pool. */
export interface SlotOwner {
  /** Starts a worker. */
  readonly startHost: StartHost;
  /** The most time a worker has from its start until it is ready, in milliseconds. */
  readonly startTimeoutMs: number;
  /** A worker has room for tasks. */
  onRoom(slot: Slot): void;
  /** A worker has run a task to its end. */
  onReply(task: Task, reply: ReplyMessage): void;
  /** A worker died that held these tasks; the first is the one that it ran, if it ran any. */
  onDeath(running: Task | undefined, unstarted: readonly Task[], reason: string): void;
  /** Tells the observer. */
  emit(event: PoolEvent): void;
}

type Timer = ReturnType<typeof setTimeout>;

type SlotState =
  | { readonly name: "starting"; readonly host: WorkerHost; readonly timer: Timer }
  | { readonly name: "idle"; readonly host: WorkerHost }
  | { readonly name: "busy"; readonly host: WorkerHost }
  | { readonly name: "crashed"; readonly timer: Timer }
  | { readonly name: "closed" };

/** A task that a worker holds. */
interface HeldTask {
  /** Absent once the pool has taken it back. */
  task: Task | undefined;
  readonly id: number;
  readonly cell: number;
  readonly expectedMs: number;
}

/** One place in a pool, with the worker that is in it. */
export class Slot {
  readonly index: number;
  readonly #owner: SlotOwner;
  #state: SlotState = { name: "closed" };
  #held: HeldTask[] = [];
  #loadMs = 0;
  #freeCells: number[] = [];
  #outbox: RunMessage[] = [];
  #transfer: ArrayBuffer[] = [];
  #crashesInARow = 0;
  #procedures: readonly string[] = [];
  #ready = Promise.withResolvers<void>();

  /**
   * Makes a slot without a worker.
   *
   * @param index The number of the slot in its pool.
   * @param owner The pool.
   */
  constructor(index: number, owner: SlotOwner) {
    this.index = index;
    this.#owner = owner;
  }

  /** What the slot is doing. */
  get state(): SlotState["name"] {
    return this.#state.name;
  }

  /** Whether the worker holds no task at all. */
  get isEmpty(): boolean {
    return this.#held.length === 0;
  }

  /** How long the tasks that the worker holds will take, in milliseconds, as far as is known. */
  get loadMs(): number {
    return this.#loadMs;
  }

  /** Whether a worker is there that can hold one more task. */
  get hasRoom(): boolean {
    const { name } = this.#state;
    return (name === "idle" || name === "busy") && this.#freeCells.length > 0;
  }

  /** The procedures that the worker exposes. */
  get procedures(): readonly string[] {
    return this.#procedures;
  }

  /** Starts a worker; settles when the first one is ready, or cannot be started. */
  start(): Promise<void> {
    this.#startWorker();
    return this.#ready.promise;
  }

  /** Gives the worker a task, which leaves with the next {@linkcode flush}. */
  assign(task: Task, expectedMs: number): void {
    if (this.#state.name === "idle") this.#become({ name: "busy", host: this.#state.host });
    const cell = this.#freeCells.pop();
    if (this.#state.name !== "busy" || cell === undefined) {
      throw new TypeError(`Cannot assign a task as slot ${this.index} is ${this.#state.name}`);
    }
    this.#held.push({ task, id: task.id, cell, expectedMs });
    this.#loadMs += expectedMs;
    const { body } = task.request;
    // A body of bytes is the task's own copy, and nobody needs it here any more.
    if (typeof body !== "string") this.#transfer.push(body.buffer);
    this.#outbox.push(toMessage(task, cell));
  }

  /** Sends the tasks that were assigned since the last time. */
  flush(): void {
    if (this.#outbox.length === 0 || this.#state.name !== "busy") return;
    const messages = this.#outbox;
    const transfer = this.#transfer;
    this.#outbox = [];
    this.#transfer = [];
    try {
      this.#state.host.post(messages, transfer);
    } catch (error) {
      this.#crash(`it cannot be reached: ${error instanceof Error ? error.message : error}`);
    }
  }

  /** Tells the worker that nobody waits for a task any more. */
  abort(task: Task): void {
    const held = this.#held.find((candidate) => candidate.task === task);
    if (held === undefined || this.#state.name !== "busy") return;
    const { control } = this.#state.host;
    if (control?.takeBack(held.cell)) {
      held.task = undefined;
      return;
    }
    control?.cancel(held.cell);
    this.#state.host.post([{ type: "abort", id: held.id }], []);
  }

  /** The tasks that the worker holds and that somebody waits for. */
  get tasks(): Task[] {
    return this.#held.flatMap(({ task }) => task ?? []);
  }

  /** Ends the worker, and starts no other. */
  close(): void {
    this.#release();
    if (this.#state.name !== "closed") this.#become({ name: "closed" });
    this.#ready.reject(notStarted("the pool was closed"));
  }

  #startWorker(): void {
    const startedAt = performance.now();
    const { startTimeoutMs, startHost } = this.#owner;
    this.#freeCells = Array.from({ length: MAX_WINDOW }, (_, index) => MAX_WINDOW - 1 - index);
    const host = startHost({
      onMessages: (messages) => {
        for (const message of messages) this.#receive(message, startedAt);
        this.#settleIdle();
      },
      onDeath: (reason) => this.#crash(reason),
    });
    const timer = setTimeout(
      () => this.#crash(`it was not ready within ${startTimeoutMs} ms: does it call expose()?`),
      startTimeoutMs,
    );
    this.#become({ name: "starting", host, timer });
  }

  #receive(message: WorkerMessage, startedAt: number): void {
    switch (message.type) {
      case "ready":
        return this.#welcome(message, performance.now() - startedAt);
      case "unusable":
        return this.#crash(message.reason);
      case "output":
      case "error":
        return this.#finish(message);
      case "skipped":
        this.#takeOut(message.id);
        return;
      case "booted":
      case "ending":
        return;
      default:
        return unreachable(message);
    }
  }

  #welcome(message: WorkerMessage & { type: "ready" }, startMs: number): void {
    if (this.#state.name !== "starting") return;
    const { version, procedures } = message;
    if (version !== PROTOCOL_VERSION) {
      return this.#crash(`it speaks protocol version ${version}, and the pool ${PROTOCOL_VERSION}`);
    }
    this.#procedures = procedures;
    clearTimeout(this.#state.timer);
    this.#state = { name: "idle", host: this.#state.host };
    this.#owner.emit({ type: "ready", slot: this.index, startMs, procedures });
    this.#ready.resolve();
    this.#owner.onRoom(this);
  }

  #finish(message: ReplyMessage): void {
    const task = this.#takeOut(message.id);
    if (task === undefined) return;
    this.#crashesInARow = 0;
    this.#owner.onReply(task, message);
  }

  #takeOut(id: number): Task | undefined {
    const index = this.#held.findIndex((held) => held.id === id);
    const [held] = index === -1 ? [] : this.#held.splice(index, 1);
    if (held === undefined || !("host" in this.#state)) return undefined;
    this.#state.host.control?.release(held.cell);
    this.#freeCells.push(held.cell);
    this.#loadMs = this.#held.length === 0 ? 0 : this.#loadMs - held.expectedMs;
    return held.task;
  }

  #settleIdle(): void {
    if (this.#state.name !== "busy") return;
    this.#owner.onRoom(this);
    if (this.#held.length === 0) this.#become({ name: "idle", host: this.#state.host });
  }

  /** Ends the worker and everything it held, and plans the next. */
  #crash(reason: string): void {
    if (!("host" in this.#state)) return;
    const { host } = this.#state;
    const wasStarting = this.#state.name === "starting";
    const held = this.#held.filter(({ task }) => task !== undefined);
    const started = held.find(({ cell }) => hasStarted(host, cell));
    const running = started ?? (host.control === undefined ? held[0] : undefined);
    this.#release();
    const restartInMs = this.#backOff(wasStarting);
    const timer = setTimeout(() => this.#startWorker(), restartInMs);
    this.#state = { name: "crashed", timer };
    const procedure = running?.task?.request.procedure;
    this.#owner.emit({ type: "crashed", slot: this.index, reason, procedure, restartInMs });
    this.#ready.reject(notStarted(reason));
    const unstarted = held.flatMap((one) => one === running ? [] : one.task ?? []);
    this.#owner.onDeath(running?.task, unstarted, reason);
  }

  /** A worker that had run tasks is replaced at once; one that dies again and again is not. */
  #backOff(wasStarting: boolean): number {
    this.#crashesInARow += 1;
    const doublings = this.#crashesInARow - (wasStarting ? 1 : 2);
    return doublings < 0 ? 0 : Math.min(FIRST_BACKOFF_MS * 2 ** doublings, MAX_BACKOFF_MS);
  }

  /** Lets go of the worker and of whatever was meant for it. */
  #release(): void {
    if ("timer" in this.#state) clearTimeout(this.#state.timer);
    if ("host" in this.#state) this.#state.host.terminate();
    this.#held = [];
    this.#loadMs = 0;
    this.#outbox = [];
    this.#transfer = [];
  }

  #become(state: SlotState & { name: "starting" | "idle" | "busy" | "closed" }): void {
    this.#state = state;
    this.#owner.emit({ type: state.name, slot: this.index });
  }
}

function hasStarted(host: WorkerHost, cell: number): boolean {
  const state = host.control?.stateOf(cell);
  return state === CellState.started || state === CellState.cancelled;
}

function toMessage({ id, request }: Task, cell: number): RunMessage {
  const { procedure, body, contentType, correlationId, deadline, redeliveries } = request;
  return {
    type: "run",
    id,
    cell,
    procedure,
    body,
    // Each member of a message costs time on the pool's thread.
    ...(contentType === undefined ? {} : { contentType }),
    ...(correlationId === undefined ? {} : { correlationId }),
    ...(deadline === undefined ? {} : { deadline }),
    ...(redeliveries ? { redeliveries } : {}),
  };
}

function notStarted(reason: string): RpcError {
  return new RpcError("worker-not-started", `Cannot start a worker: ${reason}`);
}

function unreachable(message: never): never {
  throw new TypeError(`Cannot read a message of an unknown type: ${JSON.stringify(message)}`);
}
