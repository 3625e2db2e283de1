/** Publishes items of a stream, and progress, while their handler runs. @module */

import { RpcError } from "../../errors.ts";
import { type OutgoingReply, replyMessage } from "../protocol/envelope.ts";
import { encodeError } from "../running/encode.ts";
import type { EncodedItem, EncodedReply, ItemSink } from "../encoded_reply.ts";
import type { ActiveRequest } from "./active_requests.ts";
import { type Replies, unsendable } from "./replies.ts";

/** What an {@linkcode ItemPublisher} needs of its server. */
export interface ItemPublisherOptions {
  readonly replies: Replies;
  /** Where the caller sends credits; absent if this server has no control queue. */
  readonly creditTo: string | undefined;
  /** Told that the caller's queue does not exist. */
  readonly onOrphaned: () => void;
}

/** The replies of one request before the last one. */
export class ItemPublisher {
  readonly #active: ActiveRequest;
  readonly #options: ItemPublisherOptions;
  readonly #unconfirmed = new Set<Promise<void>>();
  #items = 0;
  #isOver = false;
  #unsendable: RpcError | undefined;

  constructor(active: ActiveRequest, options: ItemPublisherOptions) {
    this.#active = active;
    this.#options = options;
  }

  /** Takes what the handler tells. */
  sink(): ItemSink {
    const { credits, wantsProgress } = this.#active.request;
    return {
      ...(credits === undefined ? {} : { credits, onItem: (item) => this.#publishItem(item) }),
      ...(wantsProgress ? { onProgress: (progress) => this.#publishProgress(progress) } : {}),
    };
  }

  /**
   * Makes the handler's reply that of a stream, if it is one; waits until all items are confirmed.
   * The error of a worker that died is none.
   */
  async finish(reply: EncodedReply | RpcError): Promise<OutgoingReply | RpcError> {
    this.#isOver = true;
    if (reply instanceof RpcError && this.#unsendable === undefined) return reply;
    await Promise.all(this.#unconfirmed);
    if (this.#unsendable !== undefined) return encodeError(this.#unsendable);
    const isPlain = reply instanceof RpcError || reply.type === "error";
    if (isPlain || this.#active.request.credits === undefined) return reply;
    return { ...reply, type: "end", seq: this.#items };
  }

  #publishItem(item: EncodedItem): void {
    this.#items = item.seq + 1;
    this.#active.credits?.spend();
    this.#publish("item", item);
  }

  #publishProgress(progress: EncodedItem): void {
    this.#active.progress = progress;
    this.#publish("progress", progress);
  }

  #publish(type: "item" | "progress", item: EncodedItem): void {
    // A handler that was abandoned may go on to tell.
    if (this.#unsendable !== undefined || this.#isOver) return;
    const { replies, creditTo, onOrphaned } = this.#options;
    const reply = { ...item, type, creditTo };
    const message = replyMessage(this.#active.request, reply);
    const published: Promise<void> = replies.publish(message, this.#active).then((outcome) => {
      if (outcome === "orphaned") onOrphaned();
      else if (outcome === "too-large") this.#fail(replies.tooLarge(reply));
      // A caller that has nowhere to send credits to is taken to keep up.
      else if (type === "item" && creditTo === undefined) this.#active.grant(1);
    }, (error) => this.#onFailure(error)).finally(() => this.#unconfirmed.delete(published));
    this.#unconfirmed.add(published);
  }

  /** Without a connection another server runs the request; else the last reply says what is wrong. */
  #onFailure(error: unknown): void {
    if (error instanceof RpcError) this.#active.drop(error);
    else this.#fail(unsendable(error));
  }

  /** Ends the work: the reply is this error, and a generator would wait for credits for ever. */
  #fail(reason: RpcError): void {
    this.#unsendable ??= reason;
    this.#active.stop(reason);
  }
}
