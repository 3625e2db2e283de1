/** Notices that the caller of a long request is gone, so that nothing works for it any more. @module */

import type { ActiveRequests } from "./active_requests.ts";

/** How long a request is in hand before its reply queue is looked for, and how often, in milliseconds. */
const WATCH_MS = 2_000;

/** Tells whether a queue does not exist for certain; `undefined` without a connection. */
export type QueueLookup = (queue: string) => Promise<boolean> | undefined;

/** Looks for the reply queues of long requests as long as there are any. */
export class CallerPresence {
  readonly #requests: ActiveRequests;
  readonly #lacksQueue: QueueLookup;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(requests: ActiveRequests, lacksQueue: QueueLookup) {
    this.#requests = requests;
    this.#lacksQueue = lacksQueue;
  }

  /** Takes care that the watch is on. */
  watch(): void {
    this.#timer ??= setTimeout(() => this.#look(), WATCH_MS);
  }

  /** Ends the watch. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  async #look(): Promise<void> {
    for (const replyQueue of this.#requests.replyQueuesSince(WATCH_MS)) {
      await this.#lookFor(replyQueue);
    }
    if (this.#timer === undefined) return;
    this.#timer = undefined;
    // Left off while there is nothing to watch; the next request turns it on.
    if (this.#requests.size > 0) this.watch();
  }

  async #lookFor(replyQueue: string): Promise<void> {
    try {
      if (await this.#lacksQueue(replyQueue)) this.#requests.markOrphaned(replyQueue);
    } catch {
      // The connection is being replaced; the next look will tell.
    }
  }
}
