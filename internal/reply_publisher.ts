/** Publishes replies for as long as it takes. @module */

import type { AmqpPublish } from "./amqp.ts";
import type { Connection } from "./connection.ts";
import type { PublisherSession } from "./server_sessions.ts";
import { sleep } from "./sleep.ts";

/** Pause before a reply that the broker refused is published again, in milliseconds. */
const REFUSED_PAUSE_MS = 200;

/** Publishes on whatever session there is. */
export class ReplyPublisher {
  readonly #connection: () => Connection<PublisherSession> | undefined;

  constructor(connection: () => Connection<PublisherSession> | undefined) {
    this.#connection = connection;
  }

  /**
   * Publishes a reply until the broker has it, over lost connections, too.
   *
   * @returns Whether the caller's queue was there.
   * @throws {RpcError} `closed`, if the connection was closed for good.
   */
  async publish(message: AmqpPublish): Promise<boolean> {
    for (;;) {
      const connection = this.#connection();
      const session = connection?.session ?? await connection?.whenOpen();
      switch (await session?.publisher.publish(() => message)) {
        case "confirmed":
          return true;
        case "returned":
          return false;
        case "refused":
          await sleep(REFUSED_PAUSE_MS);
      }
    }
  }
}
