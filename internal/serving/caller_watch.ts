/** Looks after the callers of long requests: work for one that is gone is stopped. @module */

import type { ActiveRequests } from "./active_requests.ts";
import type { ConsumerSession } from "./server_sessions.ts";

/** How long a request is in hand before its caller is looked for, and how often, in milliseconds. */
const WATCH_MS = 2_000;

/** Checks the reply queues of long requests as long as there are any. */
export class CallerWatch {
  readonly #requests: ActiveRequests;
  readonly #session: () => ConsumerSession | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(requests: ActiveRequests, session: () => ConsumerSession | undefined) {
    this.#requests = requests;
    this.#session = session;
  }

  /** Takes care that the watch is on. */
  start(): void {
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
    if (this.#requests.size > 0) this.start();
  }

  async #lookFor(replyQueue: string): Promise<void> {
    try {
      if (await this.#session()?.isGone(replyQueue)) this.#requests.markGone(replyQueue);
    } catch {
      // The connection is being replaced; the next look will tell.
    }
  }
}
