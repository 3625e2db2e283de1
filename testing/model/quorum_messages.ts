/** Ready messages of a quorum queue. @module */

import type { QueuedMessage } from "./message.ts";
import { Fifo, isExpired, ReadyCount, type ReadyMessages } from "./ready_messages.ts";
import type { QuorumPriorities } from "./version_rules.ts";

/** Messages with a priority above this one come first, from version 4.0 on. */
const NORMAL_PRIORITY = 4;
const MAX_PRIORITY = 31;
/** Every third message is the oldest one, whatever its priority. */
const HIGH_IN_TURN = 2;

/** Returns the level at which a message of some priority waits. */
export function quorumLevel(priorities: QuorumPriorities, priority: number | undefined): number {
  switch (priorities) {
    case "none":
      return 0;
    case "two-to-one":
      return (priority ?? 0) > NORMAL_PRIORITY ? 1 : 0;
    case "strict":
      return Math.min(priority ?? NORMAL_PRIORITY, MAX_PRIORITY);
  }
}

/** Ready messages of a quorum queue: first those that came back, as they did, then all others. */
export class QuorumMessages implements ReadyMessages {
  readonly #priorities: QuorumPriorities;
  readonly #returned = new Fifo();
  /** From the lowest level to the highest. */
  readonly #levels: Fifo[];
  readonly #count = new ReadyCount();
  #taken = 0;

  /** Creates an empty list. */
  constructor(priorities: QuorumPriorities) {
    this.#priorities = priorities;
    const length = quorumLevel(priorities, MAX_PRIORITY) + 1;
    this.#levels = Array.from({ length }, () => new Fifo());
  }

  /** The number of ready messages. */
  get length(): number {
    return this.#count.length;
  }

  /** The sum of the bytes that they count. */
  get bytes(): number {
    return this.#count.bytes;
  }

  /** Adds a message that has just arrived. */
  push(entry: QueuedMessage): void {
    this.#levels[entry.priority]?.push(entry);
    this.#count.add(entry);
  }

  /** Adds a message that was delivered and came back. */
  putBack(entry: QueuedMessage): void {
    this.#returned.push(entry);
    this.#count.add(entry);
  }

  /** Takes out the message to be delivered next. */
  shift(): QueuedMessage | undefined {
    const list = this.#next();
    const entry = list?.shift();
    if (entry === undefined) return undefined;
    if (list !== this.#returned) this.#taken = (this.#taken + 1) % (HIGH_IN_TURN + 1);
    this.#count.subtract(entry);
    return entry;
  }

  /** Takes out what has expired at the head, or at the head of each level if they are strict. */
  takeExpired(now: number): QueuedMessage[] {
    const expired: QueuedMessage[] = [];
    if (this.#priorities !== "strict") {
      while (isExpired(this.#next()?.peek(), now)) {
        const entry = this.shift();
        if (entry !== undefined) expired.push(entry);
      }
      return expired;
    }
    for (const list of [this.#returned, ...this.#levels.toReversed()]) {
      for (let entry = list.peek(); isExpired(entry, now); entry = list.peek()) {
        list.shift();
        this.#count.subtract(entry);
        expired.push(entry);
      }
    }
    return expired;
  }

  /** Returns when the next of them expires, or `undefined` if none will. */
  nextExpiry(): number | undefined {
    if (this.#priorities !== "strict") return this.#next()?.peek()?.expiresAt;
    let next: number | undefined;
    for (const list of [this.#returned, ...this.#levels]) {
      const expiresAt = list.peek()?.expiresAt;
      if (expiresAt !== undefined && (next === undefined || expiresAt < next)) next = expiresAt;
    }
    return next;
  }

  /** Takes out all messages. */
  clear(): QueuedMessage[] {
    const all: QueuedMessage[] = [];
    for (let entry = this.shift(); entry !== undefined; entry = this.shift()) all.push(entry);
    return all;
  }

  #next(): Fifo | undefined {
    if (this.#returned.peek() !== undefined) return this.#returned;
    if (this.#levels.length === 1) return this.#levels[0];
    const highest = this.#levels.findLast((level) => level.peek() !== undefined);
    if (this.#priorities === "strict" || this.#taken < HIGH_IN_TURN) return highest;
    const [normal] = this.#levels;
    const oldest = normal?.peek()?.position ?? Infinity;
    return oldest < (highest?.peek()?.position ?? Infinity) ? normal : highest;
  }
}
