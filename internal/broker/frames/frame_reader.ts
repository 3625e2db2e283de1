/**
 * Reads the frames that each call needs: deliveries, confirms, and the messages that they are about.
 * amqplib makes eight views of each frame's memory, and a new text of each name in it, most of which
 * were there in the message before. Reading a request and a confirm takes 0.65 µs by it instead of
 * 1.6, a reply and a confirm 0.32 instead of 0.77.
 *
 * @module
 */

import type { Buffer } from "node:buffer";

/** A frame as amqplib decodes it. */
export type ReadFrame = MethodFrame | MessageHeader | MessageBody;

interface MethodFrame {
  readonly id: number;
  readonly channel: number;
  readonly fields: object;
}

interface MessageHeader extends MethodFrame {
  /** Of the body, in bytes. */
  readonly size: number;
}

interface MessageBody {
  readonly channel: number;
  readonly content: Uint8Array;
}

/** Source: AMQP 0-9-1, sections 4.2.3 to 4.2.6 and 1.8.3. */
const [METHOD_FRAME, HEADER_FRAME, BODY_FRAME, FRAME_END] = [1, 2, 3, 0xce] as const;
const FRAME_PREFIX_BYTES = 7;
const [BASIC_CLASS, BASIC_DELIVER, BASIC_ACK] = [60, 60 << 16 | 60, 60 << 16 | 80] as const;
/** Class, weight and size of the body. */
const HEADER_PREFIX_BYTES = 12;
/** Larger frames are amqplib's. */
const MAX_FRAME_BYTES = 64 * 1_024;
const [TWO_TO_32, TWO_TO_63] = [2 ** 32, 2 ** 63] as const;

/** Texts that are longer are made anew each time. */
const MAX_KEPT_CHARS = 64;
/** Of a table, the names and values of so many fields are kept. */
const MAX_KEPT_FIELDS = 16;

/** The texts of frames, each with its place among those that were read last. */
const [CONSUMER_TAG, EXCHANGE, ROUTING_KEY, CONTENT_TYPE, CONTENT_ENCODING, CORRELATION_ID] = [
  0,
  1,
  2,
  3,
  4,
  5,
] as const;
const [REPLY_TO, EXPIRATION, MESSAGE_ID, TYPE, USER_ID, APP_ID] = [6, 7, 8, 9, 10, 11] as const;
/** The name of the first field of a table; then its value, the name of the second, and so on. */
const TABLE = 12;
const PLACES = TABLE + 2 * MAX_KEPT_FIELDS;

/** The flags of the properties that are no short texts. */
const [HEADERS_FLAG, DELIVERY_MODE_FLAG, PRIORITY_FLAG, TIMESTAMP_FLAG] = [
  0x2000,
  0x1000,
  0x0800,
  0x0040,
] as const;
/** A property that nobody uses, and that more flags follow. */
const UNUSUAL_FLAGS = 0x0007;

/** Says that something is to be read by amqplib, which also knows what is wrong with it. */
class Unusual extends Error {}
const UNUSUAL = new Unusual();

/** Reads the frames of one connection. */
export class FrameReader {
  #bytes: Buffer;
  /** Where the next byte is, and where the payload of the frame ends. */
  #at = 0;
  #end = 0;
  /** Where the next frame begins. */
  #next = 0;
  /** What was there the last time, by its place. */
  readonly #texts: string[] = Array.from({ length: PLACES }, () => "");

  /** @param bytes What has come. */
  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  /** Goes on with other bytes. */
  start(bytes: Buffer): void {
    this.#bytes = bytes;
    this.#next = 0;
  }

  /** The bytes whose frames it has read, and those that it has not. */
  get bytes(): Buffer {
    return this.#bytes;
  }

  /** The bytes from the next frame on. */
  get rest(): Buffer {
    return this.#next === 0 ? this.#bytes : this.#bytes.subarray(this.#next);
  }

  /**
   * Reads the next frame.
   *
   * @returns `undefined` if it is not complete, or to be read by amqplib; then it is still the next.
   */
  read(): ReadFrame | undefined {
    const bytes = this.#bytes;
    const start = this.#next;
    if (start + FRAME_PREFIX_BYTES > bytes.length) return undefined;
    this.#at = start + 3;
    const size = this.#uint32();
    const end = this.#at + size;
    if (size > MAX_FRAME_BYTES || bytes[end] !== FRAME_END) return undefined;
    this.#end = end;
    try {
      const frame = this.#frame(bytes[start], octets(bytes, start + 1));
      this.#next = end + 1;
      return frame;
    } catch (error) {
      if (error !== UNUSUAL) throw error;
      return undefined;
    }
  }

  #frame(type: number | undefined, channel: number): ReadFrame {
    if (channel === 0) throw UNUSUAL;
    switch (type) {
      case METHOD_FRAME:
        return this.#method(channel);
      case HEADER_FRAME:
        return this.#header(channel);
      case BODY_FRAME:
        return { channel, content: this.#bytes.subarray(this.#at, this.#end) };
      default:
        throw UNUSUAL;
    }
  }

  #method(channel: number): MethodFrame {
    this.#require(4);
    const id = this.#uint32();
    if (id === BASIC_ACK) {
      const fields = { deliveryTag: this.#uint64(), multiple: this.#isOdd() };
      return { id, channel, fields };
    }
    if (id !== BASIC_DELIVER) throw UNUSUAL;
    const fields = {
      consumerTag: this.#shortText(CONSUMER_TAG),
      deliveryTag: this.#uint64(),
      redelivered: this.#isOdd(),
      exchange: this.#shortText(EXCHANGE),
      routingKey: this.#shortText(ROUTING_KEY),
    };
    return { id, channel, fields };
  }

