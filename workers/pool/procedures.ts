/**
 * What a pool knows of each procedure: its limits, how many of its tasks workers hold, and how long
 * they run.
 *
 * @module
 */

import type { PoolSettings } from "./pool_options.ts";

/** The weight of the newest run: the average forgets half of the past in about 4 runs. */
const NEWEST_WEIGHT = 0.15;

/** What a procedure that never ran is taken to need, in milliseconds: too long to queue behind. */
const UNKNOWN_MS = 1_000_000;

/** One procedure of a pool. */
export class PoolProcedure {
  readonly name: string;
  /** The most time that a task may run, in milliseconds; absent is no limit. */
  readonly timeLimitMs: number | undefined;
  /** The most tasks that workers may hold at a time; absent is no limit. */
  readonly maxConcurrent: number | undefined;
  /** How many tasks workers hold. */
  held = 0;
  /** How long a task will run, in milliseconds, by a moving average. */
  expectedMs: number = UNKNOWN_MS;

  constructor(name: string, { limits, timeLimitMs }: ProcedureSettings) {
    const own = limits[name];
    this.name = name;
    this.timeLimitMs = own?.timeLimitMs ?? timeLimitMs;
    this.maxConcurrent = own?.maxConcurrent;
  }

  /** Whether workers hold as many of its tasks as they may. */
  get isFull(): boolean {
    return this.maxConcurrent !== undefined && this.held >= this.maxConcurrent;
  }

  /** Learns from one run. */
  learn(runMs: number): void {
    const known = this.expectedMs === UNKNOWN_MS ? runMs : this.expectedMs;
    this.expectedMs = known + (runMs - known) * NEWEST_WEIGHT;
  }
}

/** The limits of all procedures, and of single ones. */
export type ProcedureSettings = Pick<PoolSettings, "limits" | "timeLimitMs">;

/** All procedures of a pool that were asked for. */
export class PoolProcedures {
  readonly #settings: ProcedureSettings;
  readonly #byName = new Map<string, PoolProcedure>();

  constructor(settings: ProcedureSettings) {
    this.#settings = settings;
  }

  /** Finds a procedure, whether any worker exposes it or not. */
  get(name: string): PoolProcedure {
    const found = this.#byName.get(name);
    if (found !== undefined) return found;
    const procedure = new PoolProcedure(name, this.#settings);
    this.#byName.set(name, procedure);
    return procedure;
  }

  /** The longest time limit of these, in milliseconds; `undefined` if one has none. */
  longestOf(names: readonly string[]): number | undefined {
    const longest = Math.max(...names.map((name) => this.get(name).timeLimitMs ?? Infinity));
    return Number.isFinite(longest) ? longest : undefined;
  }
}
