/**
 * Codecs turn values into bodies and back. The JSON codec here is exact for integers of any size.
 *
 * @module
 */

import { RpcError } from "./errors.ts";
import { toPrintable } from "./internal/text.ts";

/** An encoded value: text for text formats, bytes for binary ones. */
export type Body = string | Uint8Array;

/** Turns values into bodies of one content type and back. */
export interface Codec {
  /** The content type that selects this codec, such as `application/json`. */
  readonly contentType: string;
  /**
   * Other content types that it decodes.
   *
   * @default {none}
   */
  readonly aliases?: readonly string[];
  /**
   * Encodes a value.
   *
   * @throws {RpcError} `unencodable`, naming the path of the offending value.
   */
  encode(value: unknown): Body;
  /**
   * Decodes a body.
   *
   * @throws {RpcError} `undecodable`, if the body is not what the content type says.
   */
  decode(body: Body): unknown;
}

/** The most levels of nesting that {@linkcode jsonCodec} encodes and decodes. */
export const MAX_DEPTH = 1_000;

/** The part of `JSON` that TypeScript's library does not describe yet (ECMAScript, source text access). */
interface ExactJson {
  parse(text: string, reviver: typeof readExactInteger): unknown;
  rawJSON(text: string): unknown;
}
const exactJson = JSON as JSON & ExactJson;

/**
 * Sixteen digits in a row, or three in an exponent: without them, no integer in a JSON text is
 * outside the safe range, and no number is read as `Infinity`.
 */
const LONG_NUMBER_REGEXP = /\d{16}|[eE]\+?\d{3}/;
const INTEGER_REGEXP = /^-?\d+$/;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
/** `[` and `{` differ in one bit, which is set in the latter; so do `]` and `}`. */
const BRACE_BIT = 0x20;
const OPENING_BRACE = 0x7b;
const CLOSING_BRACE = 0x7d;

/** What errors call the format. */
const JSON_FORMAT = "JSON";

/**
 * JSON that keeps integers exact: a `bigint` is written as plain digits, and plain digits outside
 * the safe range are read as a `bigint`. A `bigint` inside the safe range arrives as a `number`,
 * and a `number` outside it is written with an exponent, so that it stays a `number`.
 *
 * - `undefined` as the whole value is an empty body; an object's `undefined` property is left out.
 * - Anything else that JSON would change without a word (`NaN`, `Date`, `Map`, bytes, instances of
 *   classes, functions, cycles) is refused with its path.
 *
 * Source: RFC 8259, and the `JSON.parse` source text access of ECMAScript.
 *
 * @example Exact big integers
 * ```ts
 * import { assertEquals } from "jsr:@std/assert@^1.0.0";
 * import { jsonCodec } from "@warren/rpc";
 *
 * const body = jsonCodec.encode({ fibonacci100: 354224848179261915075n });
 * assertEquals(body, '{"fibonacci100":354224848179261915075}');
 * assertEquals(jsonCodec.decode(body), { fibonacci100: 354224848179261915075n });
 * ```
 */
export const jsonCodec: Codec = {
  contentType: "application/json",
  encode(value: unknown): string {
    if (value === undefined) return "";
    const needsExactIntegers = inspectValue(value, [], 0);
    return needsExactIntegers ? JSON.stringify(value, writeExactInteger) : JSON.stringify(value);
  },
  decode(body: Body): unknown {
    if (body.length === 0) return undefined;
    try {
      const text = typeof body === "string" ? body : decodeUtf8(body);
      if (isNestedDeeper(text, MAX_DEPTH)) {
        throw undecodable(`it is nested deeper than ${MAX_DEPTH} levels`);
      }
      return LONG_NUMBER_REGEXP.test(text)
        ? exactJson.parse(text, readExactInteger)
        : JSON.parse(text);
    } catch (error) {
      if (error instanceof RpcError) throw error;
      // It quotes the body, and so would the error itself as a cause.
      throw undecodable(toPrintable(error instanceof Error ? error.message : String(error)));
    }
  },
};

function undecodable(reason: string): RpcError {
  return new RpcError("undecodable", `Cannot decode a body as JSON: ${reason}`);
}

