/**
 * Checks a MessagePack body before anything is made of it. @module
 *
 * The library trusts lengths: 5 bytes that claim an array of 4 billion items make it ask for the
 * memory at once, and a few such arrays in each other end the process. It also takes any bytes for
 * text. So the structure is walked first, which makes no objects.
 */

import { EXTENSION } from "./extensions.ts";

/**
 * Least memory that any body may come to, and how much more for each of its bytes: what JSON comes
 * to at worst. One byte is an empty map here, of which 4 MiB would come to 330 MB.
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

/** What a body holds. */
export interface MsgpackContents {
  /** Whether there are parts that the library gives back in a form of its own. */
  readonly needsRevival: boolean;
}

/**
 * Walks a body.
 *
 * @param bytes The body.
 * @param maxDepth The most levels of arrays and maps.
 * @returns What is in it.
 * @throws {RangeError} If it is not one complete value, is too deep, comes to too much memory, has text that is not UTF-8, or
 * an unknown extension type.
 */
export function scanMsgpack(bytes: Uint8Array, maxDepth: number): MsgpackContents {
  const scanner = new Scanner(bytes, maxDepth);
  scanner.skipValue(0);
  scanner.checkEnd(bytes.length);
  return scanner;
}

const utf8 = new TextDecoder("utf-8", { fatal: true });

class Scanner implements MsgpackContents {
  needsRevival = false;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #maxDepth: number;
  #position = 0;
  #memoryLeft: number;

  constructor(bytes: Uint8Array, maxDepth: number) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#maxDepth = maxDepth;
    this.#memoryLeft = BASE_MEMORY_BYTES + MEMORY_BYTES_PER_BYTE * bytes.length;
  }

  /** The numbers are those of the specification's table of formats. */
  skipValue(depth: number): void {
    const head = this.#view.getUint8(this.#position++);
    if (head < 0x80 || head >= 0xe0) return; // small integers
    if (head < 0x90) return this.#skipRecord(head & 0x0f, depth);
    if (head < 0xa0) return this.#skipArray(head & 0x0f, depth);
    if (head < 0xc0) return this.#skipText(head & 0x1f);
    if (head === 0xc1) throw new RangeError("there is a byte that the format never uses");
    if (head < 0xc4) return; // nil, false, true
    if (head < 0xc7) return this.#skipBytes(this.#readSize(1 << (head - 0xc4)));
    if (head < 0xca) return this.#skipExtension(this.#readSize(1 << (head - 0xc7)), depth);
    if (head < 0xcc) return this.#skip(4 << (head - 0xca)); // floats
    if (head < 0xd4) return this.#skipInteger(1 << ((head - 0xcc) % 4));
    if (head < 0xd9) return this.#skipExtension(1 << (head - 0xd4), depth);
    if (head < 0xdc) return this.#skipText(this.#readSize(1 << (head - 0xd9)));
    if (head < 0xde) return this.#skipArray(this.#readSize(2 << (head - 0xdc)), depth);
    this.#skipRecord(this.#readSize(2 << (head - 0xde)), depth);
  }

  checkEnd(end: number): void {
    const left = end - this.#position;
    if (left !== 0) throw new RangeError(`a value ends ${left} bytes before it should`);
  }

  #skip(size: number): void {
    const left = this.#bytes.length - this.#position;
    if (size > left) throw new RangeError(`there are ${left} bytes where ${size} should follow`);
    this.#position += size;
  }

  #skipRecord(count: number, depth: number): void {
    this.#spend(MEMORY_BYTES.record);
    this.#skipItems(count * 2, depth);
  }

  #skipArray(count: number, depth: number): void {
    this.#spend(MEMORY_BYTES.array);
    this.#skipItems(count, depth);
  }

  #skipItems(count: number, depth: number): void {
    if (depth >= this.#maxDepth) {
      throw new RangeError(`it is nested deeper than ${this.#maxDepth} levels`);
    }
    const left = this.#bytes.length - this.#position;
    if (count > left) {
      throw new RangeError(`there are ${left} bytes where ${count} items should be`);
    }
    this.#spend(MEMORY_BYTES.item * count);
    for (let index = 0; index < count; index++) this.skipValue(depth + 1);
  }

  #skipInteger(size: number): void {
    if (size === 8) this.needsRevival = true;
    this.#skip(size);
  }

  #skipBytes(size: number): void {
    this.needsRevival = true;
    this.#spend(MEMORY_BYTES.bytes);
    this.#skip(size);
  }

  #skipText(size: number): void {
    const start = this.#position;
    this.#skip(size);
    for (let index = start; index < this.#position; index++) {
      if ((this.#bytes[index] ?? 0) < 0x80) continue;
      return void utf8.decode(this.#bytes.subarray(index, this.#position));
    }
  }

  #skipExtension(size: number, depth: number): void {
    const type = this.#view.getInt8(this.#position++);
    const start = this.#position;
    switch (type) {
      case EXTENSION.map:
      case EXTENSION.set:
        this.needsRevival = true;
        this.#spend(MEMORY_BYTES.set);
        this.skipValue(depth);
        return this.checkEnd(start + size);
      case EXTENSION.text:
        return this.#skipText(size);
      case EXTENSION.bigint:
        this.needsRevival = true;
        this.#spend(MEMORY_BYTES.bigint);
        return this.#skip(size);
      case EXTENSION.timestamp:
        this.#spend(MEMORY_BYTES.date);
        return this.#skip(size);
      case EXTENSION.undefined:
      case EXTENSION.negativeZero:
        return this.#skip(size);
      default:
        throw new RangeError(`there is an unknown extension type: ${type}`);
    }
  }

  /** Notes what a value will take. */
  #spend(memory: number): void {
    this.#memoryLeft -= memory;
    if (this.#memoryLeft >= 0) return;
    const limit = BASE_MEMORY_BYTES + MEMORY_BYTES_PER_BYTE * this.#bytes.length;
    throw new RangeError(
      `its values take too much memory: the limit for ${this.#bytes.length} bytes is ${limit} bytes`,
    );
  }

  /** Reads a length of 1, 2 or 4 bytes. */
  #readSize(width: number): number {
    const start = this.#position;
    this.#position += width;
    if (width === 1) return this.#view.getUint8(start);
    return width === 2 ? this.#view.getUint16(start) : this.#view.getUint32(start);
  }
}
