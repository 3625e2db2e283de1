/**
 * Bytes on their way to another thread: moved if they were given away, else copied.
 *
 * @module
 */

const given = new WeakSet<Uint8Array>();

/** Notes that nobody here needs the bytes any more. */
export function giveAway(bytes: Uint8Array<ArrayBuffer>): void {
  given.add(bytes);
}

/**
 * Makes bytes the pool's own.
 *
 * @param bytes The caller's, or the handler's.
 * @returns The same if they were given away and their buffer holds nothing else; or a copy.
 */
export function takeBytes(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return isGivenWhole(bytes) ? bytes : new Uint8Array(bytes);
}

function isGivenWhole(bytes: Uint8Array): bytes is Uint8Array<ArrayBuffer> {
  const { buffer, byteLength } = bytes;
  return given.has(bytes) && buffer instanceof ArrayBuffer && buffer.byteLength === byteLength;
}
