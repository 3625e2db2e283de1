/** The nodes of a cluster, tried in turn. @module */

import { RpcError } from "../../errors.ts";
import type { BrokerAddress } from "./broker_address.ts";

/** Where a broker is: one node, or the several of a cluster. */
export class BrokerNodes {
  readonly #addresses: readonly BrokerAddress[];
  /** The node to try first: not the one that has just failed. */
  #next = 0;

  /** Takes at least one address. */
  constructor(addresses: readonly BrokerAddress[]) {
    this.#addresses = addresses;
  }

  /** Whether there is more than one. */
  get areSeveral(): boolean {
    return this.#addresses.length > 1;
  }

  /**
   * Tries each node once, from that after the last one on, until one does.
   *
   * @param open What to do at a node.
   * @param isFinal Whether no other node is to be tried after an error.
   * @throws An error that is final, or else one that may pass, if there is any.
   */
  async tryEach<Result>(
    open: (address: BrokerAddress) => Promise<Result>,
    isFinal: (error: unknown) => boolean,
  ): Promise<Result> {
    const first = this.#next;
    const failures: unknown[] = [];
    for (const address of [...this.#addresses.slice(first), ...this.#addresses.slice(0, first)]) {
      this.#next = (this.#addresses.indexOf(address) + 1) % this.#addresses.length;
      try {
        return await open(address);
      } catch (error) {
        if (isFinal(error)) throw error;
        failures.push(error);
      }
    }
    throw failures.find((error) => error instanceof RpcError && error.retryable) ?? failures.at(-1);
  }
}
