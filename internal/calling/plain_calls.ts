/**
 * Calls that share messages and have nothing but a procedure, an input and a time limit: no entry in a
 * table, no timer and no id is made for each of them, but for their batch. As soon as anything happens to
 * one of them but its output, it is handed over, and becomes a call as any other.
 *
 * @module
 */

import type { CallOptions } from "../../caller.ts";
import { jsonCodec } from "../../codec.ts";
import type { AmqpDelivery } from "../broker/amqp.ts";
import type { PublishOutcome } from "../broker/publisher.ts";
import { waitWithStack } from "../caller_stack.ts";
import { checkCallOptions } from "../callers/call_options.ts";
import { checkProcedureName } from "../check.ts";
import {
  isPlainBatch,
  partId,
  plainPart,
  type PlainReply,
  readPlainReplies,
} from "../protocol/batches/plain_batch.ts";
import { readDeadLetterReason } from "../protocol/dead_letter.ts";
import { BATCH_TYPE } from "../protocol/message_batch.ts";
import type { BatchLimits } from "../protocol/message_batcher.ts";
import { RecentMap } from "../recent_map.ts";
import { afterTurn, DeadlineTimer } from "../time.ts";
import { type BatchTakers, type CallBatches, timeClassOf } from "./call_batches.ts";
import type { ClientSession } from "./client_session.ts";
import type { ClientSettings } from "./client_settings.ts";
import type { PendingCall, PendingCalls } from "./pending_calls.ts";
import { hasNoPlainCalls, PlainBatch, type PlainCall } from "./plain_batch.ts";
import type { ReplyReader } from "./reply_reader.ts";

/** What {@linkcode PlainCalls} need of their client. */
export interface PlainCallsOptions extends BatchTakers {
  readonly batches: CallBatches;
  readonly reader: Pick<ReplyReader, "outcomeOf">;
  readonly pending: PendingCalls;
  /** Whether calls may be started. */
  readonly isOpen: () => boolean;
  /** Where calls can be published, if they can. */
  readonly session: () => ClientSession | undefined;
  /** Told what became of the request of a call. */
  readonly onPublished: (call: PendingCall, outcome: PublishOutcome) => void;
  /** Told that there are calls that wait. */
  readonly onSent: () => void;
}

/** What a client has set that matters here. */
type PlainSettings = Pick<ClientSettings, "queue" | "timeoutMs" | "maxBodyBytes">;

/** Batches that are over are looked for when there are so many. */
const FIRST_SWEEP = 64;

/** What a reply is settled by, whose message is settled already. */
const SETTLED = { ack() {}, requeue() {}, giveBack() {}, isOpen: true };

/** No text of UTF-16 has more bytes for one of its units. */
const MAX_UNIT_BYTES = 3;

/** The options of calls that may be plain. */
const PLAIN_OPTIONS: ReadonlySet<string> = new Set(["timeoutMs", "signal"]);

/** The plain calls of a client. */
export class PlainCalls {
  readonly #settings: PlainSettings;
  readonly #options: PlainCallsOptions;
  readonly #limits: BatchLimits;
  /** Those that wait for the end of their turn, by the class of their times. */
  readonly #gathering = new Map<number, PlainBatch>();
  /** The one that was added to last. */
  #latest: PlainBatch | undefined;
  readonly #batches = new Map<string, PlainBatch>();
  /** Batches that are over, and whether replies to them are duplicates: all had an output. */
  readonly #over = new RecentMap<boolean>();
  readonly #timer = new DeadlineTimer(() => this.#handOverDue());
  #sweepAt = FIRST_SWEEP;
  /** Was checked. */
  #procedure: string | undefined;

  private constructor(settings: PlainSettings, limits: BatchLimits, options: PlainCallsOptions) {
    this.#settings = settings;
    this.#options = options;
    this.#limits = limits;
  }

  /** Makes them, unless this client does something for each of its calls. */
  static of(settings: ClientSettings, options: PlainCallsOptions): PlainCalls | undefined {
    const { batching } = settings;
    if (batching === undefined || hasNoPlainCalls(settings)) return undefined;
    return new PlainCalls(settings, batching, options);
  }