/** Bytes as they are. */
export const bytesCodec: Codec = {
  contentType: "application/octet-stream",
  encode(value: unknown): Uint8Array {
    if (value instanceof Uint8Array) return new Uint8Array(value);
    throw new RpcError("unencodable", `Cannot encode a value as bytes: it is ${typeof value}`);
  },
  decode(body: Body): Uint8Array {
    if (typeof body === "string") return new TextEncoder().encode(body);
    // A message may share its memory with others, but not the whole of it.
    const isWhole = body.byteLength === body.buffer.byteLength;
    return isWhole ? new Uint8Array(body.buffer) : new Uint8Array(body);
  },
};

/**
 * Chooses what a value leaves as. Bytes are none of JSON's, so they leave as they are; to bytes, the
 * answer may be anything.
 *
 * @param value An input, or an output.
 * @param codec The codec of its caller.
 */
export function codecOf(value: unknown, codec: Codec): Codec {
  if (codec !== jsonCodec && codec !== bytesCodec) return codec;
  return value instanceof Uint8Array ? bytesCodec : jsonCodec;
}

/**
 * Finds the codec for a content type. Without one, and for `text/plain`, it is JSON: RabbitMQ's
 * tutorial sends bare digits.
 *
 * @param contentType The `contentType` property of a message.
 * @param codecs Other codecs than JSON and plain bytes.
 * @returns The codec, or `undefined` if there is none for it.
 */
export function codecFor(
  contentType: string | undefined,
  codecs: readonly Codec[] = [],
): Codec | undefined {
  if (contentType === undefined || contentType === jsonCodec.contentType) return jsonCodec;
  const mediaType = contentType.split(";", 1)[0]?.trim().toLowerCase();
  if (mediaType === "" || mediaType === "text/plain" || mediaType === jsonCodec.contentType) {
    return jsonCodec;
  }
  if (mediaType === undefined) return undefined;
  const found = codecs.find(({ contentType, aliases = [] }) =>
    contentType === mediaType || aliases.includes(mediaType)
  );
  return found ?? (mediaType === bytesCodec.contentType ? bytesCodec : undefined);
}

const utf8 = new TextDecoder("utf-8", { fatal: true });

/**
 * Decodes bytes as UTF-8 text.
 *
 * @param bytes The bytes of a text body.
 * @returns The text.
 * @throws {TypeError} If the bytes are not UTF-8: nothing is replaced in silence.
 */
export function decodeUtf8(bytes: Uint8Array): string {
  return utf8.decode(bytes);
}

/** Checks that JSON carries the value unchanged; tells whether it holds integers to be marked. */
function inspectValue(value: unknown, path: (string | number)[], depth: number): boolean {
  switch (typeof value) {
    case "string":
    case "boolean":
      return false;
    case "bigint":
      return true;
    case "number":
      if (!Number.isFinite(value)) throw unencodable(path, JSON_FORMAT, `is ${value}`);
      return isAltered(value);
    case "object":
      return value !== null && inspectObject(value, path, depth);
    default:
      throw unencodable(path, JSON_FORMAT, `is of type ${typeof value}`);
  }
}

function inspectObject(value: object, path: (string | number)[], depth: number): boolean {
  if (depth === MAX_DEPTH) throw tooDeep(path, JSON_FORMAT, MAX_DEPTH);
  let found = false;
  if (Array.isArray(value)) {
    if (Object.getPrototypeOf(value) !== Array.prototype || "toJSON" in value) {
      throw unencodable(path, JSON_FORMAT, describeObject(value));
    }
    for (let index = 0; index < value.length; index++) {
      path.push(index);
      found = inspectValue(value[index], path, depth + 1) || found;
      path.pop();
    }
    return found;
  }
  const prototype: unknown = Object.getPrototypeOf(value);
  if ((prototype !== Object.prototype && prototype !== null) || "toJSON" in value) {
    throw unencodable(path, JSON_FORMAT, describeObject(value));
  }
  for (const key of Object.keys(value)) {
    const member: unknown = Reflect.get(value, key);
    if (member === undefined) continue;
    path.push(key);
    found = inspectValue(member, path, depth + 1) || found;
    path.pop();
  }
  return found;
}

