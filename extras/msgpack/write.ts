/** Writes values as MessagePack. @module */

import { describeObject, tooDeep, unencodable } from "../../codec.ts";
import { bigintBytes, EXTENSION, timestampBytes } from "./extensions.ts";

/** What errors call the format. */
const MSGPACK_FORMAT = "MessagePack";

/** A longer text is encoded apart, so that room for its worst case need not be made. */
const MAX_SHORT_CHARS = 256;

/** Sizes of extensions that have heads of their own, from 0xd4 on. */
const FIXED_EXTENSION_SIZES = [1, 2, 4, 8, 16];

const utf8 = new TextEncoder();

/** Memory for bodies that are not large, used again and again; `undefined` while it is in use. */
let scratch: Uint8Array<ArrayBuffer> | undefined = new Uint8Array(8_192);

/**
 * Writes a value.
 *
 * @param value The value.
 * @param maxDepth The most levels of objects, arrays, maps and sets.
 * @throws {RpcError} `unencodable`, naming the path of the offending value.
 */
export function writeMsgpack(value: unknown, maxDepth: number): Uint8Array {
  const bytes = scratch ?? new Uint8Array(1_024);
  // A getter may encode another value meanwhile.
  scratch = undefined;
  try {
    const writer = new Writer(bytes, maxDepth);
    writer.write(value, 0);
    return writer.written();
  } finally {
    scratch = bytes;
  }
}

/** The numbers are those of the specification's table of formats. */
class Writer {
  #bytes: Uint8Array<ArrayBuffer>;
  #view: DataView;
  #position = 0;
  readonly #maxDepth: number;
  /** Where the value is that is being written: as many parts as it is deep, and perhaps old ones. */
  readonly #path: (string | number)[] = [];

