/** Publishes the replies of a server, for as long as it takes. @module */

import { RpcError } from "../../errors.ts";
import type { AmqpPublish } from "../broker/amqp.ts";
import type { BodyLimits } from "../broker/body_limits.ts";
import type { PublishOutcome } from "../broker/publisher.ts";
import { type OutgoingReply, replyMessage } from "../protocol/envelope.ts";
import type { PersistentOutcome, Recipient } from "../protocol/parking.ts";
import { TIMING_HEADER, writeTiming } from "../protocol/timing_header.ts";
import { batchedSize } from "../protocol/message_batch.ts";
import { MessageBatcher } from "../protocol/message_batcher.ts";
import { isDirectReply } from "../protocol/reply_address.ts";
import { encodeError } from "../running/encode.ts";
import type { RunTiming } from "../run_timing.ts";
import type { ActiveRequest } from "./active_requests.ts";
import type { CallerPresence } from "./callers/caller_presence.ts";
import { NodeLag } from "./callers/node_lag.ts";
import type { NodeStart } from "./callers/node_start.ts";
import { ReplyPatience } from "./callers/reply_patience.ts";

/**
 * Most channels that may close before they confirm a reply to a direct reply-to address. RabbitMQ up
 * to 3.11 ends the connection over an address that it cannot read, which anybody may have made up.
 */
const MAX_DIRECT_LOSSES = 2;

/**
 * Most channels that the broker may close, for whatever error, before it confirms a message. After the
 * first one the message goes alone, so that no other is taken for it.
 */
const MAX_SUSPICIONS = 3;

/** The part of a connection that publishing takes. */
export interface PublishingConnection {
  readonly session: PublishingSession | undefined;
  whenOpen(): Promise<PublishingSession>;
}

interface PublishingSession {
  readonly publisher: {
    publish(prepare: () => AmqpPublish | undefined): Promise<PublishOutcome>;
  };
  /** See `PublisherSession`. */
  readonly catchUp?: () => Promise<boolean>;
  readonly nodeStart?: Pick<NodeStart, "whenOver">;
}

/** What the caller got, or why nothing. */
export type ReplyOutcome = "output" | "error" | "orphaned" | "unpublished";

/** What {@linkcode Replies} needs of its server. */
export interface RepliesOptions {
  readonly sessions: { readonly publisher?: PublishingConnection };
  readonly callers: Pick<CallerPresence, "isLost" | "isAwaited">;
  readonly limits: BodyLimits;
}

/** How large a message of several replies gets. */
const BATCHES = { maxCalls: 256, maxBytes: 65_536, maxDelayMs: 0 };

/** Publishes on whatever session there is. */
export class Replies {
  readonly #options: RepliesOptions;
  readonly #lag = new NodeLag();
  readonly #batchers = new WeakMap<PublishingSession["publisher"], MessageBatcher>();
  /** The message that is published alone, and those before it. */
  #suspects: Promise<unknown> = Promise.resolve();

  constructor(options: RepliesOptions) {
    this.#options = options;
  }

  /**
   * Publishes the last reply to a request, or why that reply cannot be published.
   *
   * @returns What the caller got, or why nothing.
   * @throws {RpcError} `closed`, if the connection was closed for good.
   */
  async send(
    active: ActiveRequest,
    reply: OutgoingReply,
  ): Promise<ReplyOutcome> {
    const { timing } = active;
    const sentAt = timing?.reply();
    try {
      const told = timing === undefined ? reply : withTiming(reply, active, timing);
      const message = replyMessage(active.request, told);
      const outcome = await this.publish(message, active);
      if (outcome === "too-large") return await this.#sendReason(active, this.tooLarge(reply));
      if (outcome !== "confirmed") return outcome;
      return reply.type === "error" ? "error" : "output";
    } catch (error) {
      if (error instanceof RpcError) throw error;
      return await this.#sendReason(active, unsendable(error));
    } finally {
      if (sentAt !== undefined) timing?.confirmed(sentAt);
    }
  }

  /** The error of a reply, an item or progress whose body is too large. */
  tooLarge({ type, body }: OutgoingReply): RpcError {
    const subject = `Cannot reply to the request as its ${type === "end" ? "output" : type}`;
    return this.#options.limits.refusal(body, { subject });
  }

