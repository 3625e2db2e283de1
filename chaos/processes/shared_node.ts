/** A broker for all rows that leave it as it was. @module */

import { PrivateNode } from "../../tools/brokers/private_node.ts";

/** Starts a node when it is first asked for, and keeps it. */
export class SharedNode implements AsyncDisposable {
  #node: Promise<PrivateNode> | undefined;

  /** The node. */
  get(): Promise<PrivateNode> {
    return this.#node ??= PrivateNode.start();
  }

  /** Ends the node; the next one to ask gets another. */
  async [Symbol.asyncDispose](): Promise<void> {
    const node = this.#node;
    this.#node = undefined;
    // Who asked for a node that did not start knows already.
    await (await node?.catch(() => undefined))?.[Symbol.asyncDispose]();
  }
}
