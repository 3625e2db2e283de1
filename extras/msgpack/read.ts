/**
 * Reads MessagePack from strangers: lengths, depth, text and what it all comes to in memory are
 * checked before anything is made of them. @module
 */

import { Buffer } from "node:buffer";
import { EXTENSION, readBigint, readDate } from "./extensions.ts";

/**
 * Least memory that any body may come to, and how much more for each of its bytes: what JSON comes
 * to at worst. One byte is an empty map here, of which 4 MiB would come to 330 MB. A body that is
 * refused for it has cost no more by then than one that is taken.
 */
const BASE_MEMORY_BYTES = 64 * 2 ** 20;
const MEMORY_BYTES_PER_BYTE = 24;

/** What a value takes beside its parts, in bytes. Measured with V8 14, rounded. */
const MEMORY_BYTES = {
  item: 8,
  array: 40,
  record: 56,
  bytes: 320,
  date: 112,
  bigint: 104,
  set: 400,
};

/** A byte order mark is part of the text. */
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** ASCII keys of records that came before, by a hash: the same ones come again and again. */
const knownKeys: string[] = new Array(256).fill("");

/**
 * Reads a body.
 *
 * @param bytes The body.
 * @param maxDepth The most levels of arrays and maps.
 * @returns The value, which shares no memory with the body.
 * @throws {Error} If it is not one complete value, is too deep, comes to too much memory, has text
 * that is not UTF-8, or an extension that is not as it should be.
 */
export function readMsgpack(bytes: Uint8Array, maxDepth: number): unknown {
  const reader = new Reader(bytes, maxDepth);
  const value = reader.read(0);
  reader.checkEnd(bytes.length);
  return value;
}

/** The numbers are those of the specification's table of formats. */
class Reader {
  readonly #bytes: Buffer;
  readonly #view: DataView;
  readonly #maxDepth: number;
  #position = 0;
  #memoryLeft: number;

  constructor({ buffer, byteOffset, length }: Uint8Array, maxDepth: number) {
    this.#bytes = Buffer.from(buffer, byteOffset, length);
    this.#view = new DataView(buffer, byteOffset, length);
    this.#maxDepth = maxDepth;
    this.#memoryLeft = BASE_MEMORY_BYTES + MEMORY_BYTES_PER_BYTE * length;
  }

  read(depth: number): unknown {
    const head = this.#view.getUint8(this.#position++);
    if (head < 0x80) return head;
    if (head >= 0xe0) return head - 0x100;
    if (head < 0x90) return this.#readRecord(head & 0x0f, depth);
    if (head < 0xa0) return this.#readArray(head & 0x0f, depth);
    if (head < 0xc0) return this.#readText(head & 0x1f);
    if (head < 0xc4) return readConstant(head);
    if (head < 0xc7) return this.#readBytes(this.#readSize(1 << (head - 0xc4)));
    if (head < 0xca) return this.#readExtension(this.#readSize(1 << (head - 0xc7)), depth);
    if (head < 0xd4) return this.#readNumber(head);
    if (head < 0xd9) return this.#readExtension(1 << (head - 0xd4), depth);
    if (head < 0xdc) return this.#readText(this.#readSize(1 << (head - 0xd9)));
    if (head < 0xde) return this.#readArray(this.#readSize(2 << (head - 0xdc)), depth);
    return this.#readRecord(this.#readSize(2 << (head - 0xde)), depth);
  }

  checkEnd(end: number): void {
    const left = end - this.#position;
    if (left !== 0) throw new RangeError(`a value ends ${left} bytes before it should`);
  }

