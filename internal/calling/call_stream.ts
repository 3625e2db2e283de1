/** Streams and progress, as a client takes them. @module */

import { RpcError } from "../../errors.ts";
import { type IncomingItem, readItemCount } from "../protocol/envelope.ts";
import type { EncodedItem } from "../running/encoded_handler.ts";
import { ItemBuffer } from "../streaming/item_buffer.ts";
import type { CallSink, IncomingReply, PendingCall } from "./pending_call.ts";
import { RecentMap } from "../recent_map.ts";

/**
 * Most items that wait, for each credit: every server that runs the request anew begins with all
 * credits, while what the earlier ones have sent may still wait for its reader.
 */
const MAX_ITEMS_PER_CREDIT = 20;

/** What a {@linkcode CallStream} needs of its client. */
export interface CallStreamOptions {
  readonly procedure: string;
  readonly credits: number;
  readonly idleTimeoutMs: number;
  readonly onProgress: ProgressSink | undefined;
  /** Allows the server so many items more. */
  readonly grant: (creditTo: string, count: number) => void;
  /** Decodes an item. */
  readonly decode: (item: EncodedItem) => unknown;
  /** Reads the last reply; throws if it is an error. */
  readonly readEnd: (reply: IncomingReply) => Promise<unknown>;
}

/** Progress of one call, each told once and in order. */
export class ProgressSink implements CallSink {
  readonly wantsProgress = true;
  readonly #tell: (progress: EncodedItem) => void;
  #nextSeq = 0;

  /**
   * Makes a sink.
   *
   * @param tell Decodes the value and hands it to the user; must not throw.
   */
  constructor(tell: (progress: EncodedItem) => void) {
    this.#tell = tell;
  }

  accept({ type, seq }: IncomingItem, reply: IncomingReply): void {
    // A request that runs again tells again what is known.
    if (type !== "progress" || seq < this.#nextSeq) return;
    this.#nextSeq = seq + 1;
    const progress = toEncodedItem(seq, reply);
    // No user code inside amqplib's callback.
    queueMicrotask(() => this.#tell(progress));
  }
}

/**
 * The items of one call, each once and in order, though the request may run again, on another
 * server even, and send them again.
 */
export class CallStream implements CallSink {
  readonly credits: number;
  readonly wantsProgress: boolean;
  readonly #options: CallStreamOptions;
  readonly #items: ItemBuffer;
  /** Items that came before one that must be first. */
  readonly #early = new Map<number, EncodedItem>();
  #nextSeq = 0;
  /** Of the server that streams now, and of those that did before the request was run again. */
  #creditTo: string | undefined;
  readonly #retired = new RecentMap<true>();

  constructor(options: CallStreamOptions) {
    this.credits = options.credits;
    this.wantsProgress = options.onProgress !== undefined;
    this.#options = options;
    this.#items = new ItemBuffer(options.procedure, options.credits, options.idleTimeoutMs);
  }

  accept(item: IncomingItem, reply: IncomingReply): void {
    if (item.type === "progress") return this.#options.onProgress?.accept(item, reply);
    this.#follow(item.creditTo);
    if (item.seq < this.#nextSeq || this.#early.has(item.seq)) {
      // Its server has used a credit up for it.
      if (item.creditTo === this.#creditTo) this.#grant(1);
      return;
    }
    if (this.#isFlooded()) return;
    this.#early.set(item.seq, toEncodedItem(item.seq, reply));
    this.#passOn();
  }

  /** Reads the items; leaving the loop abandons the call. */
  read(call: PendingCall): AsyncGenerator<unknown> {
    return this.#items.read({
      ended: call.reply.then((reply) => this.#end(reply)),
      grant: (count) => this.#grant(count),
      decode: this.#options.decode,
      cancel: (reason) => call.abandon(reason),
    });
  }

  /** A server that sends whatever it likes must not fill our memory. */
  #isFlooded(): boolean {
    if (this.#items.waiting + this.#early.size < MAX_ITEMS_PER_CREDIT * this.credits) return false;
    const { procedure } = this.#options;
    this.#items.fail(
      new RpcError(
        "protocol",
        `Cannot go on with the stream of "${procedure}" as its server sends more than it may: ` +
          `${this.credits} items at a time`,
      ),
    );
    return true;
  }

  #passOn(): void {
    for (;;) {
      const next = this.#early.get(this.#nextSeq);
      if (next === undefined) return;
      this.#early.delete(this.#nextSeq++);
      this.#items.onItem(next);
    }
  }

  /** What is left of an earlier run may still come when the next one has begun. */
  #follow(creditTo: string | undefined): void {
    if (creditTo === undefined || creditTo === this.#creditTo || this.#retired.has(creditTo)) {
      return;
    }
    if (this.#creditTo !== undefined) this.#retired.set(this.#creditTo, true);
    this.#creditTo = creditTo;
  }

  #grant(count: number): void {
    if (this.#creditTo !== undefined) this.#options.grant(this.#creditTo, count);
  }

  async #end(reply: IncomingReply): Promise<void> {
    await this.#options.readEnd(reply);
    const count = readItemCount(reply.properties);
    if (count === this.#nextSeq) return;
    const { procedure } = this.#options;
    throw new RpcError(
      count === undefined ? "not-a-stream" : "protocol",
      count === undefined
        ? `Cannot stream "${procedure}" as its server does not stream it: use call()`
        : `Cannot complete the stream of "${procedure}" as ${this.#nextSeq} of ${count} items came`,
    );
  }
}

function toEncodedItem(seq: number, { body, properties }: IncomingReply): EncodedItem {
  // Absent means JSON text, as everywhere.
  return { seq, body, contentType: properties.contentType ?? "application/json" };
}
