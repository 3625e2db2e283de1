/**
 * Batches of plain requests, whose handlers are run one after the other and whose replies share a
 * message. What has to do with the broker is done for the batch: to do it for each request takes ten
 * times as long as a short handler. A request that is more than that goes the way of all others.
 *
 * @module
 */

import { jsonCodec } from "../../../codec.ts";
import { RpcError } from "../../../errors.ts";
import type { AmqpDelivery, AmqpProperties } from "../../broker/amqp.ts";
import type { EncodedReply } from "../../encoded_reply.ts";
import {
  encodePlainReplies,
  isLine,
  partId,
  plainPart,
  type PlainReply,
  type PlainRequest,
  type PlainRequests as PlainBatch,
  readPlainRequests,
} from "../../protocol/batches/plain_batch.ts";
import { readRequestEnvelope, replyMessage } from "../../protocol/envelope.ts";
import { DEADLINE_HEADER, Settlement } from "../../protocol/message_batch.ts";
import type { RequestBatches } from "../../protocol/request_batches.ts";
import { isDurableReplyQueue, readReplyTo } from "../../protocol/reply_address.ts";
import { isExpired } from "../../time.ts";
import type { ActiveRequests } from "../active_requests.ts";
import type { Replies } from "../replies.ts";
import { clockAheadMs } from "../request_context.ts";
import type { BegunWork, RequestRunner } from "../request_runner.ts";
import type { Outcome, SettledRequest } from "../outcome_counts.ts";

/** What a request gives that was run before it got a place: its reply, or what has begun. */
export type KnownResult = EncodedReply | BegunWork;

/** What {@linkcode PlainRequests} need of their server. */
export interface PlainRequestsOptions {
  /** Whether each request is to be served for itself, as something is around it or told of it. */
  readonly isAlone: boolean;
  readonly runner: RequestRunner;
  readonly active: ActiveRequests;
  /** Take what is to be served for itself. */
  readonly batches: RequestBatches;
  readonly replies: Replies;
  /** Whether requests are run that came like this. */
  readonly admits: (properties: AmqpProperties) => boolean;
  /** How many requests more may be in hand. */
  readonly places: () => number;
  /** Serves one request whose work is done, or has begun. Never rejects. */
  readonly accept: (request: AmqpDelivery, known: KnownResult) => Promise<void>;
  readonly onOrphaned: (replyTo: string) => void;
  readonly onSettled: (settled: SettledRequest) => void;
  /** Told why a batch is not settled. */
  readonly onUnserved: (error: unknown) => void;
}

/** Most UTF-16 units in a message of replies. */
const MAX_REPLY_UNITS = 65_536;

/**
 * For so long, in milliseconds, and until they have given so many UTF-16 units, the handlers of a batch
 * run without a pause. What is left has to wait for a place, as if it had come alone: a thousand outputs
 * are too much at once, and the connection and other lanes are not served meanwhile.
 */
const [MAX_TURN_MS, MAX_TURN_UNITS] = [50, 1_048_576] as const;

/** Serves batches of plain requests. */
export class PlainRequests {
  readonly #options: PlainRequestsOptions;

  constructor(options: PlainRequestsOptions) {
    this.#options = options;
  }

  /**
   * Takes a batch over.
   *
   * @returns Whether it can be read.
   */
  take(delivery: AmqpDelivery): boolean {
    const read = readPlainRequests(delivery);
    if (read === undefined) return false;
    const batch = new Batch(delivery, read, (parts) => {
      this.#options.batches.sendAgain(delivery, parts);
    });
    if (this.#isPlain(batch)) {
      this.#options.active.hold(batch.requests.length);
      // No handler runs inside amqplib's callback.
      queueMicrotask(() => this.#serve(batch));
    } else {
      this.#options.batches.takeParts(
        delivery,
        batch.requests.map((request) => batch.part(request)),
      );
    }
    return true;
  }