  #readNumber(head: number): number | bigint {
    const view = this.#view;
    switch (head) {
      case 0xca:
        return view.getFloat32(this.#skip(4));
      case 0xcb:
        return view.getFloat64(this.#skip(8));
      case 0xcc:
        return view.getUint8(this.#skip(1));
      case 0xcd:
        return view.getUint16(this.#skip(2));
      case 0xce:
        return view.getUint32(this.#skip(4));
      case 0xcf:
        return toExactNumber(view.getBigUint64(this.#skip(8)));
      case 0xd0:
        return view.getInt8(this.#skip(1));
      case 0xd1:
        return view.getInt16(this.#skip(2));
      case 0xd2:
        return view.getInt32(this.#skip(4));
      default:
        return toExactNumber(view.getBigInt64(this.#skip(8)));
    }
  }

  #readText(size: number): string {
    const start = this.#skip(size);
    // A decoder that fails takes four times as long to begin as this one, which replaces.
    const text = this.#bytes.toString("utf8", start, this.#position);
    if (!text.includes("\uFFFD")) return text;
    return utf8.decode(this.#bytes.subarray(start, this.#position));
  }

  #readArray(count: number, depth: number): unknown[] {
    this.#enter(MEMORY_BYTES.array, count, depth);
    const items = new Array<unknown>(count);
    for (let index = 0; index < count; index++) items[index] = this.read(depth + 1);
    return items;
  }

  #readRecord(count: number, depth: number): Record<string, unknown> {
    this.#enter(MEMORY_BYTES.record, count * 2, depth);
    const record: Record<string, unknown> = {};
    for (let index = 0; index < count; index++) {
      const key = this.#readKey(depth + 1);
      if (key === "__proto__") throw new RangeError('the key "__proto__" is not allowed');
      record[key] = this.read(depth + 1);
    }
    return record;
  }

  /** Checks that there can be so many items, and makes room for them in the accounts. */
  #enter(memory: number, count: number, depth: number): void {
    if (depth >= this.#maxDepth) {
      throw new RangeError(`it is nested deeper than ${this.#maxDepth} levels`);
    }
    const left = this.#bytes.length - this.#position;
    if (count > left) {
      throw new RangeError(`there are ${left} bytes where ${count} items should be`);
    }
    this.#spend(memory + MEMORY_BYTES.item * count);
  }

  #readKey(depth: number): string {
    const head = this.#bytes[this.#position] ?? 0;
    if (head >= 0xa0 && head < 0xc0) {
      this.#position++;
      return this.#readShortKey(head & 0x1f);
    }
    const key = this.read(depth);
    if (typeof key === "string") return key;
    if (typeof key === "number") return String(key);
    throw new RangeError("a key is neither text nor a number");
  }

  #readShortKey(size: number): string {
    const start = this.#skip(size);
    let hash = size;
    for (let index = 0; index < size; index++) {
      hash = (31 * hash + (this.#bytes[start + index] ?? 0)) & 0xff;
    }
    const known = knownKeys[hash] ?? "";
    if (known.length === size && this.#isAt(start, known)) return known;
    this.#position = start;
    const key = this.#readText(size);
    // Only ASCII has as many characters as bytes; of others, a character is not a byte's code.
    if (key.length === size) knownKeys[hash] = key;
    return key;
  }

  /** Whether the bytes from a position on are this ASCII text. */
  #isAt(start: number, text: string): boolean {
    let index = 0;
    while (index < text.length && text.charCodeAt(index) === this.#bytes[start + index]) index++;
    return index === text.length;
  }

  #readBytes(size: number): Uint8Array {
    this.#spend(MEMORY_BYTES.bytes);
    const start = this.#skip(size);
    return new Uint8Array(this.#bytes.subarray(start, this.#position));
  }

  #readExtension(size: number, depth: number): unknown {
    const type = this.#view.getInt8(this.#position++);
    switch (type) {
      case EXTENSION.map:
        return toMap(this.#readItems(size, depth));
      case EXTENSION.set:
        return new Set(this.#readItems(size, depth));
      case EXTENSION.bigint:
        this.#spend(MEMORY_BYTES.bigint);
        return readBigint(this.#take(size));
      case EXTENSION.timestamp:
        this.#spend(MEMORY_BYTES.date);
        return readDate(this.#take(size));
      case EXTENSION.undefined:
        this.#skip(size);
        return undefined;
      default:
        throw new RangeError(`there is an unknown extension type: ${type}`);
    }
  }

  #readItems(size: number, depth: number): unknown[] {
    this.#spend(MEMORY_BYTES.set);
    const end = this.#position + size;
    const items = this.read(depth);
    this.checkEnd(end);
    if (Array.isArray(items)) return items;
    throw new RangeError("a map or set is not written as an array");
  }

  #take(size: number): Uint8Array {
    const start = this.#skip(size);
    return this.#bytes.subarray(start, this.#position);
  }

  /** Goes on behind so many bytes, and gives the position of the first. */
  #skip(size: number): number {
    const start = this.#position;
    const left = this.#bytes.length - start;
    if (size > left) throw new RangeError(`there are ${left} bytes where ${size} should follow`);
    this.#position = start + size;
    return start;
  }

  /** Notes what a value will take. */
  #spend(memory: number): void {
    this.#memoryLeft -= memory;
    if (this.#memoryLeft >= 0) return;
    const { length } = this.#bytes;
    const limit = BASE_MEMORY_BYTES + MEMORY_BYTES_PER_BYTE * length;
    throw new RangeError(
      `its values take too much memory: the limit for ${length} bytes is ${limit} bytes`,
    );
  }

  /** Reads a length of 1, 2 or 4 bytes. */
  #readSize(width: number): number {
    const start = this.#skip(width);
    if (width === 1) return this.#view.getUint8(start);
    return width === 2 ? this.#view.getUint16(start) : this.#view.getUint32(start);
  }
}

function readConstant(head: number): boolean | null {
  if (head === 0xc0) return null;
  if (head === 0xc1) throw new RangeError("there is a byte that the format never uses");
  return head === 0xc3;
}

function toMap(items: readonly unknown[]): Map<unknown, unknown> {
  if (items.length % 2 !== 0) throw new RangeError("a map has a key without a value");
  const map = new Map<unknown, unknown>();
  for (let index = 0; index < items.length; index += 2) map.set(items[index], items[index + 1]);
  return map;
}

function toExactNumber(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}
