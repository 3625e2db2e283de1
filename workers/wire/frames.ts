/**
 * Messages as bytes, for workers that share no memory with their pool. A frame is two lengths, a
 * header in JSON, and the body, which is not in the header because it may be long or binary.
 *
 * ```text
 * header length (4 bytes) | body length (4 bytes) | header | body
 * ```
 *
 * @module
 */

import type { PoolMessage, WorkerMessage } from "./protocol.ts";

const LENGTHS = 8;
const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Encodes one message. */
export function encodeFrame(message: PoolMessage | WorkerMessage): Uint8Array<ArrayBuffer>[] {
  const body = "body" in message ? message.body : "";
  const isText = typeof body === "string";
  const header = encoder.encode(JSON.stringify({ ...message, body: undefined, isText }));
  const content = isText ? encoder.encode(body) : new Uint8Array(body);
  const lengths = new Uint8Array(LENGTHS);
  const view = new DataView(lengths.buffer);
  view.setUint32(0, header.length);
  view.setUint32(4, content.length);
  return content.length === 0 ? [lengths, header] : [lengths, header, content];
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
  #pieces: Uint8Array[] = [];
  #length = 0;
  #needed = LENGTHS;

  /** Takes a chunk; returns the messages that it completes. */
  read(chunk: Uint8Array): Message[] {
    this.#pieces.push(chunk);
    this.#length += chunk.length;
    const messages: Message[] = [];
    while (this.#length >= this.#needed) {
      const bytes = this.#pieces.length === 1 ? this.#pieces[0] : joinBytes(this.#pieces);
      if (bytes === undefined) break;
      const end = frameEnd(bytes);
      this.#keep(bytes, end);
      if (bytes.length < end) continue;
      messages.push(decodeFrame(bytes.subarray(0, end)));
    }
    return messages;
  }

  /** Joining only once a frame is complete keeps the cost of a long frame linear. */
  #keep(bytes: Uint8Array, end: number): void {
    const rest = bytes.length < end ? bytes : bytes.subarray(end);
    this.#pieces = rest.length === 0 ? [] : [rest];
    this.#length = rest.length;
    this.#needed = bytes.length < end ? end : LENGTHS;
  }
}

function frameEnd(bytes: Uint8Array): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, LENGTHS);
  return LENGTHS + view.getUint32(0) + view.getUint32(4);
}

function decodeFrame<Message>(frame: Uint8Array): Message {
  const view = new DataView(frame.buffer, frame.byteOffset, LENGTHS);
  const bodyAt = LENGTHS + view.getUint32(0);
  const { isText, ...header } = JSON.parse(decoder.decode(frame.subarray(LENGTHS, bodyAt)));
  const body = frame.subarray(bodyAt);
  // Both ends of the pipe are this package's own code, started by the pool.
  return { ...header, body: isText ? decoder.decode(body) : body.slice() } as Message;
}
