/** Parks what cannot be dealt with now, in a queue beside the one that it came from. @module */

import { RpcError } from "../../errors.ts";
import { newId } from "../text.ts";
import type { Durability } from "../../options/server_options.ts";
import type { AmqpDelivery, AmqpPublish, AmqpQueueOptions } from "../broker/amqp.ts";
import type { BodyLimits } from "../broker/body_limits.ts";
import { amqpCodeOf } from "../broker/amqp_error.ts";
import { checkName } from "../check.ts";
import {
  type OutgoingParked,
  parkedMessage,
  parkingQueueOf,
  type ParkingReason,
} from "./parked_message.ts";
import { parkingQueueOptions } from "./topology.ts";
import { sleep } from "../time.ts";

/**
 * What became of a message that was published for as long as it was wanted.
 *
 * - `confirmed`: the broker has it.
 * - `orphaned`: there is no such queue, or it is lost with its node.
 * - `too-large`: its body has more bytes than the user or the broker allows.
 * - `unpublished`: the broker did not take it for as long as it was wanted, or it may be what costs
 *   the connections.
 */
export type PersistentOutcome = "confirmed" | "orphaned" | "too-large" | "unpublished";

/** Whom a message is for. */
export interface Recipient {
  /** Whether to publish again what the broker did not take. */
  readonly isWanted: boolean;
  /** Whether the message may share one with others. */
  readonly takesBatches?: boolean;
}

/** Options of {@linkcode Parking}. */
export interface ParkingOptions {
  /** The queue that a message came from: a request queue, or a durable reply queue. */
  readonly queue: string;
  readonly durability: Durability;
  readonly limits: Pick<BodyLimits, "refusal">;
  /** Publishes until the broker has the message, over lost connections, too. */
  readonly replies: {
    publish(message: AmqpPublish, recipient: Recipient): Promise<PersistentOutcome>;
  };
  /** Declares a queue on whatever session there is; absent if nothing is to be declared. */
  readonly declare: ((queue: string, options: AmqpQueueOptions) => Promise<void>) | undefined;
}

/** How long a first attempt to park a message takes that the broker refuses, in milliseconds. */
const FIRST_ATTEMPT_MS = 2_000;

/** Pauses between the attempts that follow, in milliseconds: each is twice the one before. */
const FIRST_PAUSE_MS = 500;
const MAX_PAUSE_MS = 60_000;

/**
 * How long a message is held in hand, in milliseconds. The broker takes what is held for half an hour
 * unless configured, and up to 4.2 the channel with it; what it takes counts as given back.
 */
const HOLD_MS = 20 * 60_000;

/** Pause before a queue is declared again after the connection was lost, in milliseconds. */
const RETRY_PAUSE_MS = 500;

/** Most attempts to have the queue. */
const MAX_ATTEMPTS = 20;

/** Somebody may declare it while the message is held. */
const UNDECLARED = 'it does not exist: declare it, as "declare" is false';

/** What does not change from one attempt to the next. */
type Unparked = Omit<OutgoingParked, "withHeaders">;

/**
 * Parks messages. The queue is declared when the first one needs it: most programs never do, and a
 * user who may not declare it can be given one.
 */
export class Parking {
  readonly #options: ParkingOptions;
  readonly #closing = new AbortController();

  constructor(options: ParkingOptions) {
    this.#options = options;
  }

  /**
   * Parks a message. For as long as the broker does not take it, it is held in hand: from RabbitMQ 4
   * on, what was given back too often is dropped.
   *
   * @param delivery The message.
   * @param reason Why it is parked.
   * @param onDelayed Told once if it takes longer; tells whether it is to be held.
   * @returns Its id, once the broker has it.
   * @throws {RpcError} `closed`, if the connection was closed before; the message is still in its queue.
   * @throws {RpcError} With `retryable`, if the queue could not be reached or declared before the
   * program closes, or for as long as the message may be held.
   * @throws Why the message can never be parked.
   */
  async park(
    delivery: AmqpDelivery,
    reason: ParkingReason,
    onDelayed: (error: RpcError) => boolean,
  ): Promise<string> {
    const { queue } = this.#options;
    checkName("park the message", { "parking queue": parkingQueueOf(queue) });
    const { properties, body } = delivery;
    const parked = { id: newId(), queue, properties, body, reason };
    const heldUntil = Date.now() + HOLD_MS;
    let failure = await this.#tryFor(FIRST_ATTEMPT_MS, parked);
    if (failure !== undefined && !onDelayed(failure)) throw failure;
    for (let pauseMs = FIRST_PAUSE_MS; failure !== undefined; pauseMs = longer(pauseMs)) {
      await sleep(pauseMs, this.#closing.signal);
      const isHeld = !this.#closing.signal.aborted && !delivery.isLost && Date.now() < heldUntil;
      if (!isHeld) throw failure;
      failure = await this.#tryFor(0, parked);
    }
    return parked.id;
  }

  /** Holds nothing any more. */
  close(): void {
    this.#closing.abort();
  }

  /** Publishes it, and tells why it is not parked yet, if so. */
  async #tryFor(limitMs: number, parked: Unparked): Promise<RpcError | undefined> {
    try {
      return await this.#publish({ ...parked, withHeaders: true }, limitMs);
    } catch (error) {
      if (error instanceof RpcError) throw error;
      // Headers that came may be too large to be sent with the reason added.
      return await this.#publish({ ...parked, withHeaders: false }, limitMs);
    }
  }

  async #publish(parked: OutgoingParked, limitMs: number): Promise<RpcError | undefined> {
    const { limits } = this.#options;
    const message = parkedMessage(parked);
    const until = Date.now() + limitMs;
    const { signal } = this.#closing;
    const recipient: Recipient = {
      get isWanted() {
        return Date.now() < until && !signal.aborted;
      },
    };
    for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt++) {
      switch (await this.#options.replies.publish(message, recipient)) {
        case "confirmed":
          return undefined;
        case "unpublished":
          return this.#passing("queue-full", "the broker does not take it");
        case "too-large":
          throw limits.refusal(parked.body, { subject: `${this.#subject()} its body` });
        case "orphaned":
          if (this.#options.declare === undefined) {
            return this.#passing("misconfigured", UNDECLARED);
          }
          await this.#declare();
      }
    }
    return this.#passing("disconnected", "the queue cannot be declared");
  }

  async #declare(): Promise<void> {
    const { queue, durability, declare } = this.#options;
    try {
      await declare?.(parkingQueueOf(queue), parkingQueueOptions(durability));
    } catch (error) {
      if (error instanceof RpcError) throw error;
      const code = amqpCodeOf(error);
      // 406: somebody has declared it at the same time, in another way, which will do.
      if (code === 406) return;
      if (code === 403) throw this.#refused(error);
      // The connection is being replaced.
      await sleep(RETRY_PAUSE_MS, this.#closing.signal);
    }
  }

  #passing(code: "queue-full" | "disconnected" | "misconfigured", reason: string): RpcError {
    return new RpcError(code, `${this.#subject()} ${reason}`, { retryable: true });
  }

  #refused(cause: unknown): RpcError {
    return new RpcError(
      "access-refused",
      `${this.#subject()} the user may not declare it: grant it, or declare it by hand: ` +
        "see docs/permissions.md",
      { cause },
    );
  }

  #subject(): string {
    return `Cannot park the message in queue "${parkingQueueOf(this.#options.queue)}" as`;
  }
}

function longer(pauseMs: number): number {
  return Math.min(2 * pauseMs, MAX_PAUSE_MS);
}
