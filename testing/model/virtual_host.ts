/** A virtual host: its exchanges, its queues and the way of a message between them. @module */

import type { Clock } from "../clock.ts";
import { AmqpError } from "../wire/amqp_error.ts";
import { deadLetterOf, isDeadLetterCycle } from "./dead_letter.ts";
import {
  type BindingKey,
  type Destination,
  Exchange,
  type ExchangeDeclaration,
  type ExchangeType,
} from "./exchange.ts";
import type { Message } from "./message.ts";
import { type DeathReason, Queue, type QueueDeclaration, type QueueHost } from "./queue.ts";
import { ReplyConsumers } from "./reply_consumers.ts";
import type { VersionRules } from "./version_rules.ts";

/** Bounds that keep a faulty peer from filling the memory. */
export interface VirtualHostLimits {
  /** The most queues. */
  readonly maxQueues: number;
  /** The most exchanges. */
  readonly maxExchanges: number;
  /** The most bindings of all exchanges. */
  readonly maxBindings: number;
}

/** What became of a publish. */
export interface PublishOutcome {
  /** Whether it was routed to a queue, or to what counts as one. */
  readonly isRouted: boolean;
  /** Whether a full queue rejected it. */
  readonly isRejected: boolean;
}

/** What a virtual host needs from the broker. */
export interface VirtualHostOptions {
  /** The name. */
  readonly name: string;
  /** Source of time. */
  readonly clock: Clock;
  /** What the version does. */
  readonly rules: VersionRules;
  /** Bounds on what clients may create. */
  readonly limits: VirtualHostLimits;
  /** Told of every change in the bytes of stored bodies. */
  readonly countBytes: (change: number) => void;
}

interface PendingDeadLetter {
  readonly queue: Queue;
  readonly message: Message;
  readonly reason: DeathReason;
}

const PREDECLARED: readonly (readonly [string, ExchangeType])[] = [
  ["", "direct"],
  ["amq.direct", "direct"],
  ["amq.fanout", "fanout"],
  ["amq.topic", "topic"],
  ["amq.headers", "headers"],
  ["amq.match", "headers"],
];

/** A virtual host. */
export class VirtualHost implements QueueHost {
  /** The name. */
  readonly name: string;
  /** Source of time. */
  readonly clock: Clock;
  /** What the version does. */
  readonly rules: VersionRules;
  /** The consumers of direct replies. */
  readonly replyConsumers: ReplyConsumers = new ReplyConsumers();
  readonly #limits: VirtualHostLimits;
  readonly #countBytes: (change: number) => void;
  readonly #exchanges = new Map<string, Exchange>();
  readonly #queues = new Map<string, Queue>();
  readonly #deadLetters: PendingDeadLetter[] = [];
  #isDeadLettering = false;

