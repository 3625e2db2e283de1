/**
 * Streams: items of a task on their way to their reader.
 *
 * @module
 */

import { RpcError } from "../../errors.ts";
import type { EncodedItem, ItemSink } from "../encoded_reply.ts";

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

/** Holds the items that have come and were not read yet: never more than there were credits. */
export class ItemBuffer implements ItemSink {
  /** How many items may be on their way, or wait here, at a time. */
  readonly credits: number;
  readonly #procedure: string;
  readonly #idleTimeoutMs: number | undefined;
  readonly #items: EncodedItem[] = [];
  #nextSeq = 0;
  #granted = 0;
  #wake: () => void = () => {};
  #failure: { readonly error: unknown } | undefined;
  #hasEnded = false;

  /**
   * Makes a buffer that has had no item.
   *
   * @param procedure The procedure, for messages.
   * @param credits How many items may be under way.
   * @param idleTimeoutMs The longest wait for one item; absent is no limit.
   */
  constructor(procedure: string, credits: number, idleTimeoutMs: number | undefined) {
    this.#procedure = procedure;
    this.credits = credits;
    this.#idleTimeoutMs = idleTimeoutMs;
  }

  /** How many items have come and were not read yet. */
  get waiting(): number {
    return this.#items.length;
  }

  /** Takes an item; one that does not follow the last one fails the stream. */
  onItem(item: EncodedItem): void {
    if (item.seq === this.#nextSeq++) this.#items.push(item);
    else this.fail(gapError(this.#procedure, this.#nextSeq - 1, item.seq));
    this.#wake();
  }

  /** Ends the stream with an error, after the items that have come. */
  fail(error: unknown): void {
    this.#failure ??= { error };
    this.#wake();
  }

  /** Reads the items in order; leaving the loop cancels the task. */
  async *read(source: StreamSource): AsyncGenerator<unknown> {
    source.ended.then(() => this.#end(), (error) => this.fail(error));
    try {
      for (;;) {
        const item = this.#items.shift();
        if (item !== undefined) {
          this.#return(source);
          yield source.decode(item);
        } else if (this.#failure !== undefined) throw this.#failure.error;
        else if (this.#hasEnded) return;
        else await this.#untilChange();
      }
    } finally {
      source.cancel(
        new RpcError("closed", `Cannot go on with "${this.#procedure}" as its reader left`),
      );
    }
  }

  /** Credits go back by halves, so that a message carries many and the task need not wait. */
  #return(source: StreamSource): void {
    if (++this.#granted * 2 < this.credits) return;
    source.grant(this.#granted);
    this.#granted = 0;
  }

  #end(): void {
    this.#hasEnded = true;
    this.#wake();
  }

  async #untilChange(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wake = resolve;
    if (this.#idleTimeoutMs === undefined) return await promise;
    const limitMs = this.#idleTimeoutMs;
    const timer = setTimeout(() => this.fail(idleError(this.#procedure, limitMs)), limitMs);
    await promise;
    clearTimeout(timer);
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
