/** The options of idempotency keys, and of what servers keep them in. @module */

import type { MessageHeaders } from "../contract.ts";

/** Options of the keys that callers set. */
export interface IdempotencyOptions {
  /**
   * Whose requests share a key: those of one caller, so that nobody meets another's by chance, or
   * those of all callers of the queue. The caller is the user that has published the request, if it
   * says so in `user_id`, which the broker checks; else the client's `callerId`. Requests that have
   * neither share theirs.
   *
   * @default {"caller"}
   */
  readonly scope?: "caller" | "queue" | undefined;
  /**
   * What servers share, so that a key runs once in all of them: see `@warren/rpc/idempotency`. Without
   * one, a key holds in this server only.
   *
   * @default {none}
   */
  readonly store?: IdempotencyStore | undefined;
  /**
   * How long the store keeps an output, in milliseconds.
   *
   * @default {86_400_000}
   */
  readonly maxAgeMs?: number | undefined;
}

/** Work that a server wants to do, or does. */
export interface IdempotencyClaim {
  /** Names the work: queue, caller, procedure and key, however long. */
  readonly key: string;
  /** A digest of the input, of 43 characters. */
  readonly input: string;
  /** Who does the work; another one for each time that it is begun. */
  readonly owner: string;
}

/** An output that is kept. */
export interface IdempotencyOutput {
  /** The encoded output. */
  readonly body: string | Uint8Array;
  /** The content type of the body. */
  readonly contentType: string;
  /** Those that the handler has set, if any. */
  readonly headers?: MessageHeaders;
}

/** What a store says to a claim. */
export type IdempotencyState =
  /** Its owner may begin, or go on. */
  | { readonly state: "claimed" }
  /** Another owner is at work, for that input. */
  | { readonly state: "running"; readonly input: string }
  /** The work was done, for that input. */
  | { readonly state: "done"; readonly input: string; readonly output: IdempotencyOutput };

/**
 * Keeps the outputs of keys that callers set, and who is at work. Each method is one step that no
 * other server gets in between; what it throws becomes the error of the request.
 */
export interface IdempotencyStore {
  /**
   * Claims work for its owner, for so long; also again, to go on for longer. Work whose time is over
   * is free: its server has died.
   */
  claim(
    claim: IdempotencyClaim,
    leaseMs: number,
  ): IdempotencyState | Promise<IdempotencyState>;
  /** Keeps the output of claimed work, for so long; does nothing if the work is another owner's. */
  keep(
    claim: IdempotencyClaim,
    output: IdempotencyOutput,
    maxAgeMs: number,
  ): void | Promise<void>;
  /** Frees work that had no output; does nothing if it is another owner's. */
  release(claim: IdempotencyClaim): void | Promise<void>;
}