  /** Creates a virtual host with the exchanges that every one has. */
  constructor({ name, clock, rules, limits, countBytes }: VirtualHostOptions) {
    this.name = name;
    this.clock = clock;
    this.rules = rules;
    this.#limits = limits;
    this.#countBytes = countBytes;
    for (const [exchange, type] of PREDECLARED) {
      this.#exchanges.set(
        exchange,
        new Exchange({
          name: exchange,
          type,
          durable: true,
          autoDelete: false,
          internal: false,
          arguments: new Map(),
        }),
      );
    }
  }

  /** All queues. */
  get queues(): IterableIterator<Queue> {
    return this.#queues.values();
  }

  /** All exchanges. */
  get exchanges(): IterableIterator<Exchange> {
    return this.#exchanges.values();
  }

  /** Returns how RabbitMQ's texts name a queue or an exchange of this virtual host. */
  describe({ kind, name }: Destination): string {
    return `${kind} '${name}' in vhost '${this.name}'`;
  }

  /** Returns a queue, or `undefined` if there is none of that name. */
  findQueue(name: string): Queue | undefined {
    return this.#queues.get(name);
  }

  /** Returns an exchange, or `undefined` if there is none of that name. */
  findExchange(name: string): Exchange | undefined {
    return this.#exchanges.get(name);
  }

  /**
   * Returns a queue.
   *
   * @throws {AmqpError} If there is none of that name.
   */
  queue(name: string): Queue {
    return this.findQueue(name) ?? this.#missing({ kind: "queue", name });
  }

  /**
   * Returns an exchange.
   *
   * @throws {AmqpError} If there is none of that name.
   */
  exchange(name: string): Exchange {
    return this.findExchange(name) ?? this.#missing({ kind: "exchange", name });
  }

  /**
   * Creates a queue.
   *
   * @throws {AmqpError} If there are too many.
   */
  declareQueue(declaration: QueueDeclaration): Queue {
    if (this.#queues.size >= this.#limits.maxQueues) {
      throw new AmqpError(
        "precondition-failed",
        `cannot declare queue '${declaration.name}': queue limit in vhost '${this.name}' (${this.#limits.maxQueues}) is reached`,
      );
    }
    const queue = new Queue(declaration, this);
    this.#queues.set(declaration.name, queue);
    queue.touch();
    return queue;
  }

  /** Deletes a queue with its bindings; returns the number of ready messages that went with it. */
  deleteQueue(queue: Queue): number {
    if (this.#queues.get(queue.name) !== queue) return 0;
    this.#queues.delete(queue.name);
    this.#unbindAll({ kind: "queue", name: queue.name });
    return queue.delete();
  }

  /**
   * Creates an exchange.
   *
   * @throws {AmqpError} If there are too many.
   */
  declareExchange(declaration: ExchangeDeclaration): Exchange {
    if (this.#exchanges.size >= this.#limits.maxExchanges) {
      throw new AmqpError(
        "precondition-failed",
        `cannot declare exchange '${declaration.name}': exchange limit in vhost '${this.name}' (${this.#limits.maxExchanges}) is reached`,
      );
    }
    const exchange = new Exchange(declaration);
    this.#exchanges.set(declaration.name, exchange);
    return exchange;
  }

  /** Deletes an exchange with all bindings from it and to it. */
  deleteExchange(exchange: Exchange): void {
    if (!this.#exchanges.delete(exchange.name)) return;
    this.#unbindAll({ kind: "exchange", name: exchange.name });
  }

  /**
   * Binds a destination to an exchange.
   *
   * @throws {AmqpError} If there are too many bindings or the arguments are not acceptable.
   */
  bind(exchange: Exchange, destination: Destination, key: BindingKey): void {
    let bindings = 0;
    for (const { bindingCount } of this.#exchanges.values()) bindings += bindingCount;
    if (bindings >= this.#limits.maxBindings) {
      throw new AmqpError(
        "precondition-failed",
        `cannot bind ${
          this.describe(destination)
        }: binding limit (${this.#limits.maxBindings}) is reached`,
      );
    }
    if (exchange.declaration.type === "x-local-random") this.#assertLocal(destination, key);
    exchange.bind(destination, key);
  }

  /** Removes a binding; the exchange goes with its last one if it was declared so. */
  unbind(exchange: Exchange, destination: Destination, key: BindingKey): void {
    if (exchange.unbind(destination, key)) this.#deleteIfUnused(exchange);
  }

  /** Tells whether something is bound to an exchange, or an exchange to something. */
  isExchangeInUse(exchange: Exchange): boolean {
    return exchange.bindingCount > 0;
  }

  /** Routes a message and puts it into every queue that it reaches. */
  publish(exchange: Exchange, message: Message): PublishOutcome {
    const queues = this.#route(exchange, message);
    const isReply = exchange.name === "" && this.rules.routesDirectReplies &&
      message.routingKeys.some((key) => this.replyConsumers.isAddress(key));
    return {
      isRouted: queues.size > 0 || isReply,
      isRejected: !this.#publishTo(queues, message),
    };
  }

  /** Publishes what a queue gave up to its dead-letter exchange. */
  deadLetter(queue: Queue, messages: readonly Message[], reason: DeathReason): void {
    if (queue.declaration.settings.deadLetterExchange === undefined) return;
    for (const message of messages) this.#deadLetters.push({ queue, message, reason });
    // A queue may dead-letter into the next one and so on: a loop instead of recursion.
    if (this.#isDeadLettering) return;
    this.#isDeadLettering = true;
    for (
      let next = this.#deadLetters.shift();
      next !== undefined;
      next = this.#deadLetters.shift()
    ) {
      this.#publishDeadLetter(next);
    }
    this.#isDeadLettering = false;
  }

  /** Counts the bytes of stored bodies. */
  countBytes(change: number): void {
    this.#countBytes(change);
  }

  /** Forgets what does not survive a restart of the broker. */
  dropTransient(): void {
    for (const queue of this.#queues.values()) {
      if (!queue.declaration.durable) this.deleteQueue(queue);
      else queue.dropTransient();
    }
    for (const exchange of this.#exchanges.values()) {
      if (!exchange.declaration.durable) this.deleteExchange(exchange);
    }
  }

  /** Tells whether all queues have taken the message. */
  #publishTo(queues: Iterable<Queue>, message: Message): boolean {
    let isTaken = true;
    for (const queue of queues) isTaken = queue.publish(message) && isTaken;
    return isTaken;
  }

  #publishDeadLetter({ queue, message, reason }: PendingDeadLetter): void {
    const { deadLetterExchange = "", deadLetterRoutingKey } = queue.declaration.settings;
    const exchange = this.findExchange(deadLetterExchange);
    if (exchange === undefined) return;
    const dead = deadLetterOf(
      message,
      { queue: queue.name, reason, at: this.clock.now() },
      { exchange: deadLetterExchange, routingKey: deadLetterRoutingKey },
    );
    const targets = [...this.#route(exchange, dead)].filter((target) =>
      reason === "rejected" || !isDeadLetterCycle(dead, target.name)
    );
    this.#publishTo(targets, dead);
  }

  #route(exchange: Exchange, message: Message): Set<Queue> {
    const queues = new Set<Queue>();
    const seen = new Set<Exchange>([exchange]);
    // A set may grow while it is walked: exchanges bound to exchanges are visited once.
    for (const current of seen) {
      const destinations = current.name === ""
        ? message.routingKeys.map((name): Destination => ({ kind: "queue", name }))
        : current.route(message);
      if (current.name === "") this.replyConsumers.deliver(message);
      let matched = false;
      for (const { kind, name } of destinations) {
        const queue = kind === "queue" ? this.#queues.get(name) : undefined;
        const next = kind === "exchange" ? this.#exchanges.get(name) : undefined;
        if (queue !== undefined) queues.add(queue);
        if (next !== undefined) seen.add(next);
        matched ||= queue !== undefined || next !== undefined;
      }
      const alternate = matched ? undefined : this.#exchanges.get(current.alternate ?? "\0");
      if (alternate !== undefined) seen.add(alternate);
    }
    return queues;
  }

  /** Exchanges that route to one queue of the node take classic queues only, without a key. */
  #assertLocal({ kind, name }: Destination, { routingKey }: BindingKey): void {
    const queue = kind === "queue" ? this.#queues.get(name) : undefined;
    const type = queue?.declaration.settings.type;
    if (routingKey === "" && type === "classic") return;
    const fault = routingKey !== ""
      ? `Non empty binding '${routingKey}' key not permitted`
      : type === undefined
      ? "Destination not found"
      : `Queue type rabbit_${type}_queue not valid for this exchange type`;
    throw new AmqpError("precondition-failed", fault);
  }

  #unbindAll(destination: Destination): void {
    for (const exchange of this.#exchanges.values()) {
      if (exchange.unbindAll(destination)) this.#deleteIfUnused(exchange);
    }
  }

  #deleteIfUnused(exchange: Exchange): void {
    if (exchange.declaration.autoDelete && exchange.bindingCount === 0) {
      this.deleteExchange(exchange);
    }
  }

  #missing(destination: Destination): never {
    throw new AmqpError("not-found", `no ${this.describe(destination)}`);
  }
}
