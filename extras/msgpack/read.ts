/** Reads a MessagePack body that has been scanned, and makes what was sent of it. @module */

import { Decoder, type ExtensionCodecType } from "../../deps/msgpack.ts";
import { ExactBigint, EXTENSION, readBigint, readDate } from "./extensions.ts";

/** A byte order mark is part of the text. */
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

const extensionCodec: ExtensionCodecType<undefined> = {
  tryToEncode: () => null,
  decode: readExtension,
};

/**
 * Reads a body.
 *
 * @param bytes The body.
 * @param needsRevival What the scan said.
 * @throws {Error} If an extension, or a key of a map, is not what it should be.
 */
export function readMsgpack(bytes: Uint8Array, needsRevival: boolean): unknown {
  const value = read(bytes);
  return needsRevival ? revive(value) : value;
}

function read(bytes: Uint8Array): unknown {
  // Made anew each time, as a decoder keeps its last body for ever.
  return new Decoder({ extensionCodec, useBigInt64: true }).decode(bytes);
}

function readExtension(bytes: Uint8Array, type: number): unknown {
  switch (type) {
    case EXTENSION.timestamp:
      return readDate(bytes);
    case EXTENSION.undefined:
      return undefined;
    case EXTENSION.negativeZero:
      return -0;
    case EXTENSION.bigint:
      return new ExactBigint(readBigint(bytes));
    case EXTENSION.text:
      return utf8.decode(bytes);
    case EXTENSION.set:
      return new Set(readItems(bytes));
    case EXTENSION.map:
      return new Map(pairs(readItems(bytes)));
    default:
      throw new RangeError(`there is an unknown extension type: ${type}`);
  }
}

function readItems(bytes: Uint8Array): unknown[] {
  const items = read(bytes);
  if (Array.isArray(items)) return items;
  throw new RangeError("a map or set is not written as an array");
}

function pairs(items: readonly unknown[]): [unknown, unknown][] {
  if (items.length % 2 !== 0) throw new RangeError("a map has a key without a value");
  return Array.from({ length: items.length / 2 }, (_, index) => [
    items[index * 2],
    items[index * 2 + 1],
  ]);
}

/** Replaces, in what the library read, what it gives back in a form of its own. */
function revive(value: unknown): unknown {
  // Only 64-bit integers are bare bigints here.
  if (typeof value === "bigint") return toExactNumber(value);
  if (typeof value !== "object" || value === null) return value;
  // The library's bytes are a view of the body, which is not ours to keep.
  if (value instanceof Uint8Array) return new Uint8Array(value);
  if (value instanceof ExactBigint) return value.value;
  if (Array.isArray(value)) {
    for (let index = 0; index < value.length; index++) value[index] = revive(value[index]);
    return value;
  }
  if (value instanceof Set) return new Set(Array.from(value, revive));
  if (value instanceof Map) {
    return new Map(Array.from(value, ([key, item]) => [revive(key), revive(item)]));
  }
  if (value instanceof Date) return value;
  // The library makes nothing else but plain objects.
  return reviveRecord(value as Record<string, unknown>);
}

function reviveRecord(record: Record<string, unknown>): Record<string, unknown> {
  for (const key of Object.keys(record)) record[key] = revive(record[key]);
  return record;
}

function toExactNumber(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}
