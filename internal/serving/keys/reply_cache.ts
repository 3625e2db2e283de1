/** Runs requests with the same key once, and keeps their outputs for a while. @module */

import { jsonCodec } from "../../../codec.ts";
import type { EncodedReply } from "../../encoded_reply.ts";
import type { ReplyCacheOptions } from "../../../options/server_options.ts";
import { mostBytesOf } from "../../message_headers.ts";
import { checkInteger, wrongValue } from "../../check.ts";
import { WorkKey } from "./work_key.ts";

/** What a request is known by, and what it is for. */
export type CacheKey = Pick<WorkKey, "name" | "input" | "requireSame">;

interface KeptReply {
  readonly reply: EncodedReply;
  /** What the key stands for. */
  readonly input: string | undefined;
  readonly keptAt: number;
}

/** Outputs of the requests of a batch, which are kept together. */
export interface BatchOutputs {
  /** What the ids of the requests begin with. */
  readonly id: string;
  readonly replies: readonly BatchOutput[];
}

/** The reply to a request of a batch. */
export interface BatchOutput {
  /** The number of the request. */
  readonly index: number;
  readonly isError: boolean;
  /** As JSON. */
  readonly body: string;
  readonly request: { readonly procedure: string };
}

/** No more than that: the request has its input, and that the text of all inputs of its batch. */
interface KeptOutput {
  readonly index: number;
  readonly procedure: string;
  readonly body: string;
}

interface KeptBatch {
  readonly outputs: readonly KeptOutput[];
  readonly size: number;
  readonly keptAt: number;
}

/** Takes the id of a batch and the number of its request out of the name of a key. */
const PART_REGEXP = /^-\n(.*)\n([^\n]+)\.(\d+)$/s;

/** Why the output of a key that its caller set is not kept as long as it should be. */
export type ForgottenReason = "too-large" | "full" | "store-failed";

/** Told of such a key, with its procedure. */
export type OnForgotten = (procedure: string, key: string, reason: ForgottenReason) => void;

/**
 * Outputs by idempotency key, bounded in number, size and age. Those of keys that callers set are not
 * dropped for the others, which every call has in case that it is delivered again.
 */
export class ReplyCache {
  readonly #maxEntries: number;
  readonly #maxBytes: number;
  readonly #maxAgeMs: number;
  readonly #onForgotten: OnForgotten;
  /** Of keys that callers set, oldest first. */
  readonly #own = new Map<string, KeptReply>();
  readonly #others = new Map<string, KeptReply>();
  /** By the ids of the batches. */
  readonly #batches = new Map<string, KeptBatch>();
  /** In all batches together. */
  #batched = 0;
  #bytes = 0;

  /**
   * Makes an empty cache.
   *
   * @param options Its bounds.
   * @param onForgotten Told of keys that callers set and that cannot be kept.
   * @throws {RangeError} If a bound is not a positive integer.
   * @throws {TypeError} If it has the option of an earlier version.
   */
  constructor(options: ReplyCacheOptions, onForgotten: OnForgotten = () => {}) {
    if ("scope" in options) {
      const kind = 'left out: it is "idempotency.scope" now';
      throw new TypeError(wrongValue("listen", ["replyCache.scope", options.scope], kind));
    }
    const { maxEntries = 1_000, maxBytes = 16 * 2 ** 20, maxAgeMs = 60_000 } = options;
    checkInteger("listen", {
      "replyCache.maxEntries": maxEntries,
      "replyCache.maxBytes": maxBytes,
      "replyCache.maxAgeMs": maxAgeMs,
    }, { min: 1 });
    this.#maxEntries = maxEntries;
    this.#maxBytes = maxBytes;
    this.#maxAgeMs = maxAgeMs;
    this.#onForgotten = onForgotten;
  }

  /**
   * Finds an output that is not too old.
   *
   * @throws {RpcError} `idempotency-conflict`, if it is that of another input.
   */
  get(key: CacheKey): EncodedReply | undefined {
    const { name } = key;
    const shelf = this.#shelfOf(name);
    const kept = shelf.get(name);
    if (kept === undefined) return this.#batches.size > 0 ? this.#getPart(name) : undefined;
    if (!this.#isFresh(kept)) {
      this.#drop(shelf, name, kept);
      return undefined;
    }
    key.requireSame(kept.input);
    return kept.reply;
  }

