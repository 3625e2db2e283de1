/** Calls that share messages. @module */

import type { AmqpDelivery, AmqpProperties } from "../broker/amqp.ts";
import type { Publisher } from "../broker/publisher.ts";
import { type BatchEntry, type BatchLimits, MessageBatcher } from "../protocol/message_batcher.ts";
import { readDeadLetterReason } from "../protocol/dead_letter.ts";
import { batchedSize, isBatch, splitBatch, takesBatches } from "../protocol/message_batch.ts";
import type { PendingCall } from "./pending_calls.ts";

/** A call on its way to the broker. */
export interface CallEntry extends BatchEntry {
  readonly call: PendingCall;
}

/** What becomes of the parts of a batch. */
export interface BatchTakers {
  /** Takes a reply to one call. */
  accept(reply: AmqpDelivery): void;
  /** Publishes a call by itself. */
  publish(call: PendingCall): void;
}

/** For so long no batches are sent once a server has not understood one, in milliseconds. */
const PAUSE_MS = 60_000;

/** Settled batches are looked for when there are so many. */
const FIRST_SWEEP = 64;

/** Calls whose times differ by less are in one batch, whose message expires with the shortest. */
const MAX_TIME_RATIO = 1.1;

/** The batches of a client: none before a server has said that it takes them. */
export class CallBatches {
  readonly #limits: BatchLimits;
  #batcher: MessageBatcher<CallEntry> | undefined;
  /** The queues whose servers have said so, and until when they get none all the same. */
  readonly #taken = new Map<string, { pausedUntil: number }>();
  /** The calls of each batch that may have to be told of together, by its correlation id. */
  readonly #sent = new Map<string, readonly CallEntry[]>();
  #sweepAt = FIRST_SWEEP;

  constructor(limits: BatchLimits) {
    this.#limits = limits;
  }

  /** Sends further batches on another channel; those that wait for the end of the turn are not sent. */
  open(publisher: Pick<Publisher, "submit">): void {
    this.close();
    this.#batcher = new MessageBatcher(publisher, this.#limits, (id, entries) => {
      this.#sweep();
      this.#sent.set(id, entries);
    });
  }

  /** Sends those that wait for others, as no others come. */
  flush(): void {
    this.#batcher?.flush();
  }

  /** Sends no more. */
  close(): void {
    this.#batcher?.close();
  }

  /**
   * Takes a call, if it may share a message.
   *
   * @returns Whether it was taken.
   */
  add(entry: Omit<CallEntry, "size">): boolean {
    const { request } = entry.call;
    if (!request.takesBatches || !this.isReady(request.queue)) return false;
    const size = batchedSize(request.body, request.headers);
    if (size > this.#limits.maxBytes || this.#batcher === undefined) return false;
    this.#batcher.add(keyOf(entry.call), { ...entry, size });
    return true;
  }

  /** Whether calls to a queue may share messages at the moment. */
  isReady(queue: string): boolean {
    const taken = this.#taken.get(queue);
    if (taken === undefined) return false;
    return taken.pausedUntil === -Infinity || performance.now() >= taken.pausedUntil;
  }

  /** Notes that a server of a queue has not understood a batch. */
  pause(queue: string): void {
    this.#taken.set(queue, { pausedUntil: performance.now() + PAUSE_MS });
  }

  /** Takes the replies that share a message; or a batch of requests, come back or not understood. */
  accept(reply: AmqpDelivery, { accept, publish }: BatchTakers): boolean {
    const { properties } = reply;
    const reason = readDeadLetterReason(properties);
    if (reason === undefined && isBatch(properties)) {
      const parts = splitBatch(reply);
      for (const part of parts) accept(part);
      return parts.length > 0;
    }
    const entries = this.#claim(reply, { isUnderstood: reason !== undefined });
    if (entries === undefined) return false;
    for (const { call } of entries) {
      call.phase = "queued";
      if (reason === undefined) publish(call);
      else call.resolve(reply);
    }
    reply.ack();
    return true;
  }

  /** Notes what a reply says of its server. */
  note({ request }: PendingCall, properties: AmqpProperties): void {
    const isNew = request.takesBatches && !this.#taken.has(request.queue);
    if (isNew && takesBatches(properties)) {
      this.#taken.set(request.queue, { pausedUntil: -Infinity });
    }
  }

  /**
   * Takes out the calls of a batch that came back, or that was replied to as a whole.
   *
   * @param reply What came.
   * @param options Whether the batch was understood; if not, no more are sent for a while.
   * @returns Those that are not settled; `undefined` if there is no such batch.
   */
  #claim(
    { properties: { correlationId = "" } }: AmqpDelivery,
    { isUnderstood }: { readonly isUnderstood: boolean },
  ): readonly CallEntry[] | undefined {
    if (this.#sent.size === 0) return undefined;
    const entries = this.#sent.get(correlationId);
    if (entries === undefined) return undefined;
    this.#sent.delete(correlationId);
    if (!isUnderstood) this.pause(entries[0]?.call.request.queue ?? "");
    return entries.filter(({ call }) => !call.isSettled);
  }

  /** Forgets batches all of whose calls are settled; their number doubles before it looks again. */
  #sweep(): void {
    if (this.#sent.size < this.#sweepAt) return;
    for (const [id, entries] of this.#sent) {
      if (entries.every(({ call }) => call.isSettled)) this.#sent.delete(id);
    }
    this.#sweepAt = Math.max(FIRST_SWEEP, 2 * this.#sent.size);
  }
}

function keyOf({ request: { priority = 0, timeoutMs, queue } }: PendingCall): string {
  return `${priority} ${timeClassOf(timeoutMs)} ${queue}`;
}

/** Calls whose times are of one class may share a message. */
export function timeClassOf(timeoutMs: number): number {
  return Math.floor(Math.log(timeoutMs) / Math.log(MAX_TIME_RATIO));
}
