/** How MessagePack carries what it has no type for: extension types, by number. @module */

/** The extension types on the wire: `-1` is of the specification, the others are applications'. */
export const EXTENSION = {
  /** A moment. */
  timestamp: -1,
  /** `undefined`, as notepack and msgpackr write it. */
  undefined: 0,
  /** An integer of any size: two's complement, high byte first, as msgpackr writes it. */
  bigint: 0x42,
  /** A `Map`: one MessagePack array of keys and values in turn. */
  map: 0x4d,
  /** A `Set`: one MessagePack array. */
  set: 0x53,
} as const;

/** Writes a valid date in the shortest of the three forms that the specification has. */
export function timestampBytes(date: Date): Uint8Array {
  const ms = date.getTime();
  const seconds = Math.floor(ms / 1_000);
  const nanoseconds = (ms - seconds * 1_000) * 1e6;
  const high = Math.floor(seconds / 2 ** 32);
  if (high === 0 && nanoseconds === 0) return uint32Bytes(seconds);
  // 30 bits of nanoseconds, then 34 bits of seconds.
  if (high >= 0 && high <= 0b11) return uint32Bytes(nanoseconds * 4 + high, seconds);
  return uint32Bytes(nanoseconds, high, seconds);
}

/** Writes the lowest 32 bits of integers. */
function uint32Bytes(...integers: number[]): Uint8Array {
  const view = new DataView(new ArrayBuffer(4 * integers.length));
  for (const [index, integer] of integers.entries()) view.setUint32(4 * index, integer);
  return new Uint8Array(view.buffer);
}

/**
 * Reads the date of a timestamp's seconds and nanoseconds.
 *
 * @throws {RangeError} If there is no such form, or no such date.
 */
export function readDate(bytes: Uint8Array): Date {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const ms = readMs(view);
  const date = new Date(ms);
  if (Number.isNaN(date.getTime())) throw new RangeError(`a date of ${ms} ms is out of range`);
  return date;
}

function readMs(view: DataView): number {
  switch (view.byteLength) {
    case 4:
      return view.getUint32(0) * 1_000;
    case 8: {
      const nanoseconds = view.getUint32(0) >>> 2;
      const seconds = (view.getUint32(0) & 0b11) * 2 ** 32 + view.getUint32(4);
      return seconds * 1_000 + Math.floor(nanoseconds / 1e6);
    }
    case 12:
      return Number(view.getBigInt64(4)) * 1_000 + Math.floor(view.getUint32(0) / 1e6);
    default:
      throw new RangeError(`a timestamp cannot have ${view.byteLength} bytes`);
  }
}

/** Writes an integer of any size. */
export function bigintBytes(value: bigint): Uint8Array {
  // Of a negative integer, the bits of its complement are written inverted.
  const isNegative = value < 0n;
  const digits = (isNegative ? ~value : value).toString(16);
  // One more bit than the digits need, for the sign.
  const needsByte = digits.length % 2 === 0 && digits.charCodeAt(0) >= "8".charCodeAt(0);
  const byteLength = Math.ceil(digits.length / 2) + (needsByte ? 1 : 0);
  const bytes = Uint8Array.fromHex(digits.padStart(byteLength * 2, "0"));
  return isNegative ? invert(bytes) : bytes;
}

/**
 * Reads an integer of any size.
 *
 * @throws {RangeError} If it has no bytes.
 */
export function readBigint(bytes: Uint8Array): bigint {
  if (bytes.length === 0) throw new RangeError("an integer cannot have 0 bytes");
  const isNegative = (bytes[0] ?? 0) >= 0x80;
  const magnitude = isNegative ? invert(new Uint8Array(bytes)) : bytes;
  const value = BigInt(`0x${magnitude.toHex()}`);
  return isNegative ? ~value : value;
}

function invert(bytes: Uint8Array): Uint8Array {
  for (let index = 0; index < bytes.length; index++) bytes[index] = ~(bytes[index] ?? 0);
  return bytes;
}