  /** Keeps an output; an error is not kept, so that a later attempt may do better. */
  keep({ name, input }: CacheKey, reply: EncodedReply): void {
    if (reply.type === "error") return;
    const shelf = this.#shelfOf(name);
    if (sizeOf(reply) > this.#maxBytes) return this.#tell(shelf, name, "too-large");
    const earlier = shelf.get(name);
    if (earlier !== undefined) this.#drop(shelf, name, earlier);
    shelf.set(name, { reply, input, keptAt: Date.now() });
    this.#bytes += sizeOf(reply);
    if (shelf.size > this.#maxEntries) this.#dropOldest(shelf);
    while (this.#bytes > this.#maxBytes) this.#dropOne();
  }

  /** Keeps the outputs of a batch: an entry for each would take longer than to run what is short. */
  keepBatch({ id, replies }: BatchOutputs): void {
    const outputs: KeptOutput[] = [];
    let size = 0;
    for (const { index, isError, body, request: { procedure } } of replies) {
      // An error is not kept, so that a later attempt may do better.
      if (isError) continue;
      outputs.push({ index, procedure, body });
      size += body.length;
    }
    if (size > this.#maxBytes || outputs.length === 0) return;
    const earlier = this.#batches.get(id);
    if (earlier !== undefined) this.#dropBatch(id, earlier);
    this.#batches.set(id, { outputs, size, keptAt: Date.now() });
    this.#bytes += size;
    this.#batched += outputs.length;
    while (this.#batched > this.#maxEntries && this.#batches.size > 1) this.#dropOldestBatch();
    while (this.#bytes > this.#maxBytes) this.#dropOne();
  }

  #getPart(name: string): EncodedReply | undefined {
    const [, procedure, id = "", index] = PART_REGEXP.exec(name) ?? [];
    const batch = this.#batches.get(id);
    if (batch === undefined || !this.#isFresh(batch)) return undefined;
    const output = batch.outputs.find((each) => each.index === Number(index));
    if (output === undefined || output.procedure !== procedure) return undefined;
    return { type: "output", body: output.body, contentType: jsonCodec.contentType };
  }

  #shelfOf(name: string): Map<string, KeptReply> {
    return WorkKey.isOwn(name) ? this.#own : this.#others;
  }

  /** What callers have set keys for is the last to go. */
  #dropOne(): void {
    if (this.#others.size > 0) this.#dropOldest(this.#others);
    else if (this.#batches.size > 0) this.#dropOldestBatch();
    else this.#dropOldest(this.#own);
  }

  #dropOldestBatch(): void {
    for (const [id, batch] of this.#batches) return this.#dropBatch(id, batch);
  }

  #dropBatch(id: string, { size, outputs }: KeptBatch): void {
    this.#batches.delete(id);
    this.#batched -= outputs.length;
    this.#bytes -= size;
  }

  #isFresh({ keptAt }: Pick<KeptReply, "keptAt">): boolean {
    return Date.now() - keptAt <= this.#maxAgeMs;
  }

  #dropOldest(shelf: Map<string, KeptReply>): void {
    for (const [name, kept] of shelf) {
      this.#drop(shelf, name, kept);
      if (this.#isFresh(kept)) this.#tell(shelf, name, "full");
      return;
    }
  }

  #drop(shelf: Map<string, KeptReply>, name: string, { reply }: KeptReply): void {
    shelf.delete(name);
    this.#bytes -= sizeOf(reply);
  }

  #tell(shelf: Map<string, KeptReply>, name: string, reason: ForgottenReason): void {
    if (shelf !== this.#own) return;
    const [procedure, key] = WorkKey.parse(name);
    this.#onForgotten(procedure, key, reason);
  }
}

/** Characters of a text body count as bytes: close enough for a bound. */
function sizeOf({ body, headers }: EncodedReply): number {
  return body.length + (headers === undefined ? 0 : mostBytesOf(headers));
}
