/**
 * Contains messages whose headers amqplib cannot decode. It hides how it reads frames, so that is looked
 * at before it is used.
 *
 * @module
 */

import { readPropertiesWithoutHeaders } from "./basic_properties.ts";

/** The part of amqplib's connection that reads frames. */
interface FrameReader {
  /** Bytes that have come and are not decoded yet. */
  rest: Uint8Array;
  recvFrame(): unknown;
}

/** A content header as amqplib decodes it. */
interface HeaderFrame {
  /** The class: 60 is basic. */
  readonly id: number;
  readonly channel: number;
  /** Of the body. */
  readonly size: number;
  readonly fields: object;
}

/** Source: AMQP 0-9-1, section 4.2.3. */
const HEADER_FRAME = 2;
const FRAME_PREFIX_BYTES = 7;
/** Class, weight and body size come before the properties. */
const HEADER_PREFIX_BYTES = 12;

/**
 * Keeps messages whose headers amqplib cannot decode from ending the connection, again and again, as
 * the broker would deliver them anew. They come without headers, and with `malformed`, the reason.
 *
 * @param connection amqplib's connection.
 * @throws {Error} If this is another amqplib than the one that this was written for.
 */
export function containMalformedHeaders(connection: unknown): void {
  if (!isFrameReader(connection)) {
    throw new Error("Cannot guard the connection as amqplib has changed: use amqplib 2.3");
  }
  const receive = connection.recvFrame;
  // amqplib calls itself through this after it has read more bytes, so `rest` begins with a frame.
  connection.recvFrame = function (this: FrameReader): unknown {
    const { rest } = this;
    try {
      return receive.call(this);
    } catch (error) {
      const frame = readHeaderFrame(rest, error);
      // amqplib has passed over it already if it was complete; else the connection is beyond help.
      if (frame === undefined || this.rest === rest) throw error;
      return frame;
    }
  };
}

function readHeaderFrame(bytes: Uint8Array, cause: unknown): HeaderFrame | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const start = FRAME_PREFIX_BYTES + HEADER_PREFIX_BYTES;
  if (bytes.length < start || view.getUint8(0) !== HEADER_FRAME) return undefined;
  const end = FRAME_PREFIX_BYTES + view.getUint32(3);
  if (bytes.length <= end) return undefined;
  const malformed = cause instanceof Error ? cause.message : String(cause);
  return {
    id: view.getUint16(FRAME_PREFIX_BYTES),
    channel: view.getUint16(1),
    size: Number(view.getBigUint64(FRAME_PREFIX_BYTES + 4)),
    fields: { ...readPropertiesWithoutHeaders(bytes.subarray(start, end)), malformed },
  };
}

function isFrameReader(connection: unknown): connection is FrameReader {
  return typeof connection === "object" && connection !== null &&
    "recvFrame" in connection && typeof connection.recvFrame === "function" &&
    "rest" in connection && connection.rest instanceof Uint8Array;
}
