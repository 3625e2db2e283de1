/** Waits for a node that takes connections and loses direct replies. @module */

import { sleep, TimeLimitError, withTimeout } from "../../time.ts";

/** How long a node may take from its first connections to the end of its start, in milliseconds. */
const MAX_START_MS = 5_000;

/** How long one answer may take, in milliseconds: an address may be made up to have none. */
const ANSWER_LIMIT_MS = 500;

/** Pause before the node is asked again, in milliseconds. */
const PAUSE_MS = 100;

/**
 * The end of a node's start, as far as direct replies go.
 *
 * RabbitMQ 3.12 to 4.1 looks for the channel behind a direct reply-to address among the nodes that run.
 * It takes connections a moment before it counts itself among them: until then it confirms such replies
 * and drops them. It knows none of the addresses then, so one that it knows is proof that it runs.
 */
export class NodeStart {
  readonly #lacks: (address: string) => Promise<boolean | undefined>;
  readonly #endsAt = performance.now() + MAX_START_MS;
  /** What has been waited for; anybody can make up an address, so one alone proves nothing. */
  readonly #addresses = new Set<string>();
  #end: Promise<void> | undefined;
  #isOver = false;

  /**
   * Begins with the connection.
   *
   * @param lacks Tells whether the node knows no such address; `undefined` if the user may not know.
   */
  constructor(lacks: (address: string) => Promise<boolean | undefined>) {
    this.#lacks = lacks;
  }

  /** Resolves when direct replies arrive; `undefined` if they do already. Never rejects. */
  whenOver(address: string): Promise<void> | undefined {
    if (this.#isOver || performance.now() >= this.#endsAt) return undefined;
    this.#addresses.add(address);
    return this.#end ??= this.#wait();
  }

  async #wait(): Promise<void> {
    while (performance.now() < this.#endsAt && !await this.#knowsOne()) await sleep(PAUSE_MS);
    this.#isOver = true;
    this.#addresses.clear();
  }

  async #knowsOne(): Promise<boolean> {
    for (const address of this.#addresses) {
      try {
        if (await withTimeout(ANSWER_LIMIT_MS, () => this.#lacks(address)) !== true) return true;
      } catch (error) {
        // Else the connection is lost, and the next one has a start of its own.
        if (!(error instanceof TimeLimitError)) return true;
        this.#addresses.delete(address);
      }
      if (performance.now() >= this.#endsAt) return true;
    }
    return false;
  }
}
