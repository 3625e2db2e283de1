/** The exchanges of a client: for its requests, and for cancellations. @module */

import type { AmqpLink } from "../broker/amqp.ts";
import { amqpCodeOf } from "../broker/amqp_error.ts";
import { Publisher, type PublisherOptions } from "../broker/publisher.ts";
import type { RequestRoute } from "./envelope.ts";
import { DIRECT_REPLY_TO } from "./reply_address.ts";
import { SharedExchanges } from "./shared_exchanges.ts";
import {
  canHaveExchange,
  CONTROL_TOPOLOGY,
  requestExchange,
  RETURNS_ARGUMENT,
  RETURNS_EXCHANGE,
  RETURNS_TOPOLOGY,
  returnsBinding,
} from "./topology.ts";

/** Options of {@linkcode ClientExchanges}. */
export interface ClientExchangesOptions {
  /** The request queue, unless a call goes to another. */
  readonly queue: string;
  /** Whether anything is declared. */
  readonly declare: boolean;
  readonly publishing: PublisherOptions;
  /** Told why the exchanges cannot be used. */
  readonly onNoExchanges: (error: unknown) => void;
}

/** Longest pause between two looks for an exchange that was not there, in looks. */
const MAX_PAUSE = 60;

/** What is known of the exchange of a queue. */
type ExchangeState = "unknown" | "missing" | "impossible" | "usable";

/** The exchange of one request queue. */
class RequestExchange {
  readonly #connection: AmqpLink;
  readonly #declare: boolean;
  /** Its name. */
  readonly #exchange: string;
  /** Where requests and their replies go at the moment. */
  route: RequestRoute;
  state: ExchangeState = "unknown";
  /** The broker logs each look for what is not there, so there are fewer and fewer. */
  #pause = { looks: 0, next: 1 };

  constructor(
    connection: AmqpLink,
    queue: string,
    { replyTo, declare }: { readonly replyTo: string; readonly declare: boolean },
  ) {
    this.#connection = connection;
    this.#declare = declare;
    this.#exchange = requestExchange(queue).name;
    this.route = { replyTo, exchange: undefined };
    if (!canHaveExchange(queue)) this.state = "impossible";
  }

  /** Says that no queue is bound to it: the queue was declared anew by others. */
  onUnbound(): void {
    if (this.state === "usable") this.#enter("missing");
  }

  /** Looks for it. */
  async find(): Promise<void> {
    if (this.state === "impossible") return;
    if (this.state === "missing" && --this.#pause.looks > 0) return;
    try {
      await this.#connection.onOwnChannel((channel) => channel.checkExchange(this.#exchange));
      if (this.state !== "usable") await this.#tryToWrite();
      this.#enter("usable");
      this.#pause.next = 1;
    } catch (error) {
      const code = amqpCodeOf(error);
      // Without one the connection is gone, and what it knew with it.
      if (code === undefined) throw error;
      this.#enter(code === 403 ? "impossible" : "missing");
      this.#pause = { looks: this.#pause.next, next: Math.min(this.#pause.next * 2, MAX_PAUSE) };
    }
  }

  #enter(state: "missing" | "impossible" | "usable"): void {
    this.state = state;
    const exchange = state === "usable" ? this.#exchange : undefined;
    if (this.route.exchange !== exchange) this.route = { ...this.route, exchange };
  }

  /**
   * Who publishes where it may not loses the channel and what was published on it. Declaring a queue
   * with a dead letter exchange takes the same right, and nobody uses this one.
   */
  async #tryToWrite(): Promise<void> {
    if (!this.#declare) return;
    const args = { [RETURNS_ARGUMENT]: this.#exchange, "x-expires": 1 };
    await this.#connection.onOwnChannel((channel) =>
      channel.declareQueue("", { exclusive: true, arguments: args })
    );
  }
}

/**
 * Finds the exchanges of the request queues, through which requests come back that a queue drops. Where
 * there is none, as the queue was declared by a server of version 0.1.0 or by another hand, they are
 * published to the default exchange, and come back through the shared exchange if the user may use it.
 *
 * Also publishes cancellations while there is an exchange for them, on a channel of its own, as it is
 * lost with the exchange.
 */
