/**
 * Bytes on their way to another thread: moved if they were given away, else copied.
 *
 * @module
 */

const given = new WeakSet<Uint8Array>();

/** Notes that nobody here needs the bytes any more. */
export function giveBytes(bytes: Uint8Array<ArrayBuffer>): void {
  given.add(bytes);
}

/**
 * Makes bytes the library's own. Those that were given away leave their owner at once, if their
 * buffer holds nothing else and can move; of others it is a copy.
 *
 * @param bytes The caller's, or the handler's.
 * @returns The bytes, in a buffer of their own.
 * @throws {TypeError} If they were given away before.
 */
export function takeBytes(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const { buffer, byteLength } = bytes;
  if (!(buffer instanceof ArrayBuffer)) return new Uint8Array(bytes);
  if (buffer.detached) {
    throw new TypeError("Cannot send the bytes as they were given away before: none are left");
  }
  if (!given.has(bytes) || buffer.byteLength !== byteLength) return new Uint8Array(bytes);
  try {
    return new Uint8Array(buffer.transferToFixedLength());
  } catch {
    // The memory of a WebAssembly instance cannot move.
    return new Uint8Array(bytes);
  }
}