  #isPlain({ delivery, earliest, expiresInMs }: Batch): boolean {
    const { isAlone, admits } = this.#options;
    if (isAlone || delivery.redeliveries > 0 || !admits(delivery.properties)) return false;
    const { replyTo, expiration } = delivery.properties;
    const terms = { deadline: earliest, expiresInMs, credits: undefined };
    const isDurable = replyTo !== undefined && isDurableReplyQueue(replyTo);
    return !isDurable && clockAheadMs(terms, expiration) === undefined;
  }

  /** Never throws: handlers that do have given a reply. */
  #serve(batch: Batch): void {
    const { runner, active, batches, places } = this.#options;
    const { requests, replyTo } = batch;
    // There are none of the user's among them.
    const [table, credits] = [undefined, undefined];
    const endsAt = performance.now() + MAX_TURN_MS;
    let taken = 0;
    for (const request of requests) {
      const { index, procedure, body, deadline } = request;
      const correlationId = partId(batch.id, index);
      const isDue = places() > 0 && !isExpired(deadline) && performance.now() < endsAt &&
        batch.units < MAX_TURN_UNITS && !active.drops({ correlationId, replyTo });
      const expiresInMs = batch.expiresInMs && batch.expiresInMs + deadline - batch.earliest;
      const terms = { procedure, body, correlationId, deadline, expiresInMs, credits, table };
      const result = isDue ? runner.runText(terms) : undefined;
      if (result !== undefined && batch.add(request, result)) continue;
      taken++;
      if (result === undefined) batches.wait(batch.part(request));
      else void this.#options.accept(batch.part(request), result);
    }
    active.hold(-taken);
    runner.keep(batch);
    for (const replies of inMessages(batch.replies)) void this.#reply(batch, replies);
  }

  /** Publishes replies, and settles their requests. Never rejects. */
  async #reply(batch: Batch, replies: readonly DoneRequest[]): Promise<void> {
    const { active } = this.#options;
    try {
      const outcome = await this.#publish(batch, replies);
      if (outcome === "alone") {
        for (const { request, reply } of replies) {
          void this.#options.accept(batch.part(request), reply);
        }
        return;
      }
      this.#settle(batch, replies, outcome);
    } catch (error) {
      // What is not acknowledged goes back to the queue with its channel.
      this.#options.onUnserved(error);
    } finally {
      active.hold(-replies.length);
    }
  }

  async #publish(
    batch: Batch,
    replies: readonly PlainReply[],
  ): Promise<"confirmed" | "alone" | "orphaned" | "unpublished"> {
    const { replyTo } = batch;
    const address = {
      replyTo,
      correlationId: batch.id,
      callback: undefined,
      takesBatches: true,
    };
    const { contentType } = jsonCodec;
    const first = replyMessage(address, { type: "output", body: "", contentType });
    const message = encodePlainReplies(batch.id, first, replies);
    try {
      const outcome = await this.#options.replies.publish(message, batch);
      return outcome === "too-large" ? "alone" : outcome;
    } catch (error) {
      if (error instanceof RpcError) throw error;
      return "alone";
    }
  }

  #settle(
    batch: Batch,
    replies: readonly DoneRequest[],
    outcome: "confirmed" | "orphaned" | "unpublished",
  ): void {
    batch.settlement.ackMany(replies.length);
    const { replyTo } = batch;
    if (outcome === "orphaned" && replyTo !== undefined) this.#options.onOrphaned(replyTo);
    const counts = new Map<string, number>();
    for (const { isError, request: { procedure } } of replies) {
      const done = isError ? "error" : "output";
      const key = `${outcome === "confirmed" ? done : outcome} ${procedure}`;
      counts.set(key, (counts.get(key) ?? 0) + 1);
    }
    const { startedAt, id } = batch;
    const active = { startedAt, runMs: Date.now() - startedAt, request: { correlationId: id } };
    for (const [key, count] of counts) {
      const space = key.indexOf(" ");
      // It was put together above.
      const outcome = key.slice(0, space) as Outcome;
      this.#options.onSettled({ active, procedure: key.slice(space + 1), outcome, count });
    }
  }
}

/** A reply that can be a line, and what it is the reply to. */
interface DoneRequest extends PlainReply {
  readonly request: PlainRequest;
  readonly reply: EncodedReply;
}

/** A batch that is served. */
class Batch {
  readonly delivery: AmqpDelivery;
  readonly id: string;
  readonly requests: PlainBatch["requests"];
  readonly replyTo: string | undefined;
  readonly expiresInMs: number | undefined;
  readonly settlement: Settlement;
  /** When it came, in Unix milliseconds. */
  readonly startedAt = Date.now();
  /** Those that can be lines. */
  readonly replies: DoneRequest[] = [];
  /** Of their bodies. */
  units = 0;
  /** Of the deadlines, to which the time of the message belongs, in Unix milliseconds. */
  readonly earliest: number;
  readonly #latest: number;

  constructor(
    delivery: AmqpDelivery,
    { id, requests }: PlainBatch,
    onFailed: ConstructorParameters<typeof Settlement>[2],
  ) {
    this.delivery = delivery;
    this.id = id;
    this.requests = requests;
    let [earliest, latest] = [Infinity, -Infinity];
    for (const { deadline } of requests) {
      if (deadline < earliest) earliest = deadline;
      if (deadline > latest) latest = deadline;
    }
    this.earliest = earliest;
    this.#latest = latest;
    this.replyTo = readReplyTo(delivery.properties.replyTo);
    this.expiresInMs = readRequestEnvelope(delivery.properties).expiresInMs;
    this.settlement = new Settlement(delivery, requests.length, onFailed);
  }

  /** Whether somebody waits for the replies. */
  get isWanted(): boolean {
    return !isExpired(this.#latest);
  }

  /**
   * Takes a result.
   *
   * @returns Whether it can share a message with others.
   */
  add(request: PlainRequest, result: KnownResult): boolean {
    if ("result" in result || result.headers !== undefined) return false;
    const { type, body, contentType } = result;
    if (contentType !== jsonCodec.contentType || !isLine(body)) return false;
    const isError = type === "error";
    this.units += body.length;
    this.replies.push({ index: request.index, isError, body, request, reply: result });
    return true;
  }

  /** A request as if it had come alone. */
  part({ index, procedure: type, body, deadline }: PlainRequest): AmqpDelivery {
    const headers = { [DEADLINE_HEADER]: deadline };
    const laterMs = deadline - this.earliest;
    const message = { type, body, headers, laterMs };
    return this.delivery.part(
      this.settlement,
      plainPart(this.delivery, partId(this.id, index), message),
    );
  }
}

/** In as many messages as they need. */
function* inMessages(replies: readonly DoneRequest[]): Generator<readonly DoneRequest[]> {
  let start = 0;
  let units = 0;
  for (const [index, { body }] of replies.entries()) {
    if (index > start && units + body.length > MAX_REPLY_UNITS) {
      yield replies.slice(start, index);
      start = index;
      units = 0;
    }
    units += body.length;
  }
  if (start < replies.length) yield start === 0 ? replies : replies.slice(start);
}
