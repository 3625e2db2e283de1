/** Streams and progress, as a client takes them. @module */

import { AsyncLocalStorage } from "node:async_hooks";
import { RpcError } from "../../errors.ts";
import type { InterceptedCall } from "../../options/interceptors.ts";
import type { AmqpDelivery } from "../broker/amqp.ts";
import { safeObserver } from "../observer.ts";
import { type IncomingItem, readItemCount } from "../protocol/envelope.ts";
import type { EncodedItem } from "../encoded_reply.ts";
import { ItemBuffer } from "../streaming/item_buffer.ts";
import { ItemReader } from "../streaming/item_reader.ts";
import { RecentMap } from "../recent_map.ts";
import type { CallInterception } from "./call_interception.ts";
import type { CallSink } from "./call_request.ts";
import type { ClientCalls } from "./client_calls.ts";
import type { PendingCall } from "./pending_calls.ts";
import type { ReplyReader } from "./reply_reader.ts";

/**
 * Most items that wait, for each credit: every server that runs the request anew begins with all
 * credits, while what the earlier ones have sent may still wait for its reader.
 */
const MAX_ITEMS_PER_CREDIT = 20;

/** Options of {@linkcode ProgressSink}. */
export interface ProgressSinkOptions {
  readonly correlationId: string;
  readonly reader: ReplyReader;
  /** The user's function. */
  readonly onProgress: (value: unknown) => void;
  /** Told what `onProgress` throws or rejects with, or why a progress cannot be decoded. */
  readonly onFailure: (correlationId: string, error: unknown) => void;
}

/** Progress of one call, each told once and in order. */
export class ProgressSink implements CallSink {
  readonly wantsProgress = true;
  readonly #observe: (progress: EncodedItem) => void;
  #nextSeq = 0;

