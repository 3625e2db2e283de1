/** Workers that run tasks in virtual time, as a thread or as a process would. @module */

import type { HostListener, HostStarter, WorkerHost } from "../../../workers/host/host.ts";
import {
  ControlBlock,
  type PoolMessage,
  PROTOCOL_VERSION,
  type RunMessage,
  type WorkerMessage,
} from "../../../workers/wire/protocol.ts";

/** What a task of a virtual worker does. */
export interface Work {
  readonly runMs: number;
  /** Whether it goes on although it was cancelled. */
  readonly isRude: boolean;
  /** Whether its worker dies of it. */
  readonly isDeadly: boolean;
}

/** What virtual workers are given. */
export interface WorkerWorld {
  readonly hasSharedMemory: boolean;
  readonly random: () => number;
  /** What a task does. */
  workOf(id: number): Work;
  /** A worker has begun a task. */
  onStart(id: number): void;
}

/** How long a worker needs to be ready, and a message to arrive, in milliseconds. */
const START_MS = 10;
const MESSAGE_MS = 0.02;

/** One virtual worker. */
export class VirtualWorker implements WorkerHost {
  readonly control: ControlBlock | undefined;
  readonly #world: WorkerWorld;
  readonly #listener: HostListener;
  readonly #ended = Promise.withResolvers<void>();
  readonly #waiting: RunMessage[] = [];
  #running: RunMessage | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isTerminated = false;
  #isGone = false;

  constructor(world: WorkerWorld, listener: HostListener) {
    this.#world = world;
    this.#listener = listener;
    this.control = world.hasSharedMemory ? new ControlBlock() : undefined;
    const isBroken = world.random() < 0.05;
    setTimeout(() => {
      if (isBroken) return this.die("it could not start");
      this.#tell({ type: "ready", version: PROTOCOL_VERSION, procedures: [] });
    }, START_MS);
  }

  get ended(): Promise<void> {
    return this.#ended.promise;
  }

  /** The tasks that have come and wait. */
  get waiting(): readonly RunMessage[] {
    return this.#waiting.filter(({ cell }) => this.control?.stateOf(cell) !== 1);
  }

  get isAlive(): boolean {
    return !this.#isTerminated && !this.#isGone;
  }

  post(messages: readonly PoolMessage[], transfer: readonly ArrayBuffer[]): void {
    const cloned = structuredClone(messages, { transfer: [...transfer] });
    setTimeout(() => cloned.forEach((message) => this.#receive(message)), MESSAGE_MS);
  }

  terminate(): void {
    this.#isTerminated = true;
    // A thread that is busy goes on; it ends with its task.
    if (this.#running === undefined || this.control === undefined) this.#end();
  }

  /** Dies by itself. */
  die(reason: string): void {
    if (this.#isGone) return;
    const isTold = this.isAlive;
    this.#end();
    if (isTold) this.#listener.onDeath(reason);
  }

  #end(): void {
    this.#isGone = true;
    clearTimeout(this.#timer);
    this.#ended.resolve();
  }

  #tell(message: WorkerMessage): void {
    if (this.isAlive) this.#listener.onMessages([message]);
  }

  #receive(message: PoolMessage): void {
    if (this.#isGone) return;
    if (message.type === "run") {
      this.#waiting.push(message);
      if (this.#running === undefined) this.#next();
    } else if (message.type === "abort") this.#abort(message.id);
  }

  #abort(id: number): void {
    if (this.#running?.id === id) {
      if (!this.#world.workOf(id).isRude) this.#finish("error");
      return;
    }
    const index = this.#waiting.findIndex((task) => task.id === id);
    if (index === -1) return;
    this.#waiting.splice(index, 1);
    this.#tell({ type: "skipped", id });
  }

  #next(): void {
    for (let task = this.#waiting.shift(); task !== undefined; task = this.#waiting.shift()) {
      const { id, cell } = task;
      if (this.control?.claim(cell) === false) {
        this.#tell({ type: "skipped", id });
        continue;
      }
      const { runMs, isDeadly } = this.#world.workOf(id);
      this.#running = task;
      if (!this.#isTerminated) this.#world.onStart(id);
      const end = () => isDeadly ? this.die("of its task") : this.#finish("output");
      this.#timer = setTimeout(end, runMs);
      return;
    }
  }

  #finish(type: "output" | "error"): void {
    const task = this.#running;
    if (task === undefined || this.#isGone) return;
    clearTimeout(this.#timer);
    this.#running = undefined;
    this.control?.finish(task.cell);
    const { runMs } = this.#world.workOf(task.id);
    this.#tell({ type, id: task.id, body: `${task.id}`, contentType: "application/json", runMs });
    if (this.#isTerminated) this.#end();
    else if (this.#running === undefined) this.#next();
  }
}

/** Starts virtual workers, and remembers them. */
export class VirtualStarter implements HostStarter {
  readonly url = "virtual:worker";
  readonly workers: VirtualWorker[] = [];
  readonly #world: WorkerWorld;

  constructor(world: WorkerWorld) {
    this.#world = world;
  }

  readonly start = (listener: HostListener): WorkerHost => {
    const worker = new VirtualWorker(this.#world, listener);
    this.workers.push(worker);
    return worker;
  };

  close(): Promise<void> {
    return Promise.resolve();
  }
}