  /**
   * Publishes a message until the broker has it, over lost connections, too; but not for ever where
   * it may be what costs the connections.
   *
   * @param message The message.
   * @param recipient Whether it is worth another attempt.
   * @returns What became of it.
   * @throws {RpcError} `closed`, if the connection was closed for good.
   * @throws {TypeError} If a property or header does not fit into AMQP.
   */
  async publish(message: AmqpPublish, recipient: Recipient): Promise<PersistentOutcome> {
    const isDirect = isDirectReply(message.routingKey);
    let patience: ReplyPatience | undefined;
    let suspicions = 0;
    for (let losses = 0; !isDirect || losses < MAX_DIRECT_LOSSES;) {
      const { publisher: connection } = this.#options.sessions;
      const session = connection?.session ?? await connection?.whenOpen();
      const starting = isDirect ? session?.nodeStart?.whenOver(message.routingKey) : undefined;
      if (starting !== undefined) await starting;
      const outcome = suspicions > 0
        ? this.#publishAlone(message)
        : session && this.#publishOn(session, message, recipient);
      switch (await outcome) {
        case "confirmed":
          return "confirmed";
        case "returned":
          if (
            !recipient.isWanted ||
            await (patience ??= this.#patienceWith(message)).endsWithReturn(session)
          ) return "orphaned";
          break;
        case "too-large":
          return "too-large";
        case "nacked":
        case "stranded":
          if (!recipient.isWanted) return "unpublished";
          if (await (patience ??= this.#patienceWith(message)).endsWithRefusal()) return "orphaned";
          break;
        case "suspect":
          if (++suspicions === MAX_SUSPICIONS) return "unpublished";
          losses++;
          break;
        case "unknown":
          losses++;
      }
    }
    return "unpublished";
  }

  #patienceWith({ routingKey }: AmqpPublish): ReplyPatience {
    return new ReplyPatience(routingKey, this.#options.callers, this.#lag);
  }

  /** Replies that are ready in the same turn share a message, where their caller takes it. */
  #publishOn(
    session: PublishingSession,
    message: AmqpPublish,
    { takesBatches = false }: Recipient,
  ): Promise<PublishOutcome> {
    const { publisher } = session;
    const size = batchedSize(message.body, message.properties.headers);
    if (!takesBatches || size > BATCHES.maxBytes) {
      return publisher.publish(() => message);
    }
    let batcher = this.#batchers.get(publisher);
    if (batcher === undefined) {
      batcher = new MessageBatcher({
        submit: (prepare, settle, fail) => void publisher.publish(prepare).then(settle, fail),
      }, BATCHES);
      this.#batchers.set(publisher, batcher);
    }
    const { promise, resolve: settle, reject: fail } = Promise.withResolvers<PublishOutcome>();
    batcher.add(message.routingKey, { size, prepare: () => message, settle, fail });
    return promise;
  }

  /** Publishes a message that the broker may not bear when no other such one is under way. */
  #publishAlone(message: AmqpPublish): Promise<PublishOutcome | undefined> {
    const published = this.#suspects.then(async () => {
      const session = await this.#options.sessions.publisher?.whenOpen();
      return await session?.publisher.publish(() => message);
    });
    this.#suspects = published.catch(() => {});
    return published;
  }

  /** Says why a reply cannot be sent, in its place. */
  async #sendReason(
    active: ActiveRequest,
    reason: RpcError,
  ): Promise<"error" | "orphaned" | "unpublished"> {
    const message = replyMessage(active.request, encodeError(reason));
    switch (await this.publish(message, active)) {
      case "confirmed":
        return "error";
      case "orphaned":
        return "orphaned";
      case "too-large":
      case "unpublished":
        return "unpublished";
    }
  }
}

/** Tells the caller how long its request took, if it wants to know. */
function withTiming(
  reply: OutgoingReply,
  { request, delivery }: ActiveRequest,
  timing: RunTiming,
): OutgoingReply {
  if (!request.wantsTiming) return reply;
  const text = writeTiming(timing, delivery.properties.headers);
  return { ...reply, headers: { ...reply.headers, [TIMING_HEADER]: text } };
}

/** Makes the error of a reply that cannot be published, which amqplib tells by throwing. */
export function unsendable(cause: unknown): RpcError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new RpcError(
    "unencodable",
    `Cannot reply to the request as the reply does not fit into a message: ${reason}`,
    { cause },
  );
}