  constructor(bytes: Uint8Array<ArrayBuffer>, maxDepth: number) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer);
    this.#maxDepth = maxDepth;
  }

  /** All that was written, as a copy. */
  written(): Uint8Array {
    return this.#bytes.slice(0, this.#position);
  }

  write(value: unknown, depth: number): void {
    switch (typeof value) {
      case "string":
        return this.#writeText(value, depth);
      case "number":
        return this.#writeNumber(value);
      case "boolean":
        return this.#writeByte(value ? 0xc3 : 0xc2);
      case "bigint":
        return this.#writeExtension(EXTENSION.bigint, bigintBytes(value));
      case "undefined":
        return this.#writeExtension(EXTENSION.undefined, new Uint8Array(1));
      case "object":
        return value === null ? this.#writeByte(0xc0) : this.#writeObject(value, depth);
      default:
        throw this.#unencodable(depth, `is of type ${typeof value}`);
    }
  }

  #writeNumber(value: number): void {
    this.#reserve(9);
    if (!Number.isSafeInteger(value) || Object.is(value, -0)) {
      this.#view.setFloat64(this.#start(0xcb, 8), value);
    } else if (value >= 0) this.#writeNatural(value);
    else if (value >= -0x20) this.#bytes[this.#position++] = value;
    else if (value >= -0x80) this.#view.setInt8(this.#start(0xd0, 1), value);
    else if (value >= -0x8000) this.#view.setInt16(this.#start(0xd1, 2), value);
    else if (value >= -0x8000_0000) this.#view.setInt32(this.#start(0xd2, 4), value);
    else this.#view.setBigInt64(this.#start(0xd3, 8), BigInt(value));
  }

  #writeNatural(value: number): void {
    if (value < 0x80) this.#bytes[this.#position++] = value;
    else if (value < 0x100) this.#view.setUint8(this.#start(0xcc, 1), value);
    else if (value < 0x1_0000) this.#view.setUint16(this.#start(0xcd, 2), value);
    else if (value < 0x1_0000_0000) this.#view.setUint32(this.#start(0xce, 4), value);
    else this.#view.setBigUint64(this.#start(0xcf, 8), BigInt(value));
  }

  #writeText(text: string, depth: number): void {
    if (!text.isWellFormed()) throw this.#unencodable(depth, "has half of a surrogate pair");
    if (text.length > MAX_SHORT_CHARS) {
      const bytes = utf8.encode(text);
      this.#writeSize(0xd9, bytes.length);
      return this.#writeBytes(bytes);
    }
    this.#reserve(3 + 3 * text.length);
    // Most texts are ASCII: if not, the head may have to be longer.
    const likelyHead = headOfText(text.length);
    const start = this.#position;
    const size = this.#encodeShort(text, start + likelyHead);
    const head = headOfText(size);
    if (head !== likelyHead) {
      this.#bytes.copyWithin(start + head, start + likelyHead, start + likelyHead + size);
    }
    if (head === 1) this.#writeByte(0xa0 | size);
    else this.#writeSize(0xd9, size);
    this.#position += size;
  }

  /** Encodes a text for which there is room, and tells how many bytes it takes. */
  #encodeShort(text: string, start: number): number {
    for (let index = 0; index < text.length; index++) {
      const code = text.charCodeAt(index);
      if (code >= 0x80) return utf8.encodeInto(text, this.#bytes.subarray(start)).written;
      this.#bytes[start + index] = code;
    }
    return text.length;
  }

  #writeObject(value: object, depth: number): void {
    if (depth === this.#maxDepth) throw tooDeep(this.#path, MSGPACK_FORMAT, this.#maxDepth);
    if (Array.isArray(value)) return this.#writeArray(value, depth);
    if (value instanceof Uint8Array) {
      this.#writeSize(0xc4, value.length);
      return this.#writeBytes(value);
    }
    // The compiler does not narrow by prototypes: each `as` repeats what its case has found.
    switch (Object.getPrototypeOf(value)) {
      case Object.prototype:
      case null:
        if (Symbol.asyncIterator in value || Symbol.iterator in value) break;
        return this.#writeRecord(value as Record<string, unknown>, depth);
      case Date.prototype:
        return this.#writeDate(value as Date, depth);
      case Map.prototype:
        return this.#writeMap(value as Map<unknown, unknown>, depth);
      case Set.prototype:
        return this.#within(
          EXTENSION.set,
          () => this.#writeArray([...value as Set<unknown>], depth),
        );
    }
    throw this.#unencodable(depth, describeObject(value));
  }

  #writeArray(items: readonly unknown[], depth: number): void {
    // A getter of an item may change the array.
    const { length } = items;
    this.#writeCount(0x90, 0xdc, length);
    for (let index = 0; index < length; index++) this.#writePart(index, items[index], depth);
  }

  #writeRecord(record: Record<string, unknown>, depth: number): void {
    const keys = Object.keys(record);
    const start = this.#position;
    this.#writeCount(0x80, 0xde, keys.length);
    let count = 0;
    for (const key of keys) {
      const value = record[key];
      if (value === undefined) continue;
      if (key === "__proto__" || !key.isWellFormed()) {
        const reason = `has a key that cannot be carried: ${JSON.stringify(key)}`;
        throw this.#unencodable(depth, reason);
      }
      this.#writeText(key, depth);
      this.#writePart(key, value, depth);
      count++;
    }
    if (count < keys.length) this.#correctCount(start, count);
  }

  /** Counts less in a record's head, whose width stays. */
  #correctCount(start: number, count: number): void {
    switch (this.#bytes[start]) {
      case 0xde:
        return this.#view.setUint16(start + 1, count);
      case 0xdf:
        return this.#view.setUint32(start + 1, count);
      default:
        this.#bytes[start] = 0x80 | count;
    }
  }

  #writeDate(date: Date, depth: number): void {
    if (Number.isNaN(date.getTime())) throw this.#unencodable(depth, "is an invalid date");
    this.#writeExtension(EXTENSION.timestamp, timestampBytes(date));
  }

  #writeMap(map: ReadonlyMap<unknown, unknown>, depth: number): void {
    const entries = [...map];
    this.#within(EXTENSION.map, () => {
      this.#writeCount(0x90, 0xdc, entries.length * 2);
      for (const [index, [key, value]] of entries.entries()) {
        const part = typeof key === "string" || typeof key === "number" ? key : index;
        this.#writePart(part, key, depth);
        this.#writePart(part, value, depth);
      }
    });
  }

  #writePart(part: string | number, value: unknown, depth: number): void {
    this.#path[depth] = part;
    this.write(value, depth + 1);
  }

  /** Makes an extension of what is written meanwhile, whose size is known only then. */
  #within(type: number, writeBody: () => void): void {
    this.#reserve(6);
    const body = this.#start(0xc9, 5) + 5;
    writeBody();
    this.#view.setUint32(body - 5, this.#position - body);
    this.#view.setInt8(body - 1, type);
  }

  #writeExtension(type: number, bytes: Uint8Array): void {
    const fixed = FIXED_EXTENSION_SIZES.indexOf(bytes.length);
    if (fixed === -1) this.#writeSize(0xc7, bytes.length);
    else this.#writeByte(0xd4 + fixed);
    this.#writeByte(type);
    this.#writeBytes(bytes);
  }

  /** Writes a count of parts: within the head if it is small, else in 2 or 4 bytes after it. */
  #writeCount(smallHead: number, head: number, count: number): void {
    this.#reserve(5);
    if (count < 0x10) this.#bytes[this.#position++] = smallHead | count;
    else if (count < 0x1_0000) this.#view.setUint16(this.#start(head, 2), count);
    else this.#view.setUint32(this.#start(head + 1, 4), count);
  }

  /** Writes a size of 1, 2 or 4 bytes after the head of its width. */
  #writeSize(head: number, size: number): void {
    this.#reserve(5);
    if (size < 0x100) this.#view.setUint8(this.#start(head, 1), size);
    else if (size < 0x1_0000) this.#view.setUint16(this.#start(head + 1, 2), size);
    else this.#view.setUint32(this.#start(head + 2, 4), size);
  }

  /** Writes a head, and gives the position of what follows it, for which there is room. */
  #start(head: number, size: number): number {
    const body = this.#position + 1;
    this.#bytes[this.#position] = head;
    this.#position = body + size;
    return body;
  }

  #writeByte(byte: number): void {
    this.#reserve(1);
    this.#bytes[this.#position++] = byte;
  }

  #writeBytes(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.#position);
    this.#position += bytes.length;
  }

  /** Makes room. */
  #reserve(size: number): void {
    const needed = this.#position + size;
    if (needed <= this.#bytes.length) return;
    const larger = new Uint8Array(Math.max(needed, 2 * this.#bytes.length));
    larger.set(this.#bytes);
    this.#bytes = larger;
    this.#view = new DataView(larger.buffer);
  }

  #unencodable(depth: number, reason: string): Error {
    return unencodable(this.#path.slice(0, depth), MSGPACK_FORMAT, reason);
  }
}

/** Bytes before a text of so many bytes. */
function headOfText(size: number): number {
  if (size < 0x20) return 1;
  return size < 0x100 ? 2 : 3;
}