  /**
   * Makes a call.
   *
   * @returns Its output; `undefined` if it is none of these, or something is wrong with it.
   */
  call(procedure: string, input: unknown, options: CallOptions): Promise<unknown> | undefined {
    const { batches, pending, session, isOpen } = this.#options;
    const { queue, maxBodyBytes } = this.#settings;
    const isReady = isOpen() && pending.hasPlace && batches.isReady(queue);
    if (!isReady || session()?.routeTo(queue) === undefined) return undefined;
    let body: string;
    try {
      if (!this.#isPlain(procedure, options)) return undefined;
      // It gives a text.
      body = jsonCodec.encode(input) as string;
    } catch {
      return undefined;
    }
    if (body.length > this.#limits.maxBytes || MAX_UNIT_BYTES * body.length > maxBodyBytes) {
      return undefined;
    }
    return waitWithStack(
      new Promise((resolve) => {
        const { timeoutMs = this.#settings.timeoutMs, signal } = options;
        this.#add({ procedure, body, timeoutMs, signal, resolve });
      }),
    );
  }

  /** Takes a message, if it is the replies of a batch, or a batch that came back or was not understood. */
  accept(reply: AmqpDelivery): boolean {
    const { correlationId = "" } = reply.properties;
    if (this.#batches.size === 0 && this.#over.isEmpty) return false;
    const batch = this.#batches.get(correlationId);
    const isDuplicate = batch === undefined ? this.#over.get(correlationId) : false;
    if (isDuplicate === undefined) return false;
    const reason = readDeadLetterReason(reply.properties);
    if (reason === undefined && isPlainBatch(reply.properties)) {
      const replies = readPlainReplies(reply.body);
      if (replies === undefined) return false;
      reply.ack();
      for (const each of replies) {
        if (isDuplicate) this.#options.pending.duplicateReplies++;
        else this.#acceptPart(batch, reply, each);
      }
      return true;
    }
    reply.ack();
    if (batch === undefined) return true;
    if (reason === undefined) this.#options.batches.pause(this.#settings.queue);
    for (const call of this.#take(batch)) {
      call.phase = "queued";
      if (reason === undefined) this.#options.publish(call);
      else call.resolve(reply);
    }
    return true;
  }

  /** Takes a reply to one call that came alone, if that is an output, and nothing else is to be seen. */
  acceptOne(reply: AmqpDelivery): boolean {
    if (this.#batches.size === 0) return false;
    const { correlationId = "", type, contentType, contentEncoding } = reply.properties;
    const dot = correlationId.lastIndexOf(".");
    const batch = dot < 0 ? undefined : this.#batches.get(correlationId.slice(0, dot));
    const index = Number(correlationId.slice(dot + 1));
    const call = batch?.calls[index];
    if (batch === undefined || !call?.isOpen || partId(batch.id, index) !== correlationId) {
      return false;
    }
    const isPlain = type === "output" && contentType === jsonCodec.contentType &&
      !contentEncoding && reply.body.length <= this.#settings.maxBodyBytes &&
      readDeadLetterReason(reply.properties) === undefined;
    if (isPlain && this.#settle(batch, call, reply.body)) {
      reply.ack();
      return true;
    }
    this.#handOver(batch, call);
    return false;
  }

  /** Sends those that wait for others, as no others come. */
  flush(): void {
    for (const batch of this.#gathering.values()) this.#send(batch);
  }

  /** Hands all of them over, as there are to be no more. */
  close(): void {
    this.#timer.stop();
    this.handOver();
  }

  /** Hands all of them over, as their session is another. */
  handOver(): void {
    this.#gathering.clear();
    this.#latest = undefined;
    for (const [id, batch] of this.#batches) {
      this.#handOverAll(batch);
      this.#over.set(id, false);
    }
    this.#batches.clear();
  }

  #isPlain(procedure: string, options: CallOptions): boolean {
    for (const name in options) {
      const value: unknown = Reflect.get(options, name);
      const isDefault = value === undefined || name === "idempotent" && value === true;
      if (!isDefault && !PLAIN_OPTIONS.has(name)) return false;
    }
    checkCallOptions("call", options);
    if (options.signal?.aborted) return false;
    if (procedure === this.#procedure) return true;
    checkProcedureName("call", procedure);
    if (procedure === BATCH_TYPE) return false;
    this.#procedure = procedure;
    return true;
  }

  #add(parts: Pick<PlainCall, "procedure" | "body" | "timeoutMs" | "signal" | "resolve">): void {
    const { body, timeoutMs, signal } = parts;
    let batch = this.#latest;
    if (batch?.timeoutMs !== timeoutMs) {
      batch = this.#latest = this.#gathering.get(timeClassOf(timeoutMs));
    }
    if (batch !== undefined && batch.size + body.length > this.#limits.maxBytes) {
      this.#send(batch);
      batch = undefined;
    }
    batch ??= this.#open(timeoutMs);
    const { calls } = batch;
    const deadline = Date.now() + timeoutMs;
    calls.push({ ...parts, index: calls.length, deadline, taken: undefined, isOpen: true });
    batch.size += body.length;
    batch.left++;
    if (timeoutMs < batch.shortestMs) {
      batch.shortestMs = timeoutMs;
      this.#timer.schedule(batch.handOverAt);
    }
    this.#options.pending.plain++;
    if (signal !== undefined) {
      batch.listen(signal, (call) => this.#handOver(batch, call).abandon(signal.reason));
    }
    if (calls.length >= this.#limits.maxCalls) this.#send(batch);
  }

  #open(timeoutMs: number): PlainBatch {
    const batch = this.#latest = new PlainBatch(this.#settings.queue, timeoutMs);
    this.#sweep();
    this.#batches.set(batch.id, batch);
    this.#gathering.set(timeClassOf(timeoutMs), batch);
    this.#timer.schedule(batch.handOverAt);
    const send = () => this.#send(batch);
    if (this.#limits.maxDelayMs > 0) batch.delay = setTimeout(send, this.#limits.maxDelayMs);
    else afterTurn(send);
    return batch;
  }

  /** Does nothing for a batch that has left already, or was handed over. */
  #send(batch: PlainBatch): void {
    const timeClass = timeClassOf(batch.timeoutMs);
    if (this.#gathering.get(timeClass) !== batch) return;
    this.#gathering.delete(timeClass);
    if (this.#latest === batch) this.#latest = undefined;
    const { session, publish, onSent } = this.#options;
    const current = session();
    const route = current?.routeTo(this.#settings.queue);
    if (current === undefined || route === undefined) return void this.#take(batch);
    onSent();
    current.publisher.submit(
      () => batch.prepare(route, current),
      (outcome) => this.#onPublished(batch, outcome),
      () => this.#take(batch).forEach(publish),
    );
  }

  #onPublished(batch: PlainBatch, outcome: PublishOutcome): void {
    if (outcome === "confirmed") {
      batch.confirmedAt = performance.now();
      for (const { taken } of batch.calls) {
        if (taken !== undefined) this.#options.onPublished(taken, outcome);
      }
      return;
    }
    // The next session takes them over.
    if (outcome === "unsent") return;
    // One of them may be what the broker does not bear, or too large with the others only.
    const isShared = outcome !== "too-large" && outcome !== "suspect";
    for (const call of this.#take(batch)) {
      if (isShared) this.#options.onPublished(call, outcome);
      else this.#options.publish(call);
    }
  }

  #acceptPart(batch: PlainBatch | undefined, reply: AmqpDelivery, part: PlainReply): void {
    const { pending, accept } = this.#options;
    const { index, body, isError } = part;
    const call = batch?.calls[index];
    const isSettled = call !== undefined && !call.isOpen && call.taken === undefined;
    if (isSettled) return void pending.duplicateReplies++;
    if (batch !== undefined && call?.isOpen) {
      const isSmall = MAX_UNIT_BYTES * body.length <= this.#settings.maxBodyBytes;
      if (!isError && isSmall && this.#settle(batch, call, body)) return;
      this.#handOver(batch, call);
    }
    const id = partId(reply.properties.correlationId ?? "", index);
    const message = plainPart(reply, id, { type: isError ? "error" : "output", body });
    accept(reply.part(SETTLED, message));
  }

  /**
   * Ends a call with its output.
   *
   * @returns Whether that could be decoded.
   */
  #settle(batch: PlainBatch, call: PlainCall, body: string | Uint8Array): boolean {
    let output: unknown;
    try {
      output = jsonCodec.decode(body);
    } catch {
      return false;
    }
    call.isOpen = false;
    call.resolve(output);
    this.#options.pending.release();
    this.#leave(batch);
    return true;
  }

  /** All that have no outcome, once they are handed over. */
  #take(batch: PlainBatch): readonly PendingCall[] {
    this.#handOverAll(batch);
    return batch.calls.flatMap(({ taken }) => taken?.isSettled === false ? [taken] : []);
  }

  #handOverAll(batch: PlainBatch): void {
    for (const call of batch.calls) if (call.isOpen) this.#handOver(batch, call);
  }

  /** Makes a call one as any other. */
  #handOver(batch: PlainBatch, call: PlainCall): PendingCall {
    const { pending, reader } = this.#options;
    const taken = batch.toPending(call, pending);
    call.taken = taken;
    call.isOpen = false;
    pending.takeOver(taken);
    call.resolve(reader.outcomeOf(taken));
    this.#leave(batch);
    return taken;
  }

  /** Told that one of its calls is not its own any more. */
  #leave(batch: PlainBatch): void {
    if (--batch.left > 0) return;
    batch.end();
    if (batch.calls.some(({ taken }) => taken !== undefined)) return;
    this.#batches.delete(batch.id);
    this.#over.set(batch.id, true);
  }

  #handOverDue(): number | undefined {
    const now = performance.now();
    let next = Infinity;
    for (const batch of this.#batches.values()) {
      if (batch.left === 0) continue;
      if (batch.handOverAt <= now) this.#handOverAll(batch);
      else next = Math.min(next, batch.handOverAt);
    }
    return next === Infinity ? undefined : next;
  }

  /** Forgets batches whose calls were handed over and are settled. */
  #sweep(): void {
    if (this.#batches.size < this.#sweepAt) return;
    for (const [id, { left, calls }] of this.#batches) {
      const isOver = left === 0 && calls.every(({ taken }) => taken?.isSettled !== false);
      if (!isOver) continue;
      this.#batches.delete(id);
      this.#over.set(id, false);
    }
    this.#sweepAt = Math.max(FIRST_SWEEP, 2 * this.#batches.size);
  }
}
