/**
 * How much a pool can take, for servers that ask the broker for no more.
 *
 * @module
 */

import type {
  CapacityLoad,
  HandlerCapacity,
  WorkPlace,
} from "../../internal/running/encoded_handler.ts";
import { checkWorkers } from "./pool_options.ts";
import type { Task, TaskCounter } from "./task.ts";

/** So many requests for each worker keep it busy while replies are confirmed. */
const REQUESTS_PER_WORKER = 8;

/** The part of a pool that its capacity depends on. */
export interface PoolLoad {
  /** Workers that run tasks or could be started to. */
  readonly workers: number;
  readonly maxBacklog: number;
  /** Tasks that run or wait, whoever they come from. */
  readonly tasks: number;
  /** How busy the workers are. */
  readonly load: CapacityLoad;
  /** Tells where the task is that has this signal. */
  locate(signal: AbortSignal): WorkPlace | undefined;
  /** Has more workers, or fewer. */
  resize(workers: number): void;
  /** Calls back whenever one of these may have changed; returns what ends that. */
  watch(listener: () => void): () => void;
}

/** The part of a pool that one server's handlers may use: what others do not. */
export class PoolCapacity implements HandlerCapacity, TaskCounter {
  readonly #load: PoolLoad;
  #own = 0;

  constructor(load: PoolLoad) {
    this.#load = load;
  }

  /** The most requests that the handlers take at the moment. */
  get limit(): number {
    const { workers, maxBacklog } = this.#load;
    return workers === 0 ? 0 : Math.max(0, workers + maxBacklog - this.#others);
  }

  /** How many requests keep the workers busy that others leave idle. */
  get recommended(): number {
    const busy = this.#load.workers * REQUESTS_PER_WORKER - this.#others;
    return Math.max(0, Math.min(busy, this.limit));
  }

  /** Tasks that did not come from these handlers. */
  get #others(): number {
    return Math.max(0, this.#load.tasks - this.#own);
  }

  /** How busy the workers are, whoever they work for. */
  get load(): CapacityLoad {
    return this.#load.load;
  }

  /** Tells where the task is that has this signal. */
  locate(signal: AbortSignal): WorkPlace | undefined {
    return this.#load.locate(signal);
  }

  /**
   * Has more workers, or fewer, whoever they work for.
   *
   * @throws {RangeError} If there cannot be as many.
   */
  resize(workers: number): void {
    checkWorkers(workers);
    this.#load.resize(workers);
  }

  /** Calls back whenever the load may have changed; returns what ends that. */
  watch(listener: () => void): () => void {
    return this.#load.watch(listener);
  }

  /** Counts a task of the handlers in, until it settles. */
  count(task: Task): Task {
    this.#own++;
    return task;
  }

  /** Counts a task of the handlers out. */
  onSettled(): void {
    this.#own--;
  }
}
