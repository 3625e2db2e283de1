/**
 * Codecs turn values into bodies and back. The JSON codec here is exact for integers of any size.
 *
 * @module
 */

import { RpcError } from "./errors.ts";
import { toPrintable } from "./internal/text.ts";
import { inspectJsonText, readExactNumbers, undecodable } from "./internal/json_text.ts";

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

/** The most digits of a number that {@linkcode jsonCodec} decodes. */
const MAX_DIGITS = 10_000;

/** The part of `JSON` that TypeScript's library does not describe yet (ECMAScript, source text access). */
interface ExactJson {
  rawJSON(text: string): unknown;
}
const exactJson = JSON as JSON & ExactJson;

/**
 * Sixteen digits in a row, or three in an exponent: without them, no integer in a JSON text is
 * outside the safe range, and no number is read as `Infinity`.
 */
const LONG_NUMBER_REGEXP = /\d{16}|[eE]\+?\d{3}/;

/** All that are ours: bytes are none of theirs. */
const jsonCodecs = new WeakSet<Codec>();

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
export const jsonCodec: Codec = createJsonCodec();

/** Options of {@linkcode createJsonCodec}. */
export interface JsonCodecOptions {
  /**
   * The most digits of a number that it decodes, from 16; a body with a longer one is `undecodable`.
   *
   * @default {10_000}
   */
  readonly maxDigits?: number;
  /**
   * The largest body that it decodes, in bytes; a larger one is `too-large`. It bounds how long
   * decoding holds up the thread that decodes: half a mebibyte takes no more than about 20 ms,
   * whatever is in it.
   *
   * @default {Infinity}
   */
  readonly maxBytes?: number;
}

/**
 * Makes a {@linkcode jsonCodec} with other limits.
 *
 * @param options The limits.
 * @returns The codec, for the option `codecs`, where it comes before the one that is built in.
 * @throws {TypeError} If the limits are no object.
 * @throws {RangeError} If a limit is out of its bounds.
 *
 * @example Integers of a million digits
 * ```ts
 * import { assertEquals } from "jsr:@std/assert@^1.0.0";
 * import { createJsonCodec } from "@warren/rpc";
 *
 * const codec = createJsonCodec({ maxDigits: 1_000_000 });
 * assertEquals(codec.decode("9".repeat(20_000)), 10n ** 20_000n - 1n);
 * ```
 */
export function createJsonCodec(options: JsonCodecOptions = {}): Codec {
  checkLimits(options);
  const { maxDigits = MAX_DIGITS, maxBytes = Infinity } = options;
  checkLimit({ maxDigits }, 16);
  checkLimit({ maxBytes }, 1);
  const limits = { maxDepth: MAX_DEPTH, maxDigits };
  // Each level takes two characters.
  const shortChars = Math.min(2 * MAX_DEPTH, maxDigits);
  const codec: Codec = {
    contentType: "application/json",
    encode(value: unknown): string {
      if (value === undefined) return "";
      const needsExactIntegers = inspectValue(value, [], 0);
      return needsExactIntegers ? JSON.stringify(value, writeExactInteger) : JSON.stringify(value);
    },
    decode(body: Body): unknown {
      if (body.length === 0) return undefined;
      if (body.length > maxBytes) throw tooLarge(body.length, maxBytes);
      try {
        const text = typeof body === "string" ? body : decodeUtf8(body);
        // Short texts have no depth to look for, and few have long numbers.
        if (text.length <= shortChars && !LONG_NUMBER_REGEXP.test(text)) return JSON.parse(text);
        const bytes = typeof body === "string" ? utf8Encoder.encode(body) : body;
        const isExact = !inspectJsonText({ text, bytes }, limits);
        const value: unknown = JSON.parse(text);
        return isExact ? value : readExactNumbers({ text, bytes }, value);
      } catch (error) {
        if (error instanceof RpcError) throw error;
        // It quotes the body, and so would the error itself as a cause.
        throw undecodable(toPrintable(error instanceof Error ? error.message : String(error)));
      }
    },
  };
  jsonCodecs.add(codec);
  return codec;
}

function checkLimits(options: unknown): void {
  if (typeof options === "object" && options !== null && !Array.isArray(options)) return;
  throw new TypeError(
    'Cannot create a codec as "options" must be an object: ' +
      `current value is ${typeof options === "string" ? `"${options}"` : String(options)}`,
  );
}

function checkLimit(option: Readonly<Record<string, unknown>>, min: number): void {
  for (const [name, value] of Object.entries(option)) {
    if (typeof value === "number" && value >= min) continue;
    throw new RangeError(
      `Cannot create a codec as "${name}" must be a number of at least ${min}: ` +
        `current value is ${typeof value === "string" ? `"${value}"` : String(value)}`,
    );
  }
}

function tooLarge(bytes: number, maxBytes: number): RpcError {
  return new RpcError(
    "too-large",
    `Cannot decode a body as JSON as it has ${bytes} bytes: the limit "maxBytes" is ${maxBytes}`,
  );
}

