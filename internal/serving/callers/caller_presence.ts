/** Notices that a caller is gone, so that nothing works for it any more. @module */

import { isDirectReply, isDurableReplyQueue, isServerNamed } from "../../protocol/reply_address.ts";
import { TimeLimitError, withTimeout } from "../../time.ts";
import type { ActiveRequests } from "../active_requests.ts";

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
/**
 * How long a durable reply queue may be missing that no node has, in milliseconds: its client declares
 * it again if somebody has deleted it. Anybody may name such a queue, and a reply to it takes a place.
 */
const MAX_MISSING_MS = 5_000;
/** How long the question may take whether a queue is on a node that is down, in milliseconds. */
const DOWN_ANSWER_LIMIT_MS = 1_000;
/** How long a reply waits for a node that is down, in milliseconds, if its caller waits as long. */
const MAX_DOWN_MS = 20 * 60_000;
/** How long a queue that this server may not ask about refuses all before it counts as lost. */
const MAX_REFUSED_MS = 300;
/** Nodes that have just lost one of theirs first have to elect. */
const MAJORITY_LIMIT_MS = 500;
/** How long it holds that the node is one of the majority, in milliseconds. */
const MAJORITY_MS = 1_000;

/**
 * Tells whether a queue does not exist for certain; as the answer, `undefined` if the user may not
 * know, and instead of it, without a connection.
 */
export type QueueLookup = (queue: string) => Promise<boolean | undefined> | undefined;

/** What a {@linkcode CallerPresence} asks the broker. */
export interface PresenceQuestions {
  readonly lacksQueue: QueueLookup;
  /**
   * Resolves to `true` if the node can still change what the cluster knows, or if the user may not
   * try; rejects or waits if the node is cut off from the others. `undefined` without a connection.
   */
  readonly hasMajority: () => Promise<boolean> | undefined;
}

/** Looks for the reply queues of long requests as long as there are any. */
export class CallerPresence {
  readonly #requests: ActiveRequests;
  readonly #lacksQueue: QueueLookup;
  readonly #hasMajority: PresenceQuestions["hasMajority"];
  #majority: Promise<boolean> | undefined;
  /** When the node was last seen to be cut off. */
  #cutOffAt = -Infinity;
  /** Whether the user may look for reply queues, as the broker has last told: releases differ. */
  #mayLook = true;
  /** When that was last answered with yes. */
  #majorityAt = -Infinity;
  /** Lookups under way, by queue. */
  readonly #lookups = new Map<string, Promise<boolean | undefined>>();
  /** The queues of those that have taken longer than an answer takes, and when they were asked for. */
  readonly #unanswered = new Map<string, number>();
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(requests: ActiveRequests, { lacksQueue, hasMajority }: PresenceQuestions) {
    this.#requests = requests;
    this.#lacksQueue = lacksQueue;
    this.#hasMajority = hasMajority;
  }

  /**
   * Whether a queue that counts as lost may still be there, on a node that cannot be reached: its
   * client may come back with it.
   */
  mayReturn(queue: string): boolean {
    return !this.#mayLook || this.#isUnanswered(queue);
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
    if (this.#isUnanswered(queue)) return await this.#isOutOfReach(queue);
    const askedAt = performance.now();
    const lookup = this.#lookup(queue);
    if (lookup === undefined) return false;
    const limitMs = this.#unanswered.size > 0 ? NEXT_ANSWER_LIMIT_MS : ANSWER_LIMIT_MS;
    try {
      const isGone = await withTimeout(limitMs, () => lookup);
      this.#mayLook = isGone !== undefined;
      if (isGone !== undefined) return isGone;
      return refusedMs >= MAX_REFUSED_MS && await this.#isWithMajority(askedAt);
    } catch (error) {
      // Anything else is a connection that is being replaced.
      if (!(error instanceof TimeLimitError)) return false;
    }
    this.#unanswered.set(queue, askedAt);
    const answered = () => {
      if (this.#unanswered.get(queue) === askedAt) this.#unanswered.delete(queue);
    };
    lookup.then(answered, answered);
    return await this.#isOutOfReach(queue, askedAt);
  }

  /** Whether a queue still has no answer once it is clear that its node is not this server's own. */
  async #isOutOfReach(queue: string, askedAt?: number): Promise<boolean> {
    if (!await this.#isWithMajority(askedAt)) return false;
    // The answer may have come meanwhile, with the nodes that were cut off.
    return this.#isUnanswered(queue) && !this.#forgetStale();
  }

  /**
   * Forgets questions that were asked while the node was cut off: that they have no answer says nothing
   * of the callers.
   *
   * @returns Whether there were any; they are to be asked anew then.
   */
  #forgetStale(): boolean {
    const stale = [...this.#unanswered].filter(([, askedAt]) => askedAt <= this.#cutOffAt);
    for (const [queue] of stale) {
      this.#unanswered.delete(queue);
      this.#lookups.delete(queue);
    }
    return stale.length > 0;
  }

  #isUnanswered(queue: string): boolean {
    return this.#unanswered.has(queue) || this.#unanswered.size >= MAX_UNANSWERED;
  }

  /**
   * Tells whether it is the queue that cannot be reached, and not everything else. A server on a node
   * that is cut off has nobody to reply to for a while, and callers that wait all the same.
   *
   * @param since From when on the answer must be; by default, a second ago.
   */
  async #isWithMajority(since = performance.now() - MAJORITY_MS): Promise<boolean> {
    if (this.#majorityAt >= since) return true;
    this.#majority ??= this.#hasMajority()?.finally(() => this.#majority = undefined);
    const question = this.#majority;
    if (question === undefined) return false;
    try {
      if (await withTimeout(MAJORITY_LIMIT_MS, () => question)) {
        this.#majorityAt = performance.now();
        return true;
      }
    } catch {
      // No answer, or a connection that is being replaced.
    }
    this.#cutOffAt = performance.now();
    return false;
  }

  /**
   * Tells whether a reply queue that the broker does not find may come back: one that is on a node
   * which is down, as far as this server may know; or one of ours, that its client is about to declare
   * again.
   *
   * @param queue Its name.
   * @param missingMs How long it has not been found.
   */
  async isAwaited(queue: string, missingMs: number): Promise<boolean> {
    if (isServerNamed(queue) || isDirectReply(queue) || missingMs > MAX_DOWN_MS) return false;
    const isOurs = isDurableReplyQueue(queue);
    if (isOurs && missingMs < MAX_MISSING_MS) return true;
    const lookup = this.#lookup(queue);
    // Without a connection there is nobody to ask; the next attempt to publish waits for one.
    if (lookup === undefined) return isOurs;
    try {
      return await withTimeout(DOWN_ANSWER_LIMIT_MS, () => lookup) === false;
    } catch {
      return isOurs;
    }
  }

  #look(): void {
    this.#timer = undefined;
    for (const queue of this.#requests.takeDueReplyQueues()) {
      if (this.#lookups.has(queue)) continue;
      const askedAt = Date.now();
      this.#lookup(queue)?.then(async (isGone) => {
        if (!isGone) return;
        // A node that was cut off learns late what the others have declared: it is asked again.
        if (!await this.#isWithMajority(performance.now()) || !await this.#lookup(queue)) return;
        const mayReturn = Date.now() - askedAt > ANSWER_LIMIT_MS;
        this.#requests.markOrphaned(queue, { mayReturn });
      }).catch(() => {
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
