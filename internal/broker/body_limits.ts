/** How large the body of a message may be: by an option of the user's, and by the broker. @module */

import { Buffer } from "node:buffer";
import type { Body } from "../../codec.ts";
import { RpcError } from "../../errors.ts";
import type { BodySubject } from "../check.ts";
import type { AmqpPublish } from "./amqp.ts";

/** No broker is taken to refuse less, in bytes. */
const UNSUSPECTED_BYTES = 128 * 1_024;

/**
 * The limits of the bodies that one connection publishes. The broker does not tell its own before it
 * refuses a message for it, so it is learned then, and kept while the connection goes on.
 */
export class BodyLimits {
  readonly #maxBodyBytes: number;
  #brokerMaxBytes = Infinity;
  /** Up to here the broker is taken to refuse no body. */
  #provenBytes = UNSUSPECTED_BYTES;

  /** Makes limits of a broker that has refused nothing yet; none of the user's unless it is given. */
  constructor(maxBodyBytes: number = Infinity) {
    this.#maxBodyBytes = maxBodyBytes;
  }

  /** Whether a message may be sent. */
  admits({ body, isForwarded = false }: Pick<AmqpPublish, "body" | "isForwarded">): boolean {
    return fits(body, this.#brokerMaxBytes) && (isForwarded || fits(body, this.#maxBodyBytes));
  }

  /** Whether the broker may have a limit that this body is over, as none of its order has been sent. */
  isUnproven(body: Body): boolean {
    return body.length > this.#provenBytes;
  }

  /** Notes the limit for which the broker has refused a message. */
  learn(brokerMaxBytes: number): void {
    this.#brokerMaxBytes = brokerMaxBytes;
  }

  /** Notes that the broker has taken a body: one over its limit shows that this has changed. */
  onTaken({ length }: Body): void {
    if (length > this.#brokerMaxBytes) this.forget();
    // Limits are powers of two, as a rule.
    if (length > this.#provenBytes) this.#provenBytes = 2 ** Math.ceil(Math.log2(length));
  }

  /** Forgets what is known of the broker, as the next one may have another limit. */
  forget(): void {
    this.#brokerMaxBytes = Infinity;
    this.#provenBytes = UNSUSPECTED_BYTES;
  }

  /** Makes the error of a body that is not admitted. It names both limits. */
  refusal(body: Body, subject: BodySubject): RpcError {
    const limits = [
      this.#maxBodyBytes === Infinity ? [] : [`the limit "maxBodyBytes" is ${this.#maxBodyBytes}`],
      this.#brokerMaxBytes === Infinity ? [] : [`the broker's limit is ${this.#brokerMaxBytes}`],
    ];
    const text = `${subject.subject} has ${byteLength(body)} bytes: ${limits.flat().join(", ")}`;
    return new RpcError("too-large", text, subject);
  }
}

/** Whether a body has no more bytes than it may have. */
export function fits(body: Body, maxBytes: number): boolean {
  // A UTF-16 code unit takes at most three bytes of UTF-8: most texts need no counting.
  return body.length * 3 <= maxBytes || byteLength(body) <= maxBytes;
}

function byteLength(body: Body): number {
  return typeof body === "string" ? Buffer.byteLength(body, "utf8") : body.length;
}
