/**
 * {@linkcode transfer} gives bytes away, so that they move to another thread instead of being
 * copied. It is for both sides: inputs of a pool, and outputs of a worker file.
 *
 * @module
 */

import { giveBytes } from "../internal/running/bytes.ts";

/**
 * Gives bytes away: as the whole input or output of a task, or an item of a stream, they move to the
 * other thread. Do not use them, or another view of their buffer, any more.
 *
 * Bytes below 8 KiB are copied all the same, and so are those that are only a part of their buffer,
 * and those to and from processes. A task whose input has moved fails if its worker dies, though it
 * had not started.
 *
 * @param bytes The whole input, output or item.
 * @returns The same bytes.
 *
 * @example A worker file (not run, as it is for workers only)
 * ```ts ignore
 * import { expose } from "@warren/rpc/workers/runtime";
 * import { transfer } from "@warren/rpc/workers/transfer";
 *
 * expose({ noise: (length: number) => transfer(crypto.getRandomValues(new Uint8Array(length))) });
 * ```
 */
export function transfer(bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  giveBytes(bytes);
  return bytes;
}
