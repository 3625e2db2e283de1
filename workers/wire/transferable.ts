/**
 * Bodies that move to the other thread instead of being cloned.
 *
 * @module
 */

import type { Body } from "../../codec.ts";

/** From this size on, bytes that move are cheaper for the pool's thread than bytes that are cloned. */
export const TRANSFER_FROM_BYTES = 8_192;
const encoder = new TextEncoder();

/** Whether a body moves. Bodies of the pool and of its workers have their buffer for themselves. */
export function mustTransfer(body: Body): body is Uint8Array<ArrayBuffer> {
  return typeof body !== "string" && body.length >= TRANSFER_FROM_BYTES;
}

/** Makes a long text bytes, as these can move. */
export function toTransferable(body: Body): Body {
  const isLongText = typeof body === "string" && body.length >= TRANSFER_FROM_BYTES;
  return isLongText ? encoder.encode(body) : body;
}
