/** Keeps the exchanges that clients and servers use, and what is bound to them. @module */

import type { AmqpChannel, AmqpLink } from "../broker/amqp.ts";
import { amqpCodeOf } from "../broker/amqp_error.ts";
import { CONTROL_EXCHANGE, type ExchangeDeclaration } from "./topology.ts";

/** How soon it is noticed that an exchange was deleted or replaced, in milliseconds. */
const CHECK_MS = 5_000;

/** Options of {@linkcode SharedExchanges.open}. */
export interface SharedExchangesOptions {
  /**
   * What who may not declare them cannot do without.
   *
   * @default {CONTROL_EXCHANGE}
   */
  readonly required?: string;
  /** Whether the exchanges are declared, and queues bound to them; else it is up to operators. */
  readonly declare: boolean;
  /** Those that are needed, at each look. */
  readonly needed: () => readonly ExchangeDeclaration[];
  /** Finds out what is needed, before each look. */
  readonly prepare?: () => Promise<void>;
  /** Binds what is to be bound. */
  readonly bind: (channel: AmqpChannel) => Promise<void>;
  /** Told each time that the exchanges can be used. */
  readonly onAvailable?: () => Promise<void>;
  /** Told why they cannot, once until they can again. */
  readonly onUnavailable: (error: unknown) => void;
}

/**
 * Declares the exchanges, and looks after them for as long as the connection lives: whoever deletes
 * one takes its bindings with it, and nobody is told. A user who may not declare them does with those
 * that are there.
 */
export class SharedExchanges {
  readonly #connection: AmqpLink;
  readonly #options: SharedExchangesOptions;
  #mayDeclare: boolean;
  /** Those that were there at the last look. */
  #known: readonly ExchangeDeclaration[] = [];
  /** One of its own, as a refusal closes it. */
  #channel: AmqpChannel | undefined;
  #state: "new" | "available" | "unavailable" | "over" = "new";
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** Looks happen one after the other. */
  #looking: Promise<void> = Promise.resolve();

  private constructor(connection: AmqpLink, options: SharedExchangesOptions) {
    this.#connection = connection;
    this.#options = options;
    this.#mayDeclare = options.declare;
  }

  /** Looks after the exchanges until the connection closes. Resolves after the first look. */
  static async open(
    connection: AmqpLink,
    options: SharedExchangesOptions,
  ): Promise<SharedExchanges> {
    const exchanges = new SharedExchanges(connection, options);
    connection.closed.then(() => exchanges.#close());
    await exchanges.look();
    return exchanges;
  }

  /** Looks at once, as others are needed now. Never rejects. */
  look(): Promise<void> {
    return this.#looking = this.#looking.then(() => this.#look());
  }

  #close(): void {
    this.#state = "over";
    clearTimeout(this.#timer);
  }

  async #look(): Promise<void> {
    if (this.#isOver()) return;
    clearTimeout(this.#timer);
    try {
      await this.#options.prepare?.();
      await this.#ensure();
      this.#known = this.#options.needed();
      if (this.#state === "over") return;
      this.#state = "available";
      await this.#options.onAvailable?.();
    } catch (error) {
      this.#onFailure(error);
    }
    // It never rejects.
    if (!this.#isOver()) this.#timer = setTimeout(() => void this.look(), CHECK_MS);
  }

  #onFailure(error: unknown): void {
    // Without a code it is the connection that is about to be replaced, unless it has just begun.
    const isToTell = this.#state === "new" ||
      (this.#state === "available" && amqpCodeOf(error) !== undefined);
    if (!isToTell) return;
    this.#state = "unavailable";
    this.#options.onUnavailable(error);
  }

  #isOver(): boolean {
    return this.#state === "over";
  }

  async #ensure(): Promise<void> {
    if (this.#mayDeclare) {
      await this.#tellIfMissing();
      try {
        return await this.#declare(await this.#openChannel());
      } catch (error) {
        if (amqpCodeOf(error) !== 403) throw error;
        this.#mayDeclare = false;
      }
    }
    await this.#check(await this.#openChannel());
  }

  /** Those that were there are declared again, but not in silence: somebody has deleted them. */
  async #tellIfMissing(): Promise<void> {
    if (this.#state !== "available") return;
    try {
      const channel = await this.#openChannel();
      for (const { name } of this.#known) await channel.checkExchange(name);
    } catch (error) {
      if (amqpCodeOf(error) !== 404) throw error;
      this.#onFailure(error);
    }
  }

  async #openChannel(): Promise<AmqpChannel> {
    if (this.#channel?.isOpen) return this.#channel;
    return this.#channel = await this.#connection.openChannel();
  }

  /** Also tells whether one of another type has taken its place. */
  async #declare(channel: AmqpChannel): Promise<void> {
    for (const { name, type } of this.#options.needed()) {
      await channel.declareExchange(name, type);
    }
    await this.#options.bind(channel);
  }

  async #check(channel: AmqpChannel): Promise<void> {
    await channel.checkExchange(this.#options.required ?? CONTROL_EXCHANGE);
    if (this.#options.declare) await this.#options.bind(channel);
  }
}
