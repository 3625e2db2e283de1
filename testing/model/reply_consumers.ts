/** Consumers of direct replies, by the addresses that their requests carry. @module */

import type { Message } from "./message.ts";

/** The name of the pseudo-queue, with which every reply address begins. */
export const REPLY_TO_PREFIX = "amq.rabbitmq.reply-to";

/** RabbitMQ puts the id of the Erlang process there that has the channel: this is one of its ids. */
const PROCESS_ID = "g1h3DnJlcGx5QDI5ODM0NTk2AAAC4AAAAABrAZB2";
const ADDRESS_START = `${REPLY_TO_PREFIX}.${PROCESS_ID}.`;

/** The consumers of direct replies of a virtual host. */
export class ReplyConsumers {
  readonly #consumers = new Map<string, (message: Message) => void>();

  /** Returns the address that ends with some random text. */
  address(random: string): string {
    return ADDRESS_START + random;
  }

  /** Tells whether a name is an address that a channel of this broker may have, or have had. */
  isAddress(name: string): boolean {
    return name.startsWith(ADDRESS_START);
  }

  /** Registers the consumer behind an address. */
  add(address: string, deliver: (message: Message) => void): void {
    this.#consumers.set(address, deliver);
  }

  /** Removes the consumer behind an address. */
  remove(address: string): void {
    this.#consumers.delete(address);
  }

  /** Tells whether there is a consumer behind an address. */
  has(address: string): boolean {
    return this.#consumers.has(address);
  }

  /** Delivers a message to the consumers whose addresses are among its routing keys. */
  deliver(message: Message): void {
    if (this.#consumers.size === 0) return;
    for (const key of new Set(message.routingKeys)) this.#consumers.get(key)?.(message);
  }
}
