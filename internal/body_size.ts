/** The limit on bodies, which the broker enforces by closing the channel. @module */

import type { Body } from "../codec.ts";
import { RpcError, type RpcErrorOptions } from "../errors.ts";

/** Largest body unless told otherwise, in bytes: the default of RabbitMQ 4. */
export const DEFAULT_MAX_BODY_BYTES: number = 16 * 2 ** 20;

/**
 * Checks a body against the limit.
 *
 * @param body The encoded body.
 * @param maxBodyBytes The limit.
 * @param subject What cannot be done otherwise, and what is too large, such as
 * `Cannot call "add" as its input`.
 * @param options Which call the error belongs to.
 * @throws {RpcError} `too-large`.
 */
export function checkBodySize(
  body: Body,
  maxBodyBytes: number,
  subject: string,
  options?: RpcErrorOptions,
): void {
  // A UTF-16 code unit takes at most three bytes of UTF-8: most texts need no counting.
  if (body.length * 3 <= maxBodyBytes) return;
  const bytes = typeof body === "string" ? new TextEncoder().encode(body).length : body.length;
  if (bytes <= maxBodyBytes) return;
  throw new RpcError(
    "too-large",
    `${subject} has ${bytes} bytes: the limit "maxBodyBytes" is ${maxBodyBytes}`,
    options,
  );
}
