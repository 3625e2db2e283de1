/** Frames: splitting a byte stream into them, and writing them. @module */

import { AmqpError } from "./amqp_error.ts";
import type { ByteWriter } from "./byte_writer.ts";

/** The frame types of AMQP 0-9-1. */
export const FrameType = { method: 1, header: 2, body: 3, heartbeat: 8 } as const;

/** The octet that ends every frame. */
export const FRAME_END = 0xce;

/** The bytes of a frame around its payload. */
export const FRAME_OVERHEAD = 8;

/** The eight bytes with which a client of AMQP 0-9-1 begins. */
export const PROTOCOL_HEADER: Uint8Array = Uint8Array.of(0x41, 0x4d, 0x51, 0x50, 0, 0, 9, 1);

/** The same as clients of AMQP 0-9 wrote it, which RabbitMQ still takes. */
const OLD_PROTOCOL_HEADER: Uint8Array = Uint8Array.of(0x41, 0x4d, 0x51, 0x50, 1, 1, 0, 9);

/** Tells whether a client begins with AMQP 0-9-1. */
export function isProtocolHeader(header: Uint8Array): boolean {
  return [PROTOCOL_HEADER, OLD_PROTOCOL_HEADER].some((known) =>
    known.every((byte, index) => byte === header[index])
  );
}

/** Returns the header that answers a client of another protocol: `own` if it is from elsewhere. */
export function headerForForeigner(header: Uint8Array, own: readonly number[]): Uint8Array {
  const [a, m, q, p, protocol, major, minor = 0] = header;
  const isAmqp = a === 0x41 && m === 0x4d && q === 0x51 && p === 0x50;
  // The protocol 0-10 and odd revisions of 0-9 get the one that they nearly speak.
  const isNearlyOurs = isAmqp && protocol === 0 && major === 0 && minor >= 9;
  // Who asks for AMQP 1.0 would take the name of it for a yes.
  const isLater = isAmqp && major === 1 && minor === 0;
  if (isNearlyOurs || isLater) return PROTOCOL_HEADER.slice();
  return Uint8Array.of(...PROTOCOL_HEADER.subarray(0, 4), ...own);
}

/** One frame; the payload is a view that is valid until the handler returns. */
export interface Frame {
  /** One of {@linkcode FrameType}, or what a faulty peer sent. */
  readonly type: number;
  /** The channel number. */
  readonly channel: number;
  /** The bytes between the frame header and the frame end. */
  readonly payload: Uint8Array;
}

/** Cuts a byte stream, split anywhere, into frames. */
export class FrameReader {
  /** The largest payload that is accepted, in bytes. */
  maxFrameSize: number;
  #input: Uint8Array = new Uint8Array(0);
  #offset = 0;
  /** The room behind the input, if it is in a buffer of our own. */
  #room = 0;

  /** Creates a reader that accepts frames of at most `maxFrameSize` bytes. */
  constructor(maxFrameSize: number) {
    this.maxFrameSize = maxFrameSize;
  }

  /** Takes the next bytes of the stream; they must not change afterwards. */
  push(chunk: Uint8Array): void {
    const rest = this.#input.length - this.#offset;
    if (rest === 0) {
      this.#input = chunk;
      this.#offset = this.#room = 0;
    } else this.#append(chunk);
  }

  /** Takes `count` bytes that are not a frame, or `undefined` if there are not so many yet. */
  take(count: number): Uint8Array | undefined {
    const end = this.#offset + count;
    if (end > this.#input.length) return undefined;
    const bytes = this.#input.subarray(this.#offset, end);
    this.#offset = end;
    return bytes;
  }

  /**
   * Returns the next whole frame, or `undefined` until more bytes come.
   *
   * @throws {AmqpError} If a frame is too large or has no frame end.
   */
  next(): Frame | undefined {
    const input = this.#input;
    const start = this.#offset;
    if (input.length - start < 7) return undefined;
    const view = new DataView(input.buffer, input.byteOffset + start, 7);
    const type = view.getUint8(0);
    const size = view.getUint32(3);
    // RabbitMQ allows the overhead twice; so do we, to refuse exactly what it refuses.
    if (size > this.maxFrameSize) {
      const limit = this.maxFrameSize - FRAME_OVERHEAD;
      const reason = `{frame_too_large,${size},${limit}}`;
      throw new AmqpError("frame-error", `type ${type}, all octets = <<>>: ${reason}`);
    }
    const end = start + FRAME_OVERHEAD + size;
    if (end > input.length) return undefined;
    const payload = input.subarray(start + 7, end - 1);
    const mark = input[end - 1];
    if (mark !== FRAME_END) {
      const reason = `{invalid_frame_end_marker,${mark}}`;
      throw new AmqpError("frame-error", `type ${type}, ${snippet(payload)}: ${reason}`);
    }
    this.#offset = end;
    return { type, channel: view.getUint16(1), payload };
  }

  /** Room doubles, so that a frame in many small pieces costs no more than in a few large ones. */
  #append(chunk: Uint8Array): void {
    const end = this.#input.length + chunk.length;
    if (chunk.length > this.#room) {
      const rest = this.#input.subarray(this.#offset);
      const larger = new Uint8Array(2 * (rest.length + chunk.length));
      larger.set(rest);
      larger.set(chunk, rest.length);
      this.#input = larger.subarray(0, rest.length + chunk.length);
      this.#offset = 0;
      this.#room = larger.length - this.#input.length;
      return;
    }
    this.#input = new Uint8Array(this.#input.buffer, this.#input.byteOffset, end);
    this.#input.set(chunk, end - chunk.length);
    this.#room -= chunk.length;
  }
}

/** Writes a whole frame. */
export function writeFrame(writer: ByteWriter, frame: Frame): void {
  writer.octet(frame.type);
  writer.short(frame.channel);
  writer.long(frame.payload.length);
  writer.bytes(frame.payload);
  writer.octet(FRAME_END);
}

/** Writes a frame whose payload is written by `writePayload`; its size is filled in afterwards. */
export function writeFrameWith(
  writer: ByteWriter,
  head: Pick<Frame, "type" | "channel">,
  writePayload: () => void,
): void {
  writer.octet(head.type);
  writer.short(head.channel);
  const sizeAt = writer.length;
  writer.long(0);
  writePayload();
  writer.patchLong(sizeAt, writer.length - sizeAt - 4);
  writer.octet(FRAME_END);
}

/** Returns RabbitMQ's error for a frame where it does not belong. */
export function unexpectedFrame({ type, payload }: Frame): AmqpError {
  return new AmqpError("unexpected-frame", `type ${type}, ${snippet(payload)}`);
}

/** Tells whether a payload is long enough for its type; a heartbeat has none. */
export function isKnownFrame({ type, payload: { length } }: Frame): boolean {
  switch (type) {
    case FrameType.method:
      return length >= 4;
    case FrameType.header:
      return length >= 12;
    case FrameType.body:
      return true;
    case FrameType.heartbeat:
      return length === 0;
    default:
      return false;
  }
}

/** Returns RabbitMQ's error for a frame that is none. */
export function unknownFrame({ type, payload }: Frame): AmqpError {
  return new AmqpError("frame-error", `type ${type}, ${snippet(payload)}: unknown_frame`);
}

/** Renders the start of a payload as RabbitMQ's texts do. */
function snippet(payload: Uint8Array): string {
  const length = payload.length <= 16 ? "all" : "first 16";
  return `${length} octets = <<${payload.subarray(0, 16).join(",")}>>`;
}
