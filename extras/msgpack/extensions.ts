/** How MessagePack carries what it has no type for: extension types, by number. @module */

import { encodeDateToTimeSpec, encodeTimeSpecToTimestamp, ExtData } from "../../deps/msgpack.ts";

/** The extension types on the wire: `-1` is of the specification, the others are applications'. */
export const EXTENSION = {
  /** A moment. */
  timestamp: -1,
  /** `undefined`, as notepack and msgpackr write it. */
  undefined: 0,
  /** The number `-0`, which the library writes as `0`. */
  negativeZero: 0x2d,
  /** An integer of any size: two's complement, high byte first, as msgpackr writes it. */
  bigint: 0x42,
  /** A `Map`: one MessagePack array of keys and values in turn. */
  map: 0x4d,
  /** A `Set`: one MessagePack array. */
  set: 0x53,
  /** A string that starts with U+FEFF, which the library would take for a byte order mark. */
  text: 0x54,
} as const;

/** A bigint that keeps its type; others come from 64-bit integers and may become numbers. */
export class ExactBigint {
  /** The integer. */
  readonly value: bigint;

  /** Marks an integer. */
  constructor(value: bigint) {
    this.value = value;
  }
}

/** Writes `undefined`. */
export const UNDEFINED: ExtData = new ExtData(EXTENSION.undefined, new Uint8Array(1));

/** Writes `-0`. */
export const NEGATIVE_ZERO: ExtData = new ExtData(EXTENSION.negativeZero, new Uint8Array(1));

/** Writes a valid date. */
export function dateExtension(date: Date): ExtData {
  const bytes = encodeTimeSpecToTimestamp(encodeDateToTimeSpec(date));
  return new ExtData(EXTENSION.timestamp, bytes);
}

/** Reads the date of a timestamp's seconds and nanoseconds. */
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
      // 30 bits of nanoseconds, then 34 bits of seconds.
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
export function bigintExtension(value: bigint): ExtData {
  // Of a negative integer, the bits of its complement are written inverted.
  const isNegative = value < 0n;
  const digits = (isNegative ? ~value : value).toString(16);
  // One more bit than the digits need, for the sign.
  const needsByte = digits.length % 2 === 0 && digits.charCodeAt(0) >= "8".charCodeAt(0);
  const byteLength = Math.ceil(digits.length / 2) + (needsByte ? 1 : 0);
  const bytes = Uint8Array.fromHex(digits.padStart(byteLength * 2, "0"));
  if (isNegative) invert(bytes);
  return new ExtData(EXTENSION.bigint, bytes);
}

/** Reads an integer of any size. */
export function readBigint(bytes: Uint8Array): bigint {
  if (bytes.length === 0) throw new RangeError("an integer cannot have 0 bytes");
  const isNegative = (bytes[0] ?? 0) >= 0x80;
  const magnitude = isNegative ? invert(bytes.slice()) : bytes;
  const value = BigInt(`0x${magnitude.toHex()}`);
  return isNegative ? ~value : value;
}

function invert(bytes: Uint8Array): Uint8Array {
  for (let index = 0; index < bytes.length; index++) bytes[index] = ~(bytes[index] ?? 0);
  return bytes;
}
