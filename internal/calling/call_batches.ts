/** Calls that share messages. @module */

import type { AmqpDelivery, AmqpProperties } from "../broker/amqp.ts";
import type { Publisher } from "../broker/publisher.ts";
import { type BatchEntry, type BatchLimits, MessageBatcher } from "../protocol/message_batcher.ts";
import { batchedSize, takesBatches } from "../protocol/message_batch.ts";
import type { PendingCall } from "./pending_calls.ts";

/** A call on its way to the broker. */
export interface CallEntry extends BatchEntry {
  readonly call: PendingCall;
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
    this.#batcher = new MessageBatcher(publisher, this.#limits, (id, entries) => {
      this.#sweep();
      this.#sent.set(id, entries);
    });
  }

  /**
   * Takes a call, if it may share a message.
   *
   * @returns Whether it was taken.
   */
  add(entry: Omit<CallEntry, "size">): boolean {
    const { request } = entry.call;
    if (!request.takesBatches || this.#batcher === undefined) return false;
    const taken = this.#taken.get(request.queue);
    if (taken === undefined) return false;
    const size = batchedSize(request.body, request.headers);
    if (size > this.#limits.maxBytes || performance.now() < taken.pausedUntil) return false;
    this.#batcher.add(keyOf(entry.call), { ...entry, size });
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
  claim(
    { properties: { correlationId = "" } }: AmqpDelivery,
    { isUnderstood }: { readonly isUnderstood: boolean },
  ): readonly CallEntry[] | undefined {
    if (this.#sent.size === 0) return undefined;
    const entries = this.#sent.get(correlationId);
    if (entries === undefined) return undefined;
    this.#sent.delete(correlationId);
    const taken = this.#taken.get(entries[0]?.call.request.queue ?? "");
    if (!isUnderstood && taken) taken.pausedUntil = performance.now() + PAUSE_MS;
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
  return `${priority} ${Math.floor(Math.log(timeoutMs) / Math.log(MAX_TIME_RATIO))} ${queue}`;
}
