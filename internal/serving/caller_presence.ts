/** Notices that a caller is gone, so that nothing works for it any more. @module */

import { isServerNamed } from "../protocol/reply_address.ts";
import { TimeLimitError, withTimeout } from "../time.ts";
import type { ActiveRequests } from "./active_requests.ts";

/** How often requests are looked through for those whose reply queues are to be looked for. */
const WATCH_MS = 2_000;

/**
 * A broker that knows says so in milliseconds. Of a queue whose node is down, RabbitMQ 4.2 and later
 * keep what they know of it (Khepri), and answer after a minute.
 */
const ANSWER_LIMIT_MS = 200;
/** While one question has no answer, others are likely to have none either. */
const NEXT_ANSWER_LIMIT_MS = 50;
/** Each question that waits for its answer takes a channel. */
const MAX_UNANSWERED = 16;
/** How long a queue that this server may not ask about refuses all before it counts as lost. */
const MAX_REFUSED_MS = 300;

/**
 * Tells whether a queue does not exist for certain; as the answer, `undefined` if the user may not
 * know, and instead of it, without a connection.
 */
export type QueueLookup = (queue: string) => Promise<boolean | undefined> | undefined;

/** Looks for the reply queues of long requests as long as there are any. */
export class CallerPresence {
  readonly #requests: ActiveRequests;
  readonly #lacksQueue: QueueLookup;
  /** Lookups under way, by queue. */
  readonly #lookups = new Map<string, Promise<boolean | undefined>>();
  /** The queues of those that have taken longer than an answer takes. */
  readonly #unanswered = new Set<string>();
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

  /**
   * Tells whether a reply queue that the broker does not let a reply into is lost with its node.
   *
   * @param queue Its name. Only a queue that the broker named dies with its node.
   * @param refusedMs How long it has not let the reply in.
   */
  async isLost(queue: string, refusedMs: number): Promise<boolean> {
    if (!isServerNamed(queue)) return false;
    if (this.#unanswered.has(queue) || this.#unanswered.size >= MAX_UNANSWERED) return true;
    const lookup = this.#lookup(queue);
    if (lookup === undefined) return false;
    const limitMs = this.#unanswered.size > 0 ? NEXT_ANSWER_LIMIT_MS : ANSWER_LIMIT_MS;
    try {
      return await withTimeout(limitMs, () => lookup) ?? refusedMs >= MAX_REFUSED_MS;
    } catch (error) {
      // Anything else is a connection that is being replaced.
      if (!(error instanceof TimeLimitError)) return false;
    }
    this.#unanswered.add(queue);
    const answered = () => void this.#unanswered.delete(queue);
    lookup.then(answered, answered);
    return true;
  }

  #look(): void {
    this.#timer = undefined;
    for (const queue of this.#requests.takeDueReplyQueues()) {
      if (this.#lookups.has(queue)) continue;
      this.#lookup(queue)?.then((isGone) => {
        if (isGone) this.#requests.markOrphaned(queue);
      }, () => {
        // The connection is being replaced; the next look will tell.
      });
    }
    // Left off while there is nothing to watch; the next request turns it on.
    if (this.#requests.size > 0) this.watch();
  }

  /** One question at a time about each queue. */
  #lookup(queue: string): Promise<boolean | undefined> | undefined {
    const known = this.#lookups.get(queue);
    if (known !== undefined) return known;
    const lookup = this.#lacksQueue(queue)?.finally(() => this.#lookups.delete(queue));
    if (lookup !== undefined) this.#lookups.set(queue, lookup);
    return lookup;
  }
}
