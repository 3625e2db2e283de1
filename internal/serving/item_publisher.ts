/** Publishes what a handler tells before its end: items of a stream, and progress. @module */

import { RpcError } from "../../errors.ts";
import { type IncomingRequest, type OutgoingReply, replyMessage } from "../protocol/envelope.ts";
import { encodeError } from "../running/encode_reply.ts";
import type { EncodedItem, EncodedReply, ItemSink } from "../running/encoded_handler.ts";
import type { ReplyPublisher } from "./reply_publisher.ts";
import { unsendable } from "./unsendable.ts";

/** What an {@linkcode ItemPublisher} needs of its server. */
export interface ItemPublisherOptions {
  readonly publisher: ReplyPublisher;
  /** Where the caller sends credits; absent if this server has no control queue. */
  readonly creditTo: string | undefined;
  /** Allows the handler one item more; for callers that cannot. */
  readonly grant: () => void;
  /** Whether the caller still waits. */
  readonly isWanted: () => boolean;
  /** Told that the caller's queue is gone. */
  readonly onGone: () => void;
}

/** The replies of one request before the last one. */
export class ItemPublisher {
  readonly #request: IncomingRequest;
  readonly #replyTo: string;
  readonly #options: ItemPublisherOptions;
  readonly #unconfirmed = new Set<Promise<void>>();
  #items = 0;
  #unsendable: RpcError | undefined;

  constructor(request: IncomingRequest, replyTo: string, options: ItemPublisherOptions) {
    this.#request = request;
    this.#replyTo = replyTo;
    this.#options = options;
  }

  /** Takes what the handler tells. */
  sink(): ItemSink {
    const { credits, wantsProgress } = this.#request;
    return {
      ...(credits === undefined ? {} : { credits, onItem: (item) => this.#publishItem(item) }),
      ...(wantsProgress ? { onProgress: (progress) => this.#publish("progress", progress) } : {}),
    };
  }

  /** Makes the handler's reply that of a stream, if it is one; waits until all items are confirmed. */
  async finish(reply: EncodedReply): Promise<EncodedReply | OutgoingReply> {
    await Promise.all(this.#unconfirmed);
    if (this.#unsendable !== undefined) return encodeError(this.#unsendable);
    if (this.#request.credits === undefined || reply.type === "error") return reply;
    const { correlationId } = this.#request;
    return { ...reply, type: "end", seq: this.#items, correlationId, replyTo: this.#replyTo };
  }

  #publishItem(item: EncodedItem): void {
    this.#items = item.seq + 1;
    this.#publish("item", item);
  }

  #publish(type: "item" | "progress", item: EncodedItem): void {
    const { correlationId } = this.#request;
    const { publisher, creditTo, grant, isWanted, onGone } = this.#options;
    if (this.#unsendable !== undefined) return;
    const message = replyMessage({
      ...item,
      type,
      correlationId,
      replyTo: this.#replyTo,
      creditTo,
    });
    const published: Promise<void> = publisher.publish(message, isWanted).then((outcome) => {
      if (outcome === "gone") onGone();
      else if (type === "item" && creditTo === undefined) grant();
    }, (error) => this.#onFailure(error)).finally(() => this.#unconfirmed.delete(published));
    this.#unconfirmed.add(published);
  }

  /** Without connections nobody can be told; otherwise the last reply says what was wrong. */
  #onFailure(error: unknown): void {
    if (error instanceof RpcError) this.#options.onGone();
    else this.#unsendable ??= unsendable(error);
  }
}
