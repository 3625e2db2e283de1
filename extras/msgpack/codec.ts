/**
 * A binary codec: MessagePack, for what JSON has no words for, such as bytes and dates.
 *
 * @module
 */

import { type Body, type Codec, MAX_DEPTH } from "../../codec.ts";
import { RpcError } from "../../errors.ts";
import { readMsgpack } from "./read.ts";
import { writeMsgpack } from "./write.ts";

export type { Body, Codec } from "../../codec.ts";

/**
 * MessagePack that brings back what was sent, types included: `Uint8Array`, `Date`, `bigint` of any
 * size, `Map`, `Set`, `undefined`, `NaN`, infinities and `-0`, nested in each other up to
 * 1,000 levels.
 *
 * - Bytes arrive as a copy of their own, also if they were sent as a Node.js `Buffer`.
 * - A 64-bit integer from another language arrives as a `number` if that is exact, and otherwise as
 *   a `bigint`. A `bigint` stays a `bigint`.
 * - As in JSON, `undefined` as the whole value is an empty body, and an object's `undefined`
 *   property is left out.
 * - What cannot be carried (functions, symbols, instances of classes, other typed arrays, invalid
 *   dates, cycles, the key `__proto__`, halves of surrogate pairs) is refused with its path.
 *
 * Other languages read plain data at once, and meet these extension types: -1 a timestamp of the
 * specification, 0 `undefined`, 0x42 a bigint (two's complement, high byte first), 0x4d a map and
 * 0x53 a set (a MessagePack array inside).
 *
 * Source: the {@link https://github.com/msgpack/msgpack/blob/master/spec.md | specification}.
 *
 * @example Bytes, dates and big integers
 * ```ts
 * import { assertEquals } from "jsr:@std/assert@^1.0.0";
 * import { msgpackCodec } from "@warren/rpc/msgpack";
 *
 * const photo = { taken: new Date(0), pixels: new Uint8Array([1, 2]), id: 2n ** 100n };
 * assertEquals(msgpackCodec.decode(msgpackCodec.encode(photo)), photo);
 * ```
 */
export const msgpackCodec: Codec = {
  contentType: "application/msgpack",
  // The one registered with IANA, and the one of Celery and older programs.
  aliases: ["application/vnd.msgpack", "application/x-msgpack"],
  encode(value: unknown): Uint8Array {
    return value === undefined ? new Uint8Array() : writeMsgpack(value, MAX_DEPTH);
  },
  decode(body: Body): unknown {
    if (body.length === 0) return undefined;
    try {
      if (typeof body === "string") throw new RangeError("it is text");
      return readMsgpack(body, MAX_DEPTH);
    } catch (error) {
      throw new RpcError(
        "undecodable",
        `Cannot decode a body as MessagePack as ${error instanceof Error ? error.message : error}`,
        { cause: error },
      );
    }
  },
};
