/** Notices that no reply can come any more, as the reply queue has vanished. @module */

import type { PublishOutcome } from "../broker/publisher.ts";

/** How often it is seen whether replies have come, in milliseconds. */
const WATCH_MS = 2_500;
/** The reply queue is probed each time that none has come for so long. */
const QUIET_ROUNDS = 2;

/** The reply queue of one connection. */
export interface ReplyPath {
  /** Sends a message to the queue. */
  probe(): Promise<PublishOutcome>;
  /** Ends the connection, as there is no such queue: the next one has another. */
  renew(): void;
}

/** What a {@linkcode ReplyWatch} asks. */
export interface ReplyWatchOptions {
  /** Whether calls wait for their replies. */
  readonly isWaiting: () => boolean;
  /** The reply queue, if there is one at the moment. */
  readonly replyPath: () => ReplyPath | undefined;
}

type State =
  | { readonly name: "idle" }
  | { readonly name: "watching"; readonly timer: ReturnType<typeof setTimeout> }
  | { readonly name: "stopped" };

/**
 * Probes the reply queue while calls wait and nothing comes. The broker cancels the consumer of a
 * queue that is deleted; but where a cluster was parted, it may have deleted the queue where the
 * consumer was not, and then only a message that it returns shows it.
 */
export class ReplyWatch {
  readonly #options: ReplyWatchOptions;
  #state: State = { name: "idle" };
  #quietRounds = 0;

  constructor(options: ReplyWatchOptions) {
    this.#options = options;
  }

  /** Takes care that the watch is on, from a call on. */
  start(): void {
    if (this.#state.name !== "idle") return;
    this.#quietRounds = 0;
    this.#wait();
  }

  /** Says that a reply has come. */
  onReply(): void {
    this.#quietRounds = 0;
  }

  /** Ends the watch for good. */
  stop(): void {
    if (this.#state.name === "watching") clearTimeout(this.#state.timer);
    this.#state = { name: "stopped" };
  }

  #wait(): void {
    this.#state = { name: "watching", timer: setTimeout(() => void this.#look(), WATCH_MS) };
  }

  /** Never rejects. */
  async #look(): Promise<void> {
    const { isWaiting, replyPath } = this.#options;
    // Left off while there is nothing to wait for; the next call turns it on.
    if (!isWaiting()) {
      this.#state = { name: "idle" };
      return;
    }
    this.#quietRounds++;
    if (this.#quietRounds >= QUIET_ROUNDS) {
      this.#quietRounds = 0;
      const path = replyPath();
      if (await path?.probe().catch(() => undefined) === "returned") path?.renew();
    }
    if (this.#state.name !== "stopped") this.#wait();
  }
}
