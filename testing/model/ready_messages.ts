/** The messages of a queue that wait for a consumer, in the order of their delivery. @module */

import type { QueuedMessage } from "./message.ts";

/** Ready messages of a queue, whatever its type. */
export interface ReadyMessages {
  /** The number of ready messages. */
  readonly length: number;
  /** The sum of the bytes that they count. */
  readonly bytes: number;
  /** Adds a message that has just arrived. */
  push(entry: QueuedMessage): void;
  /** Adds a message that was delivered and came back: before all that were never delivered. */
  putBack(entry: QueuedMessage): void;
  /** Takes out the message to be delivered next, which is also the one that a limit drops. */
  shift(): QueuedMessage | undefined;
  /** Takes out the messages whose turn it is to expire and that have expired by `now`. */
  takeExpired(now: number): QueuedMessage[];
  /** Returns when the next of them expires, or `undefined` if none will. */
  nextExpiry(): number | undefined;
  /** Takes out all messages. */
  clear(): QueuedMessage[];
}

/** Counts what a list of ready messages holds. */
export class ReadyCount {
  /** The number of messages. */
  length = 0;
  /** The sum of the bytes that they count. */
  bytes = 0;

  /** Counts a message that came in. */
  add({ bytes }: QueuedMessage): void {
    this.length++;
    this.bytes += bytes;
  }

  /** Counts a message that went out. */
  subtract({ bytes }: QueuedMessage): void {
    this.length--;
    this.bytes -= bytes;
  }
}

/** Messages of one priority, first in, first out. */
export class Fifo {
  #entries: QueuedMessage[] = [];
  #head = 0;

  /** Adds a message behind all others. */
  push(entry: QueuedMessage): void {
    this.#entries.push(entry);
  }

  /** Returns the first message. */
  peek(): QueuedMessage | undefined {
    return this.#entries[this.#head];
  }

  /** Takes the first message out. */
  shift(): QueuedMessage | undefined {
    const entry = this.#entries[this.#head];
    if (entry === undefined) return undefined;
    this.#head++;
    // Cutting the used part off at half keeps shift() at constant cost on average.
    if (this.#head * 2 >= this.#entries.length) {
      this.#entries = this.#entries.slice(this.#head);
      this.#head = 0;
    }
    return entry;
  }
}

/** Tells whether a message has expired by `now`. */
export function isExpired(entry: QueuedMessage | undefined, now: number): entry is QueuedMessage {
  return entry?.expiresAt !== undefined && entry.expiresAt <= now;
}

/** Ready messages of a classic queue: by priority, and what comes back at its old place. */
export class ClassicMessages implements ReadyMessages {
  /** From the lowest priority to the highest. */
  readonly #levels: ClassicLevel[];
  readonly #count = new ReadyCount();

  /** Creates an empty list with priorities from 0 to `maxPriority`. */
  constructor(maxPriority: number) {
    this.#levels = Array.from({ length: maxPriority + 1 }, () => new ClassicLevel());
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
    this.#level(entry).push(entry);
    this.#count.add(entry);
  }

  /** Adds a message that was delivered and came back: at its old place. */
  putBack(entry: QueuedMessage): void {
    this.#level(entry).putBack(entry);
    this.#count.add(entry);
  }

  /** Takes out the oldest message of the highest priority. */
  shift(): QueuedMessage | undefined {
    const entry = this.#first()?.shift();
    if (entry !== undefined) this.#count.subtract(entry);
    return entry;
  }

  /** Takes out what has expired at the head; lower priorities are not looked at before. */
  takeExpired(now: number): QueuedMessage[] {
    const expired: QueuedMessage[] = [];
    for (
      let level = this.#first();
      level !== undefined && isExpired(level.peek(), now);
      level = this.#first()
    ) {
      const entry = this.shift();
      if (entry !== undefined) expired.push(entry);
    }
    return expired;
  }

  /** Returns when the message at the head expires, or `undefined` if it will not. */
  nextExpiry(): number | undefined {
    return this.#first()?.peek()?.expiresAt;
  }

  /** Takes out all messages. */
  clear(): QueuedMessage[] {
    const all: QueuedMessage[] = [];
    for (let entry = this.shift(); entry !== undefined; entry = this.shift()) all.push(entry);
    return all;
  }

  #first(): ClassicLevel | undefined {
    if (this.#levels.length === 1) return this.#levels[0];
    return this.#levels.findLast((level) => level.peek() !== undefined);
  }

  #level(entry: QueuedMessage): ClassicLevel {
    const level = this.#levels[entry.priority];
    if (level === undefined) {
      throw new RangeError(`Cannot queue as the priority is over the maximum: ${entry.priority}`);
    }
    return level;
  }
}

/** One priority. Messages leave in order, so all that come back are older than all that never left. */
class ClassicLevel {
  readonly #fresh = new Fifo();
  readonly #returned: QueuedMessage[] = [];

  push(entry: QueuedMessage): void {
    this.#fresh.push(entry);
  }

  putBack(entry: QueuedMessage): void {
    let index = this.#returned.length;
    while (index > 0 && (this.#returned[index - 1]?.position ?? 0) > entry.position) index--;
    this.#returned.splice(index, 0, entry);
  }

  peek(): QueuedMessage | undefined {
    return this.#returned[0] ?? this.#fresh.peek();
  }

  shift(): QueuedMessage | undefined {
    return this.#returned.length > 0 ? this.#returned.shift() : this.#fresh.shift();
  }
}