  constructor({ correlationId, reader, onProgress, onFailure }: ProgressSinkOptions) {
    this.#observe = safeObserver(
      // In the caller's context, and not in that of the connection.
      AsyncLocalStorage.bind((progress: EncodedItem) => onProgress(reader.decodeItem(progress))),
      (error) => onFailure(correlationId, error),
    );
  }

  accept({ type, seq }: IncomingItem, reply: AmqpDelivery): void {
    // A request that runs again tells again what is known.
    if (type !== "progress" || seq < this.#nextSeq) return;
    this.#nextSeq = seq + 1;
    const progress = toEncodedItem(seq, reply);
    // No user code inside amqplib's callback.
    queueMicrotask(() => this.#observe(progress));
  }
}

/** What a {@linkcode ClientStream} needs of its client. */
export interface ClientStreamOptions {
  readonly correlationId: string;
  readonly procedure: string;
  readonly credits: number;
  readonly idleTimeoutMs: number;
  readonly progress: ProgressSink | undefined;
  readonly calls: ClientCalls;
  readonly reader: ReplyReader;
  /** Whether the stream may be run again from its beginning. */
  readonly isIdempotent: boolean;
  /** Told that another run of the stream goes on after so many items. */
  readonly onTakenOver: (items: number) => void;
}

/**
 * The items of one call, each once and in order, though the request may run again, on another
 * server even, and send them again.
 */
export class ClientStream implements CallSink {
  readonly credits: number;
  readonly wantsProgress: boolean;
  readonly #options: ClientStreamOptions;
  readonly #items: ItemBuffer;
  /** Items that came before one that must be first. */
  readonly #early = new Map<number, EncodedItem>();
  #nextSeq = 0;
  #call: PendingCall | undefined;
  /** Of the server that streams now, and of those that did before the request was run again. */
  #creditTo: string | undefined;
  readonly #retired = new RecentMap<true>();

  constructor(options: ClientStreamOptions) {
    this.credits = options.credits;
    this.wantsProgress = options.progress !== undefined;
    this.#options = options;
    this.#items = new ItemBuffer(options.procedure, options.credits, options.idleTimeoutMs);
  }

  accept(item: IncomingItem, reply: AmqpDelivery): void {
    if (item.type === "progress") return this.#options.progress?.accept(item, reply);
    if (!this.#follow(item.creditTo)) return;
    if (item.seq < this.#nextSeq || this.#early.has(item.seq)) {
      // Its server has used a credit up for it.
      if (item.creditTo === this.#creditTo) this.#grant(1);
      return;
    }
    const refusal = this.#options.reader.refuseItem(reply.body);
    if (refusal !== undefined) return this.#items.fail(refusal);
    if (this.#isFlooded()) return;
    this.#early.set(item.seq, toEncodedItem(item.seq, reply));
    this.#passOn();
  }

  /** Drops what was not read, unless it is only followed by a failure. */
  onAbandoned(reason: unknown): void {
    if (!this.#items.hasFailed) this.#items.drop(reason);
  }

  /** Has the items read; leaving the loop abandons the call. */
  connect(call: PendingCall, wake: () => void): ItemBuffer {
    const { reader, procedure } = this.#options;
    this.#call = call;
    return this.#items.connect({
      ended: call.reply.then((reply) => this.#end(call, reply)),
      grant: (count) => this.#grant(count),
      decode: (item) => reader.readItem(procedure, item),
      cancel: (reason) => call.abandon(reason),
    }, wake);
  }

  /** As {@linkcode ClientStream.connect}, for a call that interceptors make: once. */
  connectAround(
    around: CallInterception,
    start: (call: InterceptedCall) => PendingCall,
    wake: () => void,
  ): ItemBuffer {
    const { reader, procedure } = this.#options;
    let left: { readonly reason: unknown } | undefined;
    const make = async (changed: InterceptedCall): Promise<void> => {
      if (left !== undefined) throw left.reason;
      if (this.#call !== undefined) {
        throw new TypeError(`Cannot stream "${procedure}" again as its items have been read`);
      }
      const call = this.#call = start(changed);
      await this.#end(call, await call.reply);
    };
    return this.#items.connect({
      ended: around(make).then(() => {}),
      grant: (count) => this.#grant(count),
      decode: (item) => reader.readItem(procedure, item),
      cancel: (reason) => {
        left = { reason };
        this.#call?.abandon(reason);
      },
    }, wake);
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

  /**
   * What is left of an earlier run may still come when the next one has begun.
   *
   * @returns Whether the item is to be taken.
   */
  #follow(creditTo: string | undefined): boolean {
    if (creditTo === undefined || creditTo === this.#creditTo || this.#retired.has(creditTo)) {
      return true;
    }
    if (this.#creditTo !== undefined) {
      if (!this.#options.isIdempotent) return this.#refuse();
      this.#retired.set(this.#creditTo, true);
      const items = this.#nextSeq;
      // No user code inside amqplib's callback.
      queueMicrotask(() => this.#options.onTakenOver(items));
    }
    this.#creditTo = creditTo;
    return true;
  }

  /** Items of two runs are not one stream, unless the caller says that they are the same. */
  #refuse(): false {
    const { procedure } = this.#options;
    const reason = new RpcError(
      "disconnected",
      `Cannot go on with the stream of "${procedure}" as it was begun anew after ` +
        `${this.#nextSeq} items, and is not idempotent`,
    );
    this.#items.fail(reason);
    this.#call?.abandon(reason);
    return false;
  }

  #grant(count: number): void {
    const { calls, correlationId } = this.#options;
    if (this.#creditTo !== undefined) calls.grant(this.#creditTo, correlationId, count);
  }

  async #end(call: PendingCall, reply: AmqpDelivery | undefined): Promise<void> {
    await this.#options.reader.read(call, reply);
    const count = reply && readItemCount(reply.properties);
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

/** Has the items of a stream that was opened read. */
export type OpenStream = (wake: () => void) => ItemBuffer;

/** Reads a stream, which the first read opens. */
export function readStream(open: () => OpenStream): AsyncGenerator<unknown, void, undefined> {
  return new ItemReader((wake) => open()(wake));
}

function toEncodedItem(seq: number, { body, properties }: AmqpDelivery): EncodedItem {
  // Absent means JSON text, as everywhere.
  return { seq, body, contentType: properties.contentType ?? "application/json" };
}
