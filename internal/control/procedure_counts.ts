/** Counts what becomes of the requests of each procedure, for operators. @module */

import { Histogram } from "../histogram.ts";
import type { ProcedureStats } from "../protocol/control_question.ts";
import type { SettledRequest } from "../serving/outcome_counts.ts";

/** All procedures that the server does not have: strangers choose their names. */
const OTHER = "_OTHER";

/** How long a duration counts at least, and half as long as it counts at most, in milliseconds. */
const RECENT_MS = 30_000;

/** Outcomes that are no failure of the procedure. */
const GOOD: readonly SettledRequest["outcome"][] = ["output", "notified", "cancelled", "orphaned"];

/** The counts of all procedures of a server. */
export class ProcedureCounts {
  readonly #counts: ReadonlyMap<string, ProcedureCount>;
  readonly #other = new ProcedureCount();
  readonly #lag = new RecentDurations();

  constructor(names: readonly string[]) {
    this.#counts = new Map(names.map((name) => [name, new ProcedureCount()]));
  }

  /** Counts a request that was settled, or several of one batch. */
  add({ procedure, active, outcome, count: times = 1 }: SettledRequest): void {
    const count = this.#counts.get(procedure ?? "") ?? this.#other;
    const sentAt = publishedAt(active.request.correlationId);
    const waitMs = sentAt === undefined ? undefined : Math.max(0, active.startedAt - sentAt);
    if (waitMs !== undefined) this.#lag.add(waitMs, times);
    count.add(outcome, { runMs: active.runMs, waitMs, times });
  }

  /** How old requests were of late when they came, in milliseconds; `undefined` if none came. */
  get lagMs(): number | undefined {
    const recent = this.#lag.read();
    return recent.count === 0 ? undefined : round(recent.quantile(0.5));
  }

  /** The counts, by procedure. */
  read(inHand: ReadonlyMap<string, number>): ProcedureStats[] {
    const known = [...this.#counts].map(([name, count]) => count.read(name, inHand.get(name) ?? 0));
    return this.#other.isEmpty ? known : [...known, this.#other.read(OTHER, 0)];
  }
}

/** How long requests took, and how many took so long. */
interface Durations {
  readonly runMs: number;
  readonly waitMs: number | undefined;
  readonly times: number;
}

/** The counts of one procedure. */
class ProcedureCount {
  readonly #run = new RecentDurations();
  readonly #wait = new RecentDurations();
  #requests = 0;
  #errors = 0;
  #runMs = 0;
  #lastError: ProcedureStats["lastError"];

  get isEmpty(): boolean {
    return this.#requests === 0;
  }

  add(outcome: SettledRequest["outcome"], { runMs, waitMs, times }: Durations): void {
    this.#requests += times;
    this.#runMs += runMs * times;
    this.#run.add(runMs, times);
    if (waitMs !== undefined) this.#wait.add(waitMs, times);
    if (GOOD.includes(outcome)) return;
    this.#errors += times;
    this.#lastError = { at: new Date().toISOString(), outcome };
  }

  read(name: string, inHand: number): ProcedureStats {
    const [run, wait] = [this.#run.read(), this.#wait.read()];
    return {
      name,
      numRequests: this.#requests,
      numErrors: this.#errors,
      ...(this.#lastError && { lastError: this.#lastError }),
      processingTime: round(this.#runMs),
      averageProcessingTime: round(this.#requests === 0 ? 0 : this.#runMs / this.#requests),
      p50: round(run.quantile(0.5)),
      p95: round(run.quantile(0.95)),
      p99: round(run.quantile(0.99)),
      ...(wait.count > 0 && { waitP95: round(wait.quantile(0.95)) }),
      inHand,
    };
  }
}

/** No durations. */
const NONE = new Histogram();

/** Durations of the last 30 to 60 seconds. */
class RecentDurations {
  #current: Histogram | undefined;
  #previous: Histogram | undefined;
  #since = 0;

  add(ms: number, count: number): void {
    this.#turn();
    (this.#current ??= new Histogram()).add(ms, count);
  }

  /** Those that still count, to be read at once. */
  read(): Histogram {
    this.#turn();
    // An idle procedure, or one of the last 30 s, has nothing to add up.
    if (this.#previous === undefined) return this.#current ?? NONE;
    const all = new Histogram();
    all.merge(this.#previous);
    if (this.#current !== undefined) all.merge(this.#current);
    return all;
  }

  #turn(): void {
    const ageMs = performance.now() - this.#since;
    if (ageMs < RECENT_MS) return;
    this.#previous = ageMs < 2 * RECENT_MS ? this.#current : undefined;
    this.#current = undefined;
    this.#since += ageMs;
  }
}

/** A UUID of version 7 begins with the time at which it was made. */
const UUID_V7_REGEXP = /^([\da-f]{8})-([\da-f]{4})-7[\da-f]{3}-[89ab]/i;

/** When our client made a request, in Unix milliseconds; `undefined` if another one did. */
function publishedAt(correlationId: string | undefined): number | undefined {
  const [, high, low] = UUID_V7_REGEXP.exec(correlationId ?? "") ?? [];
  return high === undefined ? undefined : Number.parseInt(`${high}${low}`, 16);
}

function round(ms: number): number {
  return Math.round(ms * 100) / 100;
}
