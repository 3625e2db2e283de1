/** Runs requests with the same key once, and keeps their outputs for a while. @module */

import type { EncodedReply } from "../encoded_reply.ts";
import type { ReplyCacheOptions } from "../../options/server_options.ts";
import { checkInteger, checkOneOf } from "../check.ts";

interface KeptReply {
  readonly reply: EncodedReply;
  readonly keptAt: number;
}

/** Outputs by idempotency key, bounded in number, size and age. */
export class ReplyCache {
  /** Whether keys hold for one caller only. */
  readonly isPerCaller: boolean;
  readonly #maxEntries: number;
  readonly #maxBytes: number;
  readonly #maxAgeMs: number;
  /** Oldest first. */
  readonly #kept = new Map<string, KeptReply>();
  #bytes = 0;

  /**
   * Makes an empty cache.
   *
   * @throws {RangeError} If a bound is not a positive integer.
   * @throws {TypeError} If there is no such scope.
   */
  constructor(options: ReplyCacheOptions) {
    const { maxEntries = 1_000, maxBytes = 16 * 2 ** 20, maxAgeMs = 60_000 } = options;
    checkInteger("listen", {
      "replyCache.maxEntries": maxEntries,
      "replyCache.maxBytes": maxBytes,
      "replyCache.maxAgeMs": maxAgeMs,
    }, { min: 1 });
    checkOneOf("listen", { "replyCache.scope": options.scope }, ["queue", "caller"]);
    this.isPerCaller = options.scope === "caller";
    this.#maxEntries = maxEntries;
    this.#maxBytes = maxBytes;
    this.#maxAgeMs = maxAgeMs;
  }

  /** Finds an output that is not too old. */
  get(key: string): EncodedReply | undefined {
    const kept = this.#kept.get(key);
    if (kept === undefined) return undefined;
    if (Date.now() - kept.keptAt <= this.#maxAgeMs) return kept.reply;
    this.#drop(key, kept);
    return undefined;
  }

  /** Keeps an output; an error is not kept, so that a later attempt may do better. */
  keep(key: string, reply: EncodedReply): void {
    if (reply.type === "error" || sizeOf(reply) > this.#maxBytes) return;
    const earlier = this.#kept.get(key);
    if (earlier !== undefined) this.#drop(key, earlier);
    this.#kept.set(key, { reply, keptAt: Date.now() });
    this.#bytes += sizeOf(reply);
    for (const [oldest, kept] of this.#kept) {
      if (this.#kept.size <= this.#maxEntries && this.#bytes <= this.#maxBytes) return;
      this.#drop(oldest, kept);
    }
  }

  #drop(key: string, { reply }: KeptReply): void {
    this.#kept.delete(key);
    this.#bytes -= sizeOf(reply);
  }
}

/** Characters of a text count as bytes: close enough for a bound. */
function sizeOf({ body }: EncodedReply): number {
  return body.length;
}
