/** Publishes parked requests once more, and only then removes them from their parking queue. @module */

import { newId } from "../../internal/text.ts";
import { RpcError } from "../../errors.ts";
import { amqpCodeOf } from "../../internal/broker/amqp_error.ts";
import { redrivenMessage } from "../../internal/protocol/parked_message.ts";
import type { BodyLimits } from "../../internal/broker/body_limits.ts";
import type { HeldRequest, ParkedWalk } from "./walk.ts";
import type { Publisher, PublishOutcome } from "../../internal/broker/publisher.ts";

/** Most requests that are published at a time. */
const PAGE_REQUESTS = 100;

/** Once so many bytes of bodies are in memory, they are published. */
const PAGE_BYTES = 8 * 1_024 * 1_024;

/** Options of {@linkcode Redrive}. */
export interface RedriveOptions {
  /** The request queue. */
  readonly queue: string;
  readonly publisher: Pick<Publisher, "publish" | "closed" | "isOpen">;
  readonly limits: Pick<BodyLimits, "refusal">;
  readonly walk: ParkedWalk;
}

/** Runs requests again, page by page, so that the memory they take is bounded. */
export class Redrive {
  readonly #options: RedriveOptions;
  #page: HeldRequest[] = [];
  #pageBytes = 0;
  #redriven = 0;
  /** Why the first of those that can never be sent is kept. */
  #refusal: RpcError | undefined;

  constructor(options: RedriveOptions) {
    this.#options = options;
  }

  /** How many requests have been published and removed. */
  get redriven(): number {
    return this.#redriven;
  }

  /** Takes a request on, and publishes it with the others of its page when the page is full. */
  async add(held: HeldRequest): Promise<void> {
    this.#page.push(held);
    this.#pageBytes += held.request.bytes;
    if (this.#page.length >= PAGE_REQUESTS || this.#pageBytes >= PAGE_BYTES) await this.flush();
  }

  /**
   * Publishes the page. What the broker has confirmed is removed, the rest is kept.
   *
   * @throws {RpcError} `unroutable`, `queue-full`, `access-refused` or `disconnected`, if the rest is not empty.
   */
  async flush(): Promise<void> {
    const page = this.#page;
    this.#page = [];
    this.#pageBytes = 0;
    const results = await Promise.allSettled(page.map((held) => this.#publish(held)));
    for (const [index, held] of page.entries()) {
      const result = results[index];
      if (result?.status !== "fulfilled" || result.value !== "confirmed") continue;
      this.#options.walk.remove(held);
      this.#redriven++;
    }
    for (const result of results) {
      if (result.status === "rejected") throw result.reason;
      if (result.value === "confirmed" || result.value === "too-large") continue;
      throw await this.#failure(result.value);
    }
  }

  /**
   * Publishes what is left.
   *
   * @throws {RpcError} As {@linkcode flush}; `too-large`, if one can never be sent.
   */
  async finish(): Promise<void> {
    await this.flush();
    if (this.#refusal !== undefined) throw this.#refusal;
  }

  async #publish({ request, delivery }: HeldRequest): Promise<PublishOutcome> {
    const { queue, publisher, limits } = this.#options;
    const message = redrivenMessage(queue, newId(), delivery);
    let outcome = await publisher.publish(() => message);
    // The channel alone is gone, over another one that is too large.
    while (outcome === "unknown" && publisher.isOpen) {
      outcome = await publisher.publish(() => message);
    }
    if (outcome === "too-large") {
      const subject = `Cannot run parked request "${request.id}" again as its body`;
      this.#refusal ??= limits.refusal(delivery.body, { subject });
    }
    return outcome;
  }

  async #failure(outcome: Exclude<PublishOutcome, "confirmed" | "too-large">): Promise<RpcError> {
    const { queue, publisher } = this.#options;
    const subject = `Cannot run the parked requests again in queue "${queue}" as`;
    const state = `: ${this.#redriven} were sent, all others are kept`;
    switch (outcome) {
      case "returned":
        return new RpcError(
          "unroutable",
          `${subject} there is no such queue${state}. Start a server first`,
          { retryable: true },
        );
      case "nacked":
      case "stranded":
        return new RpcError(
          "queue-full",
          `${subject} the broker refuses them${state}. See whether the queue is full`,
          { retryable: true },
        );
      case "suspect":
      case "unknown":
      case "unsent":
        return lossError(subject, state, publisher.isOpen ? undefined : await publisher.closed);
    }
  }
}

/** The channel is gone, which is also how the broker refuses. */
function lossError(subject: string, state: string, cause: Error | undefined): RpcError {
  if (amqpCodeOf(cause) === 403) {
    return new RpcError(
      "access-refused",
      `${subject} the user may not write to it${state}. See docs/permissions.md`,
      { cause },
    );
  }
  return new RpcError(
    "disconnected",
    `${subject} the connection was lost${state}; some may run twice. Open them again`,
    { cause, retryable: true },
  );
}
