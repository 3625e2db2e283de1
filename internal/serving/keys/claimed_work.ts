/** Work that several servers may be asked for, done by one. @module */

import { RpcError } from "../../../errors.ts";
import type {
  IdempotencyClaim,
  IdempotencyState,
  IdempotencyStore,
} from "../../../options/idempotency_options.ts";
import type { EncodedReply } from "../../encoded_reply.ts";
import { sleep } from "../../time.ts";
import type { WorkKey } from "./work_key.ts";

/** For so long work is its server's without a sign of life, in milliseconds. */
const LEASE_MS = 30_000;

/** How often a server looks whether another one is done, in milliseconds: more seldom each time. */
const FIRST_LOOK_MS = 20;
const MAX_LOOK_MS = 500;

/** What a {@linkcode ClaimedWork} needs of its server. */
export interface ClaimedWorkOptions {
  readonly store: IdempotencyStore;
  readonly queue: string;
  readonly maxAgeMs: number;
  /** Told of an output that could not be kept. */
  readonly onNotKept: (key: WorkKey) => void;
}

/** Someone's work. */
interface WantedWork {
  readonly key: WorkKey;
  /** Throws if nobody wants the output any more. */
  throwIfUnwanted(): void;
  start(): Promise<EncodedReply> | EncodedReply;
}

/** Does work if no other server that shares the store does or has done it. */
export class ClaimedWork {
  readonly #options: ClaimedWorkOptions;

  constructor(options: ClaimedWorkOptions) {
    this.#options = options;
  }

  /**
   * Does work, or waits for the server that does it.
   *
   * @returns The output, and whether another request had it before.
   * @throws {RpcError} `idempotency-conflict` if the key stands for another input, `unavailable` if
   * the store fails before the work is begun.
   * @throws {unknown} What the work throws: it is not kept.
   */
  async run(
    work: WantedWork,
  ): Promise<{ readonly reply: EncodedReply; readonly isReused: boolean }> {
    const { queue } = this.#options;
    const { name, input = "" } = work.key;
    const claim = { key: `${queue}\n${name}`, input, owner: crypto.randomUUID() };
    for (let lookMs = FIRST_LOOK_MS;; lookMs = Math.min(2 * lookMs, MAX_LOOK_MS)) {
      const found = await this.#claim(claim);
      if (found.state !== "claimed") work.key.requireSame(found.input);
      if (found.state === "done") {
        return { reply: { type: "output", ...found.output }, isReused: true };
      }
      try {
        work.throwIfUnwanted();
      } catch (reason) {
        if (found.state === "claimed") await this.#release(claim);
        throw reason;
      }
      if (found.state === "claimed") return { reply: await this.#do(work, claim), isReused: false };
      await sleep(lookMs);
    }
  }

  async #claim(claim: IdempotencyClaim): Promise<IdempotencyState> {
    try {
      return await this.#options.store.claim(claim, LEASE_MS);
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new RpcError(
        "unavailable",
        `Cannot run the request as its idempotency store has failed: ${reason}`,
        { cause, retryable: true },
      );
    }
  }

  async #do({ key, start }: WantedWork, claim: IdempotencyClaim): Promise<EncodedReply> {
    // What cannot be renewed lapses.
    const renewal = setInterval(() => this.#claim(claim).catch(() => {}), LEASE_MS / 3);
    try {
      const reply = await start();
      if (reply.type === "output") await this.#keep(key, claim, reply);
      else await this.#release(claim);
      return reply;
    } catch (error) {
      await this.#release(claim);
      throw error;
    } finally {
      clearInterval(renewal);
    }
  }

  /** Whatever comes of it, the caller is told what came of the work. If it fails, the claim lapses. */
  async #release(claim: IdempotencyClaim): Promise<void> {
    try {
      await this.#options.store.release(claim);
    } catch {
      // As it says.
    }
  }

  /** The work is done: its caller gets the output, whether it can be kept or not. */
  async #keep(key: WorkKey, claim: IdempotencyClaim, reply: EncodedReply): Promise<void> {
    const { store, maxAgeMs, onNotKept } = this.#options;
    try {
      const { body, contentType, headers } = reply;
      const output = { body, contentType, ...(headers === undefined ? {} : { headers }) };
      await store.keep(claim, output, maxAgeMs);
    } catch {
      onNotKept(key);
    }
  }
}
