/** How long a server insists on a reply that its queue does not take. @module */

import { isDirectReply } from "../../protocol/reply_address.ts";
import { sleep } from "../../time.ts";
import type { CallerPresence } from "./caller_presence.ts";
import type { NodeLag } from "./node_lag.ts";

/** Pause before a message that the broker did not take is published again, in milliseconds. */
const NACKED_PAUSE_MS = 200;

/** Pause before a message is published again whose queue was not there, in milliseconds. */
const MISSING_PAUSE_MS = 500;

/** The patience with one reply. */
export class ReplyPatience {
  readonly #queue: string;
  readonly #callers: Pick<CallerPresence, "isLost" | "isAwaited">;
  readonly #lag: NodeLag;
  #mayLag: boolean;
  #refusedAt: number | undefined;
  #missingAt: number | undefined;

  constructor(
    queue: string,
    callers: Pick<CallerPresence, "isLost" | "isAwaited">,
    lag: NodeLag,
  ) {
    this.#queue = queue;
    this.#callers = callers;
    this.#lag = lag;
    // A direct reply-to address is no queue that a node would have to learn of.
    this.#mayLag = !isDirectReply(queue);
  }

  /**
   * The broker has returned the reply: its queue is not there. Waits before the next attempt.
   *
   * @param session What it was published on.
   * @returns Whether there is to be none.
   */
  async endsWithReturn(
    session: { readonly catchUp?: () => Promise<boolean> } | undefined,
  ): Promise<boolean> {
    if (this.#mayLag && session?.catchUp !== undefined) {
      this.#mayLag = !await this.#lag.overcome(session.catchUp);
      return false;
    }
    const missingMs = performance.now() - (this.#missingAt ??= performance.now());
    if (!await this.#callers.isAwaited(this.#queue, missingMs)) return true;
    await sleep(MISSING_PAUSE_MS);
    return false;
  }

  /** The broker has refused the reply. Waits before the next attempt, unless there is to be none. */
  async endsWithRefusal(): Promise<boolean> {
    const refusedMs = performance.now() - (this.#refusedAt ??= performance.now());
    if (await this.#callers.isLost(this.#queue, refusedMs)) return true;
    await sleep(NACKED_PAUSE_MS);
    return false;
  }
}
