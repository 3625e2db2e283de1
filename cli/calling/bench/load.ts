/** Calls a procedure again and again, and measures. @module */

import { RpcError } from "../../../mod.ts";
import { LatencyHistogram } from "./latency_histogram.ts";

/** What makes a load. */
export interface LoadOptions {
  /** One call. */
  readonly call: (index: number) => Promise<unknown>;
  /** Calls that are under way at a time; of an open loop the most. */
  readonly inFlight: number;
  /** Calls that begin in a second; absent: each begins when another ends. */
  readonly ratePerS: number | undefined;
  readonly durationMs: number;
  /** Ends it before its time. */
  readonly signal: AbortSignal;
}

/** What was measured in one second. */
export interface LoadSecond {
  readonly second: number;
  readonly times: LatencyHistogram;
  errors: number;
}

/** What was measured. */
export interface LoadReport {
  readonly elapsedMs: number;
  /** Of calls that were answered, from when they were due to their end. */
  readonly times: LatencyHistogram;
  /** Calls that failed, by their codes. */
  readonly errors: ReadonlyMap<string, number>;
  /** Calls that were due while as many were under way as may be: they were not made. */
  readonly notSent: number;
  readonly seconds: readonly LoadSecond[];
}

/** Timers are coarser than that. */
const TICK_MS = 1;

/** Makes a load until its time is over, and waits for what is under way. */
export async function load(options: LoadOptions): Promise<LoadReport> {
  const measured = new Measured();
  await (options.ratePerS === undefined
    ? closedLoop(options, measured)
    : openLoop(options, options.ratePerS, measured));
  return measured.report();
}

/** What is measured so far. */
class Measured {
  readonly startedAt = performance.now();
  readonly #times = new LatencyHistogram();
  readonly #errors = new Map<string, number>();
  readonly #seconds: LoadSecond[] = [];
  notSent = 0;

  /** Measures a call that was due then. */
  async time(dueAt: number, call: () => Promise<unknown>): Promise<void> {
    try {
      await call();
      const now = performance.now();
      this.#times.add(now - dueAt);
      this.#second(now).times.add(now - dueAt);
    } catch (error) {
      const code = error instanceof RpcError ? error.code : "unknown";
      this.#errors.set(code, (this.#errors.get(code) ?? 0) + 1);
      this.#second(performance.now()).errors++;
    }
  }

  report(): LoadReport {
    return {
      elapsedMs: performance.now() - this.startedAt,
      times: this.#times,
      errors: this.#errors,
      notSent: this.notSent,
      seconds: this.#seconds,
    };
  }

  #second(at: number): LoadSecond {
    const index = Math.floor((at - this.startedAt) / 1_000);
    for (let second = this.#seconds.length; second <= index; second++) {
      this.#seconds.push({ second, times: new LatencyHistogram(), errors: 0 });
    }
    // The loop has just made it.
    return this.#seconds[index] ?? { second: index, times: new LatencyHistogram(), errors: 0 };
  }
}

async function closedLoop(options: LoadOptions, measured: Measured): Promise<void> {
  const { call, inFlight, durationMs, signal } = options;
  const endAt = measured.startedAt + durationMs;
  let index = 0;
  const turn = async () => {
    while (!signal.aborted && performance.now() < endAt) {
      await measured.time(performance.now(), () => call(index++));
    }
  };
  await Promise.all(Array.from({ length: inFlight }, turn));
}

/**
 * Calls are due at their times whatever the service does: a service that stalls is measured by all
 * calls that would have come meanwhile, and not by the few that a closed loop makes.
 */
async function openLoop(
  options: LoadOptions,
  ratePerS: number,
  measured: Measured,
): Promise<void> {
  const { call, inFlight, durationMs, signal } = options;
  const underWay = new Set<Promise<void>>();
  const count = Math.max(1, Math.round(durationMs / 1_000 * ratePerS));
  for (let index = 0; index < count && !signal.aborted;) {
    const now = performance.now();
    const dueAt = measured.startedAt + index * 1_000 / ratePerS;
    if (now < dueAt) {
      await new Promise((resolve) => setTimeout(resolve, TICK_MS));
      continue;
    }
    const at = index++;
    if (underWay.size >= inFlight) measured.notSent++;
    else {
      const timed = measured.time(dueAt, () => call(at)).finally(() => underWay.delete(timed));
      underWay.add(timed);
    }
    // Replies are read in between, however far behind it is.
    if (at % 256 === 255) await new Promise((resolve) => setTimeout(resolve, 0));
  }
  await Promise.all(underWay);
}
