/** The exchanges of a server: for cancellations, and for requests that can come back. @module */

import type { AmqpChannel, AmqpLink } from "../broker/amqp.ts";
import { amqpCodeOf, namesInError } from "../broker/amqp_error.ts";
import { SharedExchanges } from "./shared_exchanges.ts";
import { ALL_SERVERS } from "./control_question.ts";
import {
  ADMIN_EXCHANGE,
  ADMIN_TOPOLOGY,
  CONTROL_EXCHANGE,
  CONTROL_TOPOLOGY,
  type ExchangeDeclaration,
  requestExchange,
  RETURNS_TOPOLOGY,
  type ReturnsPath,
} from "./topology.ts";

/** Options of {@linkcode ServerExchanges}. */
export interface ServerExchangesOptions {
  /** The request queue. */
  readonly queue: string;
  readonly declare: boolean;
  /** Whether administrators may tell the server what to do. */
  readonly hasAdministrators: boolean;
  /** Told why exchanges cannot be used. */
  readonly onNoReturns: (reason: unknown) => void;
  /** Told that the queue for control messages has vanished. */
  readonly onVanished: () => void;
}

/** Declares what a server's queues are bound to, and looks after it. */
export class ServerExchanges {
  readonly #options: ServerExchangesOptions;
  #shared: SharedExchanges | undefined;
  #returns: ReturnsPath | undefined;

  constructor(options: ServerExchangesOptions) {
    this.#options = options;
  }

  /** Binds the queue for control messages, and looks after the exchanges from then on. */
  async open(connection: AmqpLink, controlQueue: string): Promise<void> {
    const { declare, hasAdministrators, onNoReturns } = this.#options;
    this.#shared = await SharedExchanges.open(connection, {
      declare,
      needed: () => this.#needed(),
      bind: (channel) => this.#bind(channel, controlQueue),
      onUnavailable: onNoReturns,
    });
    if (!hasAdministrators) return;
    // Apart from the others, which do without it.
    await SharedExchanges.open(connection, {
      declare,
      needed: () => [ADMIN_TOPOLOGY],
      required: ADMIN_EXCHANGE,
      bind: (channel) => this.#bindControl(channel, controlQueue, ADMIN_EXCHANGE),
      onUnavailable: onNoReturns,
    });
  }

  /** What is needed depends on what the request queue does with requests that it drops. */
  async onDeclared(returns: ReturnsPath | undefined): Promise<void> {
    this.#returns = returns;
    // Where control messages are not allowed, that has been told.
    await this.#shared?.look();
  }

  #needed(): readonly ExchangeDeclaration[] {
    switch (this.#returns) {
      case "caller":
        return [CONTROL_TOPOLOGY, requestExchange(this.#options.queue)];
      case "shared":
        return [CONTROL_TOPOLOGY, RETURNS_TOPOLOGY];
      default:
        return [CONTROL_TOPOLOGY];
    }
  }

  async #bind(channel: AmqpChannel, controlQueue: string): Promise<void> {
    const { queue } = this.#options;
    try {
      await this.#bindControl(channel, controlQueue, CONTROL_EXCHANGE);
    } catch (error) {
      // Without a word, as it can when a cluster is parted.
      if (amqpCodeOf(error) === 404 && namesInError(error, controlQueue)) {
        this.#options.onVanished();
      }
      throw error;
    }
    if (this.#returns === "caller") await channel.bindQueue(queue, requestExchange(queue).name, {});
  }

  async #bindControl(channel: AmqpChannel, controlQueue: string, exchange: string): Promise<void> {
    await channel.bindQueue(controlQueue, exchange, { routingKey: this.#options.queue });
    await channel.bindQueue(controlQueue, exchange, { routingKey: ALL_SERVERS });
  }
}
