/** Looks through a parking queue: takes one request after the other and gives back what is kept. @module */

import { RpcError } from "../../errors.ts";
import type { AmqpChannel, AmqpConnection, AmqpDelivery } from "../../internal/broker/amqp.ts";
import { amqpCodeOf } from "../../internal/broker/amqp_error.ts";
import { toPrintable } from "../../internal/text.ts";
import { sleep, withTimeout } from "../../internal/time.ts";
import { type ParkedRequest, readParked } from "../../internal/protocol/parked_message.ts";

/** A parked request that is held, so that nobody else has it. */
export interface HeldRequest {
  readonly request: ParkedRequest;
  readonly delivery: AmqpDelivery;
}

/** Options of {@linkcode walkParked}. */
export interface WalkOptions {
  readonly connection: Pick<AmqpConnection, "openChannel" | "destroy">;
  /** The parking queue. */
  readonly queue: string;
  /** Longest silence of the broker, in milliseconds. */
  readonly limitMs: number;
  /** Ends the walk with its reason. */
  readonly signal: AbortSignal;
}

/** How long the broker may take to have back what was given back, in milliseconds. */
const GIVE_BACK_LIMIT_MS = 2_000;

/** Pause before it is asked again, in milliseconds. */
const GIVE_BACK_PAUSE_MS = 10;

/**
 * Looks through a parking queue, and gives back what was not removed. Nobody else may at the same
 * time, as each would see only what the other does not hold.
 *
 * @param options The queue.
 * @param work Reads the requests, as far as it wants, and removes some.
 * @returns What the work returns, once the broker has removed what was to be removed.
 */
export async function walkParked<T>(
  options: WalkOptions,
  work: (walk: ParkedWalk) => Promise<T>,
): Promise<T> {
  const channel = await answerOf(options, options.connection.openChannel());
  const walk = new ParkedWalk(options, channel);
  try {
    return await workThenSync(walk, work);
  } finally {
    // All that it holds returns to the queue.
    await channel.close();
    await untilGivenBack(options, walk.kept);
  }
}

/** What was confirmed is removed also if the work fails later. */
async function workThenSync<T>(
  walk: ParkedWalk,
  work: (walk: ParkedWalk) => Promise<T>,
): Promise<T> {
  const result = await work(walk).catch(async (error) => {
    await walk.sync().catch(() => {});
    throw error;
  });
  await walk.sync();
  return result;
}

/** One look through the queue, on a channel of its own. */
export class ParkedWalk {
  readonly #options: WalkOptions;
  readonly #channel: AmqpChannel;
  /** How many requests will be there again. */
  #kept = 0;
  #hasUnsynced = false;

  constructor(options: WalkOptions, channel: AmqpChannel) {
    this.#options = options;
    this.#channel = channel;
  }

  /** How many requests the queue will have at least, as far as this walk knows. */
  get kept(): number {
    return this.#kept;
  }

  /** Takes the requests that were there when it began, none if there is no queue. */
  async *requests(): AsyncGenerator<HeldRequest, undefined> {
    const { queue, signal } = this.#options;
    const count = await this.#count();
    this.#kept = count;
    // Servers go on parking; what comes later is for the next walk.
    for (let taken = 0; taken < count; taken++) {
      signal.throwIfAborted();
      const delivery = await answerOf(this.#options, this.#channel.get(queue));
      if (delivery === undefined) {
        this.#kept -= count - taken;
        return;
      }
      yield { request: await describe(delivery), delivery };
    }
  }

  /** Removes a request. The broker may know it only after {@linkcode sync}. */
  remove({ delivery }: HeldRequest): void {
    delivery.ack();
    this.#kept--;
    this.#hasUnsynced = true;
  }

  /** Waits until the broker has removed what was removed. */
  async sync(): Promise<void> {
    if (!this.#hasUnsynced) return;
    // The broker works through a channel in order.
    await answerOf(this.#options, this.#channel.checkQueue(this.#options.queue));
    this.#hasUnsynced = false;
  }

  async #count(): Promise<number> {
    try {
      return await answerOf(this.#options, this.#channel.checkQueue(this.#options.queue));
    } catch (error) {
      // Servers declare it when they need it.
      if (amqpCodeOf(error) === 404) return 0;
      throw error;
    }
  }
}

/** Explains why the broker does not do what an administrator asks for. */
export function explainWalkError(error: unknown, queue: string): unknown {
  if (!(error instanceof Error) || error instanceof RpcError) return error;
  // A property that no message can have.
  if (error instanceof TypeError) return error;
  const subject = `Cannot look after the requests in queue "${queue}" as`;
  if (amqpCodeOf(error) === 403) {
    const message = `${subject} the user may not read it: see docs/permissions.md`;
    return new RpcError("access-refused", message, { cause: error });
  }
  return new RpcError(
    "disconnected",
    `${subject} the broker does not go on: ${toPrintable(error.message)}: open them again`,
    { cause: error, retryable: true },
  );
}

/** Quorum queues give back some time after the channel has closed. */
async function untilGivenBack(options: WalkOptions, expected: number): Promise<void> {
  if (expected === 0) return;
  const until = Date.now() + GIVE_BACK_LIMIT_MS;
  try {
    const channel = await answerOf(options, options.connection.openChannel());
    // Others may have taken some: who looks next sees what there is.
    while (Date.now() < until) {
      const count = await answerOf(options, channel.checkQueue(options.queue));
      if (count >= expected) break;
      await sleep(GIVE_BACK_PAUSE_MS);
    }
    await channel.close();
  } catch {
    // The queue or the connection is gone, which the next walk will tell.
  }
}

/** A broker that does not answer is left: it would give back what this walk holds too late. */
async function answerOf<T>(
  { connection, limitMs }: WalkOptions,
  answer: Promise<T>,
): Promise<T> {
  return await withTimeout(limitMs, () => answer).catch((error) => {
    if (amqpCodeOf(error) === undefined) connection.destroy(error);
    throw error;
  });
}

async function describe(delivery: AmqpDelivery): Promise<HeldRequest["request"]> {
  const request = readParked(delivery.properties, delivery.body);
  return { ...request, id: request.id ?? await contentId(delivery) };
}

/** What others have put there has no id of ours: the same request must have the same each time. */
async function contentId({ properties, body }: AmqpDelivery): Promise<string> {
  const { type, correlationId, messageId, timestamp } = properties;
  const head = new TextEncoder().encode(
    JSON.stringify([type, correlationId, messageId, timestamp]),
  );
  const bytes = new Uint8Array(head.length + body.length);
  bytes.set(head);
  bytes.set(body, head.length);
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return `content-${digest.subarray(0, 16).toHex()}`;
}
