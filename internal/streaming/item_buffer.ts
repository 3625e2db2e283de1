/**
 * Streams: items of a task on their way to their reader.
 *
 * @module
 */

import { RpcError } from "../../errors.ts";
import type { EncodedItem, ItemSink } from "../encoded_reply.ts";
import { DeadlineTimer } from "../time.ts";
import type { ReadableItems } from "./item_reader.ts";

/** What a stream needs of the task that it reads. */
export interface StreamSource {
  /** Settles when all items were sent, rejects if the task fails. */
  readonly ended: Promise<unknown>;
  /** Allows so many items more. */
  grant(count: number): void;
  /** Decodes an item. */
  decode(item: EncodedItem): unknown;
  /** Cancels the task. */
  cancel(reason: unknown): void;
}

/** So often at least a reader that reads gives its credits back, in milliseconds. */
const GRANT_MS = 1_000;

type State =
  | { readonly name: "open" }
  /** All items have come. */
  | { readonly name: "ended" }
  | { readonly name: "failed"; readonly error: unknown };

/** Holds the items that have come and were not read yet: never more than there were credits. */
export class ItemBuffer implements ItemSink, ReadableItems<unknown> {
  /** How many items may be on their way, or wait here, at a time. */
  readonly credits: number;
  readonly #procedure: string;
  readonly #idleTimeoutMs: number;
  readonly #idleTimer = new DeadlineTimer(() => this.#checkIdle());
  /** Since when the reader waits for an item, by `performance.now()`, if it does. */
  #waitsSince: number | undefined;
  #items: EncodedItem[] = [];
  #nextSeq = 0;
  #granted = 0;
  #grantedAt = performance.now();
  #source: StreamSource | undefined;
  #wake: () => void = () => {};
  #state: State = { name: "open" };

  /**
   * Makes a buffer that has had no item.
   *
   * @param procedure The procedure, for messages.
   * @param credits How many items may be under way.
   * @param idleTimeoutMs The longest wait for one item, in milliseconds; `Infinity` is no limit.
   */
  constructor(procedure: string, credits: number, idleTimeoutMs: number) {
    this.#procedure = procedure;
    this.credits = credits;
    this.#idleTimeoutMs = idleTimeoutMs;
  }

  /** How many items have come and were not read yet. */
  get waiting(): number {
    return this.#items.length;
  }

  /** Whether it is known that the stream fails, after the items that have come. */
  get hasFailed(): boolean {
    return this.#state.name === "failed";
  }

  /** Says where the items come from, and whom to wake when there are any. */
  connect(source: StreamSource, wake: () => void): this {
    this.#source = source;
    this.#wake = wake;
    source.ended.then(() => this.#become({ name: "ended" }), (error) => this.fail(error));
    return this;
  }

  /** Takes an item; one that does not follow the last one fails the stream. */
  onItem(item: EncodedItem): void {
    if (item.seq === this.#nextSeq++) this.#items.push(item);
    else this.fail(gapError(this.#procedure, this.#nextSeq - 1, item.seq));
    this.#wake();
  }

  /** Ends the stream with an error, after the items that have come. */
  fail(error: unknown): void {
    this.#become({ name: "failed", error });
  }

  /** Ends the stream at once, as its reader does not want what has come any more. */
  drop(reason: unknown): void {
    this.#items = [];
    this.#idleTimer.stop();
    this.#state = { name: "failed", error: reason };
    this.#wake();
  }

  take(): IteratorResult<unknown, void> | undefined {
    this.#waitsSince = undefined;
    const item = this.#items.shift();
    if (item !== undefined) {
      this.#return();
      return { done: false, value: this.#source?.decode(item) };
    }
    switch (this.#state.name) {
      case "failed":
        throw this.#state.error;
      case "ended":
        return { done: true, value: undefined };
      case "open":
        this.#await();
        return undefined;
    }
  }

  leave(): void {
    this.#idleTimer.stop();
    this.#items = [];
    this.#source?.cancel(
      new RpcError("closed", `Cannot go on with "${this.#procedure}" as its reader left`),
    );
  }

  /** Only the first end counts. */
  #become(state: State): void {
    if (this.#state.name === "open") this.#state = state;
    // No item is waited for any more, and its reader may never come.
    this.#idleTimer.stop();
    this.#wake();
  }

  /**
   * Credits go back by halves, so that a message carries many and the task need not wait; those of a
   * slow reader go back each second, so that it is not taken for one that does not come back.
   */
  #return(): void {
    const now = performance.now();
    if (++this.#granted * 2 < this.credits && now - this.#grantedAt < GRANT_MS) return;
    this.#source?.grant(this.#granted);
    this.#granted = 0;
    this.#grantedAt = now;
  }

  #await(): void {
    if (this.#idleTimeoutMs === Infinity) return;
    this.#waitsSince = performance.now();
    this.#idleTimer.schedule(this.#waitsSince + this.#idleTimeoutMs);
  }

  #checkIdle(): number | undefined {
    if (this.#waitsSince === undefined) return undefined;
    const dueAt = this.#waitsSince + this.#idleTimeoutMs;
    if (performance.now() < dueAt) return dueAt;
    this.fail(idleError(this.#procedure, this.#idleTimeoutMs));
    return undefined;
  }
}

function gapError(procedure: string, expected: number, seq: number): RpcError {
  return new RpcError(
    "protocol",
    `Cannot go on with the stream of "${procedure}" as item ${seq} came in place of ${expected}`,
  );
}

function idleError(procedure: string, limitMs: number): RpcError {
  return new RpcError(
    "timeout",
    `Cannot go on with the stream of "${procedure}" as no item came within ${limitMs} ms`,
    { retryable: true },
  );
}