  #header(channel: number): MessageHeader {
    this.#require(HEADER_PREFIX_BYTES + 2);
    const id = octets(this.#bytes, this.#at);
    if (id !== BASIC_CLASS) throw UNUSUAL;
    this.#at += 4;
    const size = this.#uint64();
    // Less than none, as amqplib reads it: the message would be waited for without an end.
    if (size >= TWO_TO_63) throw UNUSUAL;
    const flags = octets(this.#bytes, this.#at);
    this.#at += 2;
    return { id, channel, size, fields: this.#properties(flags) };
  }

  /** All members in each message, in one order: code that reads one form of objects is the fastest. */
  #properties(flags: number): object {
    if (flags & UNUSUAL_FLAGS) throw UNUSUAL;
    const contentType = this.#textIf(flags & 0x8000, CONTENT_TYPE);
    const contentEncoding = this.#textIf(flags & 0x4000, CONTENT_ENCODING);
    const headers = flags & HEADERS_FLAG ? this.#table() : undefined;
    const deliveryMode = flags & DELIVERY_MODE_FLAG ? this.#octet() : undefined;
    const priority = flags & PRIORITY_FLAG ? this.#octet() : undefined;
    const correlationId = this.#textIf(flags & 0x0400, CORRELATION_ID);
    const replyTo = this.#textIf(flags & 0x0200, REPLY_TO);
    const expiration = this.#textIf(flags & 0x0100, EXPIRATION);
    if (correlationId !== undefined) this.#texts[MESSAGE_ID] = correlationId;
    const messageId = this.#textIf(flags & 0x0080, MESSAGE_ID);
    const timestamp = flags & TIMESTAMP_FLAG ? this.#uint64() : undefined;
    const type = this.#textIf(flags & 0x0020, TYPE);
    const userId = this.#textIf(flags & 0x0010, USER_ID);
    const appId = this.#textIf(flags & 0x0008, APP_ID);
    return {
      contentType,
      contentEncoding,
      headers,
      deliveryMode,
      priority,
      correlationId,
      replyTo,
      expiration,
      messageId,
      timestamp,
      type,
      userId,
      appId,
      clusterId: undefined,
    };
  }

  #textIf(flag: number, place: number): string | undefined {
    return flag === 0 ? undefined : this.#shortText(place);
  }

  #table(): Record<string, unknown> {
    this.#require(4);
    const size = this.#uint32();
    this.#require(size);
    const [end, endOfFrame] = [this.#at + size, this.#end];
    this.#end = end;
    const table: Record<string, unknown> = {};
    let place: number = TABLE;
    while (this.#at < end) {
      const name = this.#shortText(place);
      table[name] = this.#value(place + 1);
      // What more fields there are take the places of the last one.
      if (place < PLACES - 2) place += 2;
    }
    this.#end = endOfFrame;
    return table;
  }

  /** What this package sends with each call, and what brokers add. */
  #value(place: number): unknown {
    switch (this.#octet()) {
      case 0x53: // S, a long text
        this.#require(4);
        return this.#text(this.#uint32(), place);
      case 0x74: // t, a boolean
        return this.#octet() !== 0;
      case 0x62: // b, 8 bits
        return this.#octet() << 24 >> 24;
      case 0x73: // s, 16 bits
        this.#require(2);
        this.#at += 2;
        return octets(this.#bytes, this.#at - 2) << 16 >> 16;
      case 0x49: // I, 32 bits
        this.#require(4);
        return this.#uint32() | 0;
      case 0x6c: // l, 64 bits
        this.#require(8);
        return (this.#uint32() | 0) * TWO_TO_32 + this.#uint32();
      default:
        throw UNUSUAL;
    }
  }

  #shortText(place: number): string {
    return this.#text(this.#octet(), place);
  }

  #text(length: number, place: number): string {
    this.#require(length);
    const start = this.#at;
    this.#at += length;
    const known = this.#texts[place];
    if (known !== undefined && known.length === length && isThere(known, this.#bytes, start)) {
      return known;
    }
    const text = this.#bytes.toString("utf8", start, start + length);
    if (length <= MAX_KEPT_CHARS) this.#texts[place] = text;
    return text;
  }

  #isOdd(): boolean {
    return (this.#octet() & 1) === 1;
  }

  #octet(): number {
    this.#require(1);
    return this.#bytes[this.#at++] ?? 0;
  }

  /** Without a look at whether they are there. */
  #uint32(): number {
    const at = this.#at;
    this.#at += 4;
    return octets(this.#bytes, at) * 0x10000 + octets(this.#bytes, at + 2);
  }

  #uint64(): number {
    this.#require(8);
    return this.#uint32() * TWO_TO_32 + this.#uint32();
  }

  #require(count: number): void {
    if (this.#at + count > this.#end) throw UNUSUAL;
  }
}

/** Two bytes as a number. */
function octets(bytes: Uint8Array, at: number): number {
  return (bytes[at] ?? 0) << 8 | (bytes[at + 1] ?? 0);
}

/** Whether a text is what the bytes say; never, if it is more than ASCII. */
function isThere(text: string, bytes: Uint8Array, start: number): boolean {
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index);
    if (unit > 0x7f || unit !== bytes[start + index]) return false;
  }
  return true;
}
