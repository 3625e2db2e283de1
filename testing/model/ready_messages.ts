/** The messages of a queue that wait for a consumer, in the order of their delivery. @module */

import type { QueuedMessage } from "./message.ts";

/** How messages that come back are ordered: at their old place, or as they came back. */
export type ReturnOrder = "position" | "arrival";

/** Ready messages by priority; within one priority first in, first out. */
export class ReadyMessages {
  readonly #levels: Level[];
  readonly #returnOrder: ReturnOrder;
  #length = 0;
  #bytes = 0;

  /** Creates an empty list with priorities from 0 to `maxPriority`. */
  constructor(maxPriority: number, returnOrder: ReturnOrder) {
    this.#levels = Array.from({ length: maxPriority + 1 }, () => new Level());
    this.#returnOrder = returnOrder;
  }

  /** The number of ready messages. */
  get length(): number {
    return this.#length;
  }

  /** The sum of their body sizes. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Adds a message that has just arrived. */
  push(entry: QueuedMessage): void {
    this.#level(entry).push(entry);
    this.#count(entry, 1);
  }

  /** Adds a message that was delivered and came back: before all that were never delivered. */
  putBack(entry: QueuedMessage): void {
    this.#level(entry).putBack(entry, this.#returnOrder);
    this.#count(entry, 1);
  }

  /** Takes out the message to be delivered next. */
  shift(): QueuedMessage | undefined {
    for (let priority = this.#levels.length - 1; priority >= 0; priority--) {
      const entry = this.#levels[priority]?.shift();
      if (entry === undefined) continue;
      this.#count(entry, -1);
      return entry;
    }
    return undefined;
  }

  /** Takes out the message that a length limit drops: the oldest of the lowest priority. */
  dropHead(): QueuedMessage | undefined {
    const entry = this.#levels.find((level) => level.peek() !== undefined)?.shift();
    if (entry !== undefined) this.#count(entry, -1);
    return entry;
  }

  /** Takes out the messages at the head of each priority that have expired by `now`. */
  takeExpired(now: number): QueuedMessage[] {
    const expired: QueuedMessage[] = [];
    for (const level of this.#levels) {
      let head = level.peek();
      while (head?.expiresAt !== undefined && head.expiresAt <= now) {
        level.shift();
        this.#count(head, -1);
        expired.push(head);
        head = level.peek();
      }
    }
    return expired;
  }

  /** Returns when the next message at a head expires, or `undefined` if none will. */
  nextExpiry(): number | undefined {
    let next: number | undefined;
    for (const level of this.#levels) {
      const expiresAt = level.peek()?.expiresAt;
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

  #level(entry: QueuedMessage): Level {
    const level = this.#levels[entry.priority];
    if (level === undefined) {
      throw new RangeError(`Cannot queue as the priority is over the maximum: ${entry.priority}`);
    }
    return level;
  }

  #count(entry: QueuedMessage, sign: 1 | -1): void {
    this.#length += sign;
    this.#bytes += sign * entry.message.body.length;
  }
}

/** One priority. Messages leave in order, so all that come back are older than all that never left. */
class Level {
  #fresh: QueuedMessage[] = [];
  #head = 0;
  readonly #returned: QueuedMessage[] = [];

  push(entry: QueuedMessage): void {
    this.#fresh.push(entry);
  }

  putBack(entry: QueuedMessage, order: ReturnOrder): void {
    let index = this.#returned.length;
    if (order === "position") {
      while (index > 0 && (this.#returned[index - 1]?.position ?? 0) > entry.position) index--;
    }
    this.#returned.splice(index, 0, entry);
  }

  peek(): QueuedMessage | undefined {
    return this.#returned[0] ?? this.#fresh[this.#head];
  }

  shift(): QueuedMessage | undefined {
    if (this.#returned.length > 0) return this.#returned.shift();
    const entry = this.#fresh[this.#head];
    if (entry === undefined) return undefined;
    this.#head++;
    // Cutting the used part off at half keeps shift() at constant cost on average.
    if (this.#head * 2 >= this.#fresh.length) {
      this.#fresh = this.#fresh.slice(this.#head);
      this.#head = 0;
    }
    return entry;
  }
}
