/** Bodies of programs that speak AMQP 1.0, as RabbitMQ hands them on. @module */

import { UNNAMED_BYTES } from "../../codec.ts";

/** A body, and what it is. */
interface NamedBody {
  readonly body: Uint8Array;
  readonly contentType: string;
}

/** Source: AMQP 1.0, sections 1.6.19 to 1.6.22 and 3.2.8. */
const AMQP_VALUE_PREFIX = [0x00, 0x53, 0x77];
const [SHORT_BYTES, SHORT_TEXT, LONG_BYTES, LONG_TEXT] = [0xa0, 0xa1, 0xb0, 0xb1] as const;

/**
 * Takes the text, or the bytes, out of a value of AMQP 1.0.
 *
 * @returns `undefined` if it is anything else.
 */
export function readAmqpValue(body: Uint8Array): NamedBody | undefined {
  if (body.length < 5 || AMQP_VALUE_PREFIX.some((byte, index) => body[index] !== byte)) {
    return undefined;
  }
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  const kind = view.getUint8(3);
  const isShort = kind === SHORT_TEXT || kind === SHORT_BYTES;
  if (!isShort && ((kind !== LONG_TEXT && kind !== LONG_BYTES) || body.length < 8)) {
    return undefined;
  }
  const start = isShort ? 5 : 8;
  const length = isShort ? view.getUint8(4) : view.getUint32(4);
  if (start + length !== body.length) return undefined;
  const isText = kind === SHORT_TEXT || kind === LONG_TEXT;
  return { body: body.subarray(start), contentType: isText ? "text/plain" : UNNAMED_BYTES };
}