/** Bytes as they are. */
export const bytesCodec: Codec = {
  contentType: "application/octet-stream",
  encode(value: unknown): Uint8Array {
    if (value instanceof Uint8Array) return new Uint8Array(value);
    throw new RpcError("unencodable", `Cannot encode a value as bytes: it is ${typeof value}`);
  },
  decode(body: Body): Uint8Array {
    if (typeof body === "string") return utf8Encoder.encode(body);
    // A message may share its memory with others, but not the whole of it.
    const isWhole = body.byteLength === body.buffer.byteLength;
    return isWhole ? new Uint8Array(body.buffer) : new Uint8Array(body);
  },
};

/**
 * The content type, for {@linkcode codecFor}, of bytes that nobody has named: many libraries send
 * `application/octet-stream` unless told otherwise, also for the digits of RabbitMQ's tutorial.
 */
export const UNNAMED_BYTES = "application/octet-stream;unnamed";

/** JSON if it is JSON, and bytes otherwise. */
const unnamedCodec: Codec = {
  ...bytesCodec,
  decode: (body) => jsonOr(body, () => bytesCodec.decode(body)),
};

/** RabbitMQ's tutorial sends bare digits; what is no JSON is a text as it is. */
const plainTextCodec: Codec = {
  contentType: "text/plain",
  encode: (value) => jsonCodec.encode(value),
  decode: (body) => jsonOr(body, () => typeof body === "string" ? body : decodePlainText(body)),
};

function jsonOr(body: Body, decodeOther: () => unknown): unknown {
  try {
    return jsonCodec.decode(body);
  } catch {
    return decodeOther();
  }
}

function decodePlainText(body: Uint8Array): string {
  try {
    return decodeUtf8(body);
  } catch {
    throw new RpcError("undecodable", "Cannot decode a body as text: it is not UTF-8");
  }
}

/**
 * Chooses what a value leaves as. Bytes are none of JSON's, so they leave as they are; to bytes and
 * to plain text, the answer may be anything.
 *
 * @param value An input, or an output.
 * @param codec The codec of its caller.
 */
export function codecOf(value: unknown, codec: Codec): Codec {
  const isOurs = codec === bytesCodec || codec === unnamedCodec || codec === plainTextCodec;
  if (!isOurs && !(value instanceof Uint8Array && jsonCodecs.has(codec))) return codec;
  return value instanceof Uint8Array ? bytesCodec : jsonCodec;
}

/**
 * Finds the codec for a content type. Without one, and for types that end with `+json`, it is JSON;
 * `text/plain` is JSON if it is JSON, and a text otherwise.
 *
 * @param contentType The `contentType` property of a message.
 * @param codecs Codecs that come before those for JSON, text and bytes.
 * @returns The codec, or `undefined` if there is none for it.
 */
export function codecFor(
  contentType: string | undefined,
  codecs: readonly Codec[] = [],
): Codec | undefined {
  const type = contentType === undefined ? jsonCodec.contentType : mediaTypeOf(contentType);
  for (const codec of codecs) {
    if (codec.contentType === type || codec.aliases?.includes(type)) return codec;
  }
  if (type === jsonCodec.contentType) return jsonCodec;
  if (type === plainTextCodec.contentType) return plainTextCodec;
  if (type === bytesCodec.contentType) {
    return contentType === UNNAMED_BYTES ? unnamedCodec : bytesCodec;
  }
  // Source: RFC 6839, section 3.1.
  return type.endsWith("+json") ? jsonCodec : undefined;
}

/** A content type without its parameters, in lower case; one that says nothing is JSON's. */
function mediaTypeOf(contentType: string): string {
  if (contentType === jsonCodec.contentType) return contentType;
  const [type = ""] = contentType.split(";", 1);
  return type.trim().toLowerCase() || jsonCodec.contentType;
}

const utf8Encoder = new TextEncoder();
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
  if (
    !isPlainObject(value) || "toJSON" in value ||
    Symbol.asyncIterator in value || Symbol.iterator in value
  ) {
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

/** Tells whether an object is of no class: a literal, or one without a prototype, as a module is. */
export function isPlainObject(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

/** Describes an object that is not plain data, for {@linkcode unencodable}. */
export function describeObject(value: object): string {
  if (Symbol.asyncIterator in value) return "is not plain data but streams items";
  if ("toJSON" in value && Object.getPrototypeOf(value) === Object.prototype) {
    return "is not plain data but an object with toJSON()";
  }
  if (Symbol.iterator in value && Object.getPrototypeOf(value) === Object.prototype) {
    return "is not plain data but an object with an iterator";
  }
  const name: unknown = value.constructor?.name;
  const kind = typeof name === "string" && name !== "" ? `an instance of ${name}` : "of a class";
  return `is not plain data but ${kind}`;
}
