/**
 * Messages as bytes, for workers that share no memory with their pool. A frame is a mark, two
 * lengths, a header in JSON, and the body, which is not in the header because it may be long or
 * binary.
 *
 * ```text
 * mark (4 bytes) | header length (4 bytes) | body length (4 bytes) | header | body
 * ```
 *
 * @module
 */

import type { PoolMessage, WorkerMessage } from "./protocol.ts";

/** The first byte begins no UTF-8 text, so that what somebody prints is not taken for a frame. */
const MARK = [0xf5, 0x57, 0x52, 0x50];
const HEADER_AT = 12;

/** The largest header: it holds no more than names, and the reason of an end. */
const MAX_HEADER_BYTES = 2 ** 22;

/** The largest body that a worker may send: what its pool has to hold in memory. */
export const MAX_FRAME_BODY_BYTES: number = 2 ** 28;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Encodes one message. */
export function encodeFrame(message: PoolMessage | WorkerMessage): Uint8Array<ArrayBuffer>[] {
  const body = "body" in message ? message.body : "";
  const isText = typeof body === "string";
  const header = encoder.encode(JSON.stringify({ ...message, body: undefined, isText }));
  const content = isText ? encoder.encode(body) : new Uint8Array(body);
  const start = new Uint8Array(HEADER_AT);
  start.set(MARK);
  const view = new DataView(start.buffer);
  view.setUint32(4, header.length);
  view.setUint32(8, content.length);
  return content.length === 0 ? [start, header] : [start, header, content];
}

/** Joins pieces into one: a write costs more than a copy. */
export function joinBytes(pieces: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const joined = new Uint8Array(pieces.reduce((length, piece) => length + piece.length, 0));
  let offset = 0;
  for (const piece of pieces) {
    joined.set(piece, offset);
    offset += piece.length;
  }
  return joined;
}

/**
 * Finds frames in a stream of chunks, which may begin and end anywhere.
 *
 * @typeParam Message What the other side sends.
 */
export class FrameReader<Message extends PoolMessage | WorkerMessage> {
  readonly #maxBodyBytes: number;
  #pieces: Uint8Array[] = [];
  #length = 0;
  #needed = 1;

  /**
   * Makes a reader that has read nothing.
   *
   * @param maxBodyBytes The largest body that the other side may send.
   */
  constructor(maxBodyBytes: number = Infinity) {
    this.#maxBodyBytes = maxBodyBytes;
  }

  /**
   * Takes a chunk; returns the messages that it completes.
   *
   * @throws {TypeError} If it is no part of a frame, or of one that is too large.
   */
  read(chunk: Uint8Array): Message[] {
    this.#pieces.push(chunk);
    this.#length += chunk.length;
    const messages: Message[] = [];
    while (this.#length >= this.#needed) {
      const bytes = this.#pieces.length === 1 ? this.#pieces[0] : joinBytes(this.#pieces);
      if (bytes === undefined) break;
      const end = this.#endOf(bytes);
      this.#keep(bytes, end);
      if (bytes.length < end) continue;
      messages.push(decodeFrame(bytes.subarray(0, end)));
    }
    return messages;
  }

  /** Where the first frame ends, or the part of it that must come before more can be known. */
  #endOf(bytes: Uint8Array): number {
    if (MARK.some((byte, index) => index < bytes.length && bytes[index] !== byte)) {
      throw new TypeError("Cannot read a message as it begins with something else");
    }
    if (bytes.length < HEADER_AT) return HEADER_AT;
    const view = new DataView(bytes.buffer, bytes.byteOffset, HEADER_AT);
    const [headerBytes, bodyBytes] = [view.getUint32(4), view.getUint32(8)];
    if (headerBytes > MAX_HEADER_BYTES || bodyBytes > this.#maxBodyBytes) {
      throw new TypeError(
        `Cannot read a message as it is too large: ${headerBytes} and ${bodyBytes} bytes`,
      );
    }
    return HEADER_AT + headerBytes + bodyBytes;
  }

  /** Joining only once a frame is complete keeps the cost of a long frame linear. */
  #keep(bytes: Uint8Array, end: number): void {
    const rest = bytes.length < end ? bytes : bytes.subarray(end);
    this.#pieces = rest.length === 0 ? [] : [rest];
    this.#length = rest.length;
    this.#needed = bytes.length < end ? end : 1;
  }
}

function decodeFrame<Message>(frame: Uint8Array): Message {
  const view = new DataView(frame.buffer, frame.byteOffset, HEADER_AT);
  const bodyAt = HEADER_AT + view.getUint32(4);
  const { isText, ...header } = JSON.parse(decoder.decode(frame.subarray(HEADER_AT, bodyAt)));
  const body = frame.subarray(bodyAt);
  // Both ends of the pipe are this package's own code, started by the pool.
  return { ...header, body: isText ? decoder.decode(body) : body.slice() } as Message;
}