export class ClientExchanges {
  readonly #connection: AmqpLink;
  readonly #options: ClientExchangesOptions;
  readonly #replyTo: string;
  /** Where replies come, if it is a queue, to which requests can come back. */
  readonly #replyQueue: string | undefined;
  /** Those of the queues that calls have gone to. */
  readonly #exchanges = new Map<string, RequestExchange>();
  readonly #finding = new Map<string, Promise<void>>();
  #shared: SharedExchanges | undefined;
  #control: Publisher | undefined;
  /** Whether the reply queue could not be bound to the shared exchange at the last look. */
  #isUnbound = false;

  constructor(connection: AmqpLink, options: ClientExchangesOptions, replyTo: string) {
    this.#connection = connection;
    this.#options = options;
    this.#replyTo = replyTo;
    this.#replyQueue = replyTo === DIRECT_REPLY_TO ? undefined : replyTo;
    this.#add(options.queue);
  }

  /** Publishes cancellations; absent while there is no exchange for them. */
  get control(): Publisher | undefined {
    return this.#control?.isOpen ? this.#control : undefined;
  }

  /** Where requests to a queue and their replies go; `undefined` until its exchange was looked for. */
  routeTo(queue: string): RequestRoute | undefined {
    return this.#finding.has(queue) ? undefined : this.#exchanges.get(queue)?.route;
  }

  /**
   * Looks for the exchange of a further queue, once.
   *
   * @throws If the connection is gone.
   */
  find(queue: string): Promise<void> {
    const known = this.#finding.get(queue);
    if (known !== undefined) return known;
    const finding = this.#findNew(queue).finally(() => this.#finding.delete(queue));
    this.#finding.set(queue, finding);
    return finding;
  }

  /** Says that no queue is bound to the exchange for requests: the queue was declared anew by others. */
  onUnbound(queue: string): void {
    this.#exchanges.get(queue)?.onUnbound();
  }

  /** Resolves when the exchanges can be used, or cannot. */
  async open(): Promise<void> {
    const { declare, onNoExchanges, publishing } = this.#options;
    const replyQueue = this.#replyQueue;
    this.#shared = await SharedExchanges.open(this.#connection, {
      declare,
      prepare: () => this.#findAll(),
      needed: () =>
        this.#isSharedNeeded() ? [CONTROL_TOPOLOGY, RETURNS_TOPOLOGY] : [CONTROL_TOPOLOGY],
      bind: async () => {
        if (replyQueue !== undefined && this.#isSharedNeeded()) await this.#bind(replyQueue);
      },
      onAvailable: async () => {
        if (this.#control?.isOpen) return;
        this.#control = await Publisher.open(this.#connection, publishing);
      },
      onUnavailable: onNoExchanges,
    });
  }

  #isSharedNeeded(): boolean {
    if (this.#replyQueue === undefined) return false;
    return [...this.#exchanges.values()].some(({ state }) => state !== "usable");
  }

  #add(queue: string): RequestExchange {
    const { declare } = this.#options;
    const exchange = new RequestExchange(this.#connection, queue, {
      replyTo: this.#replyTo,
      declare,
    });
    this.#exchanges.set(queue, exchange);
    return exchange;
  }

  async #findNew(queue: string): Promise<void> {
    const exchange = this.#add(queue);
    if (this.#replyQueue === undefined) return;
    await exchange.find();
    // Then its requests come back another way, for which the reply queue may not be bound yet.
    if (exchange.state !== "usable") await this.#shared?.look();
  }

  async #findAll(): Promise<void> {
    if (this.#replyQueue === undefined) return;
    for (const [queue, exchange] of this.#exchanges) {
      if (!this.#finding.has(queue)) await exchange.find();
    }
  }

  /** Without the right, there are cancellations all the same. */
  async #bind(replyQueue: string): Promise<void> {
    try {
      await this.#connection.onOwnChannel((channel) =>
        channel.bindQueue(replyQueue, RETURNS_EXCHANGE, returnsBinding(replyQueue))
      );
      this.#isUnbound = false;
    } catch (error) {
      if (amqpCodeOf(error) === undefined) throw error;
      if (!this.#isUnbound) this.#options.onNoExchanges(error);
      this.#isUnbound = true;
    }
  }
}