function writeExactInteger(
  this: Readonly<Record<string, unknown>>,
  key: string,
  value: unknown,
): unknown {
  // Not `value`: that has been through BigInt.prototype.toJSON(), which many programs define.
  const original = this[key];
  if (typeof original === "bigint") return exactJson.rawJSON(original.toString());
  if (typeof value !== "number" || !isAltered(value)) return value;
  return exactJson.rawJSON(value === 0 ? "-0" : value.toExponential());
}

/** Whether a plain `JSON.stringify` would write this number as something else to our reader. */
function isAltered(value: number): boolean {
  return Number.isInteger(value) && (!Number.isSafeInteger(value) || Object.is(value, -0));
}

function readExactInteger(_key: string, value: unknown, context: { source?: string }): unknown {
  if (typeof value !== "number" || Number.isSafeInteger(value)) return value;
  const { source = "" } = context;
  if (INTEGER_REGEXP.test(source)) return BigInt(source);
  if (Number.isFinite(value)) return value;
  throw new RangeError(`Cannot read "${source}" as it is too large for a number`);
}

/** The keys and indexes that lead from a whole value to a part of it. */
export type ValuePath = readonly (string | number)[];

/**
 * Makes the error of a value that a codec cannot carry.
 *
 * @param path Where the offending part is.
 * @param format The format's name, such as `JSON`.
 * @param reason What it is or has, such as `is NaN`.
 */
export function unencodable(path: ValuePath, format: string, reason: string): RpcError {
  return new RpcError(
    "unencodable",
    `Cannot encode the value at "${formatPath(path)}" as ${format}: it ${reason}`,
  );
}

/** Writes a path for people, such as `$.tags[1]`; `$` is the whole value. */
export function formatPath(path: ValuePath): string {
  return path.reduce<string>(
    (before, part) => before + (typeof part === "number" ? `[${part}]` : `.${part}`),
    "$",
  );
}

/** Makes the error of a value that refers to itself or has too many levels. */
export function tooDeep(path: ValuePath, format: string, maxDepth: number): RpcError {
  const reason = `is cyclic or nested deeper than ${maxDepth} levels`;
  return unencodable(path.slice(0, 8), format, reason);
}

/** Describes an object that is not plain data, for {@linkcode unencodable}. */
export function describeObject(value: object): string {
  if ("toJSON" in value && Object.getPrototypeOf(value) === Object.prototype) {
    return "is not plain data but an object with toJSON()";
  }
  const name: unknown = value.constructor?.name;
  const kind = typeof name === "string" && name !== "" ? `an instance of ${name}` : "of a class";
  return `is not plain data but ${kind}`;
}

/**
 * Tells whether a JSON text has more levels of arrays and objects than allowed. Whoever walks a value
 * by recursion, `structuredClone` and `postMessage` included, overflows the stack some thousand
 * levels down, and `JSON.parse` itself does not mind.
 *
 * @param text The text; whether it is JSON at all is for others to say.
 * @param maxDepth The most levels.
 */
export function isNestedDeeper(text: string, maxDepth: number): boolean {
  // Each level takes two characters, so that short texts need no look.
  if (text.length <= 2 * maxDepth) return false;
  let depth = 0;
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    if (code === QUOTE) index = endOfString(text, index);
    else if ((code | BRACE_BIT) === OPENING_BRACE) {
      if (++depth > maxDepth) return true;
    } else if ((code | BRACE_BIT) === CLOSING_BRACE) depth--;
  }
  return false;
}

function endOfString(text: string, start: number): number {
  let end = start;
  do {
    end = text.indexOf('"', end + 1);
    if (end === -1) return text.length;
  } while (isEscaped(text, end));
  return end;
}

function isEscaped(text: string, index: number): boolean {
  let backslashes = 0;
  while (text.charCodeAt(index - backslashes - 1) === BACKSLASH) backslashes++;
  return backslashes % 2 === 1;
}
