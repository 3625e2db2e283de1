/** Writing of AMQP's basic types into a buffer that grows. @module */

const TEXT_ENCODER = new TextEncoder();
const SHORT_STRING_MAX_BYTES = 255;

/** Writes AMQP's basic types; the buffer grows as needed. */
export class ByteWriter {
  #bytes: Uint8Array<ArrayBuffer>;
  #view: DataView;
  #length = 0;

  /** Creates a writer with room for `capacity` bytes before the first growth. */
  constructor(capacity = 256) {
    this.#bytes = new Uint8Array(capacity);
    this.#view = new DataView(this.#bytes.buffer);
  }

  /** The number of bytes written. */
  get length(): number {
    return this.#length;
  }

  /** Writes an unsigned 8-bit integer. */
  octet(value: number): void {
    const at = this.#grow(1);
    this.#view.setUint8(at, value);
  }

  /** Writes an unsigned 16-bit integer. */
  short(value: number): void {
    const at = this.#grow(2);
    this.#view.setUint16(at, value);
  }

  /** Writes an unsigned 32-bit integer. */
  long(value: number): void {
    const at = this.#grow(4);
    this.#view.setUint32(at, value);
  }

  /** Writes a 64-bit integer; negative ones in two's complement. */
  longLong(value: bigint): void {
    const at = this.#grow(8);
    this.#view.setBigInt64(at, BigInt.asIntN(64, value));
  }

  /** Writes an unsigned 64-bit integer given as a number: delivery tags and body sizes. */
  longLongNumber(value: number): void {
    const at = this.#grow(8);
    this.#view.setUint32(at, Math.floor(value / 0x1_0000_0000));
    this.#view.setUint32(at + 4, value % 0x1_0000_0000);
  }

  /** Writes a 32-bit or 64-bit floating-point number. */
  float(value: number, bits: 32 | 64): void {
    const at = this.#grow(bits / 8);
    if (bits === 32) this.#view.setFloat32(at, value);
    else this.#view.setFloat64(at, value);
  }

  /** Writes a short string, cut to 255 bytes: reply texts may echo names of any length. */
  shortString(text: string): void {
    const at = this.#grow(1 + SHORT_STRING_MAX_BYTES);
    const { written } = TEXT_ENCODER.encodeInto(
      text,
      this.#bytes.subarray(at + 1, at + 1 + SHORT_STRING_MAX_BYTES),
    );
    this.#bytes[at] = written;
    this.#length = at + 1 + written;
  }

  /** Writes a long string. */
  longString(bytes: Uint8Array): void {
    this.long(bytes.length);
    this.bytes(bytes);
  }

  /** Writes raw bytes. */
  bytes(bytes: Uint8Array): void {
    const at = this.#grow(bytes.length);
    this.#bytes.set(bytes, at);
  }

  /** Overwrites an unsigned 32-bit integer, for sizes that are known after their content. */
  patchLong(at: number, value: number): void {
    this.#view.setUint32(at, value);
  }

  /** Returns what was written and starts anew; the caller owns the result. */
  take(): Uint8Array {
    const taken = this.#bytes.slice(0, this.#length);
    this.#length = 0;
    return taken;
  }

  /** Makes room and returns where it starts; the buffer may be another one afterwards. */
  #grow(count: number): number {
    const start = this.#length;
    this.#length += count;
    if (this.#length > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(this.#length, this.#bytes.length * 2));
      larger.set(this.#bytes.subarray(0, start));
      this.#bytes = larger;
      this.#view = new DataView(larger.buffer);
    }
    return start;
  }
}

/** Encodes a string as UTF-8. */
export function encodeText(text: string): Uint8Array {
  return TEXT_ENCODER.encode(text);
}
