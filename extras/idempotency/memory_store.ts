/** A store of idempotency keys in the memory of one program. @module */

import type {
  IdempotencyClaim,
  IdempotencyOutput,
  IdempotencyState,
  IdempotencyStore,
} from "../../options/idempotency_options.ts";

interface Entry {
  readonly claim: IdempotencyClaim;
  readonly output: IdempotencyOutput | undefined;
  readonly endsAt: number;
}

/**
 * Keeps idempotency keys for the servers of one program, until it ends: for tests, and to see what a
 * store of your own has to do.
 *
 * @example Two servers that share their keys
 * ```ts ignore because it needs a broker
 * import { RpcServer } from "@warren/rpc";
 * import { MemoryStore } from "@warren/rpc/idempotency";
 *
 * const idempotency = { store: new MemoryStore() };
 * const handlers = { pay: (amount: number) => `paid ${amount}` };
 * await RpcServer.listen("amqp://127.0.0.1", { queue: "shop", handlers, idempotency });
 * await RpcServer.listen("amqp://127.0.0.1", { queue: "shop", handlers, idempotency });
 * ```
 */
export class MemoryStore implements IdempotencyStore {
  readonly #entries = new Map<string, Entry>();
  readonly #maxEntries: number;

  /**
   * Makes an empty store.
   *
   * @param options Most keys that are kept; the oldest go first.
   */
  constructor({ maxEntries = 100_000 }: { readonly maxEntries?: number } = {}) {
    this.#maxEntries = maxEntries;
  }

  /** Claims work. */
  claim(claim: IdempotencyClaim, leaseMs: number): IdempotencyState {
    const entry = this.#entries.get(claim.key);
    const isFree = entry === undefined || entry.endsAt < Date.now() ||
      (entry.output === undefined && entry.claim.owner === claim.owner);
    if (!isFree) {
      const { output, claim: { input } } = entry;
      return output === undefined ? { state: "running", input } : { state: "done", input, output };
    }
    this.#set({ claim, output: undefined, endsAt: Date.now() + leaseMs });
    return { state: "claimed" };
  }

  /** Keeps an output. */
  keep(claim: IdempotencyClaim, output: IdempotencyOutput, maxAgeMs: number): void {
    if (this.#isOwner(claim)) this.#set({ claim, output, endsAt: Date.now() + maxAgeMs });
  }

  /** Frees work that had no output. */
  release(claim: IdempotencyClaim): void {
    const isDone = this.#entries.get(claim.key)?.output !== undefined;
    if (!isDone && this.#isOwner(claim)) this.#entries.delete(claim.key);
  }

  #isOwner({ key, owner }: IdempotencyClaim): boolean {
    return this.#entries.get(key)?.claim.owner === owner;
  }

  #set(entry: Entry): void {
    const { key } = entry.claim;
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    for (const oldest of this.#entries.keys()) {
      if (this.#entries.size <= this.#maxEntries) return;
      this.#entries.delete(oldest);
    }
  }
}
