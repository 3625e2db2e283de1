/** Publishes replies for as long as it takes. @module */

import type { AmqpPublish } from "../broker/amqp.ts";
import { DIRECT_REPLY_TO } from "../protocol/envelope.ts";
import type { PublishOutcome } from "../broker/publisher.ts";
import { sleep } from "../sleep.ts";

/** Pause before a reply that the broker refused is published again, in milliseconds. */
const REFUSED_PAUSE_MS = 200;

/**
 * Most channels that may close before they confirm a reply to a direct reply-to address. RabbitMQ up
 * to 3.11 ends the connection over an address that it cannot read, which anybody may have made up.
 */
const MAX_DIRECT_LOSSES = 2;

/** What became of a reply: `gone` means that there is no such queue. */
export type ReplyOutcome = "published" | "gone" | "refused";

/** The part of a connection that publishing takes. */
export interface PublishingConnection {
  readonly session: PublishingSession | undefined;
  whenOpen(): Promise<PublishingSession>;
}

interface PublishingSession {
  readonly publisher: { publish(prepare: () => AmqpPublish): Promise<PublishOutcome> };
}

/** Publishes on whatever session there is. */
export class ReplyPublisher {
  readonly #connection: () => PublishingConnection | undefined;

  constructor(connection: () => PublishingConnection | undefined) {
    this.#connection = connection;
  }

  /**
   * Publishes a reply until the broker has it, over lost connections, too; but not for ever where it
   * may be what costs the connections.
   *
   * @param message The reply.
   * @param isWanted Whether to try again after the broker has refused it, as the caller still waits.
   * @returns What became of it.
   * @throws {RpcError} `closed`, if the connection was closed for good.
   */
  async publish(message: AmqpPublish, isWanted: () => boolean): Promise<ReplyOutcome> {
    const isDirect = message.routingKey.startsWith(DIRECT_REPLY_TO);
    for (let losses = 0; !isDirect || losses < MAX_DIRECT_LOSSES;) {
      const connection = this.#connection();
      const session = connection?.session ?? await connection?.whenOpen();
      switch (await session?.publisher.publish(() => message)) {
        case "confirmed":
          return "published";
        case "returned":
          return "gone";
        case "refused":
        case "stranded":
          if (!isWanted()) return "refused";
          await sleep(REFUSED_PAUSE_MS);
          break;
        case "unknown":
          losses++;
      }
    }
    return "refused";
  }
}
