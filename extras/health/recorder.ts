/** What calls and requests have done in the last ten minutes. @module */

import { Histogram } from "../../internal/histogram.ts";
import { OK } from "../metrics/procedure_labels.ts";

/** How long one point of a chart is, in milliseconds. */
export const SLOT_MS = 10_000;

/** How many of them are kept: ten minutes. */
export const SLOTS = 60;

/** How many errors are kept. */
const MAX_ERRORS = 10;

/** How long the parts of a call took, by their names, in milliseconds. */
export type Ledger = Readonly<Record<string, number>>;

/** A call or a request that has ended. */
export interface Ending {
  /** What its procedure is counted under. */
  readonly procedure: string;
  /** `OK`, or the code of its error. */
  readonly status: string;
  readonly totalMs: number;
  readonly parts: Ledger;
  /** Where an error comes from, if it is known. */
  readonly place: string;
}

/** An error. */
export interface RecordedError extends Ending {
  readonly at: Date;
  /** Whose it is: a queue, and which side. */
  readonly track: string;
}

/** What has ended in one stretch of time. */
export class Slot {
  failed = 0;
  readonly durations: Histogram = new Histogram();

  /** How many have ended. */
  get count(): number {
    return this.durations.count;
  }
}

/** All that ended within one slot of time. */
interface SlotDetails {
  readonly slot: Slot;
  readonly codes: Map<string, number>;
  readonly ledgers: Map<string, { count: number; readonly sums: Record<string, number> }>;
}

/** Values by the number of their slot of time; those of the last ten minutes are kept. */
export class Timeline<Value> {
  readonly #values = new Map<number, Value>();
  readonly #now: () => number;

  /** @param now The time, in milliseconds; no clock that somebody sets. */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** The value of this moment, made if there is none yet. */
  current(make: () => Value): Value {
    const number = Math.floor(this.#now() / SLOT_MS);
    let value = this.#values.get(number);
    if (value === undefined) {
      this.#values.set(number, value = make());
      for (const old of this.#values.keys()) {
        if (old <= number - SLOTS) this.#values.delete(old);
      }
    }
    return value;
  }

  /** How long the slot of this moment has lasted, in milliseconds. */
  get elapsedMs(): number {
    return this.#now() % SLOT_MS;
  }

  /** One for each slot of the last ten minutes, oldest first. */
  all(): readonly (Value | undefined)[] {
    const last = Math.floor(this.#now() / SLOT_MS);
    return Array.from({ length: SLOTS }, (_, index) => this.#values.get(last - SLOTS + 1 + index));
  }
}

/** The calls of one client, or the requests of one server. */
export class Track {
  readonly #timeline: Timeline<SlotDetails>;

  constructor(now: () => number) {
    this.#timeline = new Timeline(now);
  }

  /** Counts one. */
  add({ procedure, status, totalMs, parts }: Ending): void {
    const { slot, codes, ledgers } = this.#timeline.current(() => {
      return { slot: new Slot(), codes: new Map(), ledgers: new Map() };
    });
    slot.durations.add(totalMs);
    if (status !== OK) {
      slot.failed++;
      codes.set(status, (codes.get(status) ?? 0) + 1);
    }
    let ledger = ledgers.get(procedure);
    if (ledger === undefined) ledgers.set(procedure, ledger = { count: 0, sums: {} });
    ledger.count++;
    for (const name in parts) ledger.sums[name] = (ledger.sums[name] ?? 0) + (parts[name] ?? 0);
  }

  /** How long the slot of this moment has lasted, in milliseconds. */
  get elapsedMs(): number {
    return this.#timeline.elapsedMs;
  }

  /** One for each slot of the last ten minutes, oldest first. */
  slots(): readonly (Slot | undefined)[] {
    return this.#timeline.all().map((details) => details?.slot);
  }

  /** Adds how many errors of which code there were. */
  countCodes(codes: Map<string, number>): void {
    for (const details of this.#timeline.all()) {
      for (const [code, count] of details?.codes ?? []) {
        codes.set(code, (codes.get(code) ?? 0) + count);
      }
    }
  }

  /** How long the parts of each procedure took on average. */
  ledgers(): ReadonlyMap<string, { readonly count: number; readonly means: Ledger }> {
    const all = new Map<string, { count: number; readonly sums: Record<string, number> }>();
    for (const details of this.#timeline.all()) {
      for (const [procedure, { count, sums }] of details?.ledgers ?? []) {
        let total = all.get(procedure);
        if (total === undefined) all.set(procedure, total = { count: 0, sums: {} });
        total.count += count;
        for (const name in sums) total.sums[name] = (total.sums[name] ?? 0) + (sums[name] ?? 0);
      }
    }
    return new Map([...all].map(([procedure, { count, sums }]) => {
      const means = Object.entries(sums).map(([name, sum]) => [name, sum / count]);
      return [procedure, { count, means: Object.fromEntries(means) }];
    }));
  }
}

/** What a part has in hand, and what waits for it. */
export interface Load {
  readonly busy: number;
  readonly waiting: number;
}

/** All that is recorded in one program. */
export class Recorder {
  /** By what they are called on the page. */
  readonly tracks: Map<string, Track> = new Map();
  readonly #loads = new Map<string, Timeline<Load>>();
  #errors: readonly RecordedError[] = [];
  readonly #now: () => number;

  constructor(now: () => number) {
    this.#now = now;
  }

  /** The latest errors, newest first. */
  get errors(): readonly RecordedError[] {
    return this.#errors;
  }

  /** The most that each part had in hand, and that waited, in each slot of time. */
  get loads(): ReadonlyMap<string, readonly (Load | undefined)[]> {
    return new Map([...this.#loads].map(([name, timeline]) => [name, timeline.all()]));
  }

  /** Counts what has ended. */
  add(title: string, ending: Ending): void {
    let track = this.tracks.get(title);
    if (track === undefined) this.tracks.set(title, track = new Track(this.#now));
    track.add(ending);
    if (ending.status === OK) return;
    const error = { ...ending, track: title, at: new Date() };
    this.#errors = [error, ...this.#errors].slice(0, MAX_ERRORS);
  }

  /** Takes what a part has at this moment. */
  sample(name: string, load: Load): void {
    let timeline = this.#loads.get(name);
    if (timeline === undefined) this.#loads.set(name, timeline = new Timeline<Load>(this.#now));
    const most = timeline.current(() => ({ busy: 0, waiting: 0 })) as {
      busy: number;
      waiting: number;
    };
    most.busy = Math.max(most.busy, load.busy);
    most.waiting = Math.max(most.waiting, load.waiting);
  }

  /** How many errors of which code there were in the last ten minutes, the most frequent first. */
  codes(): readonly (readonly [code: string, count: number])[] {
    const codes = new Map<string, number>();
    for (const track of this.tracks.values()) track.countCodes(codes);
    return [...codes].sort(([, one], [, other]) => other - one);
  }
}
