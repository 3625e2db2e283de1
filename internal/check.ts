/** Checks of arguments, in the words of the caller. @module */

import { type Body, type Codec, isPlainObject } from "../codec.ts";
import { RpcError, type RpcErrorOptions } from "../errors.ts";
import { isPrintable, isShortText, MAX_SHORT_TEXT_BYTES, toPrintable } from "./text.ts";

/** Largest body unless told otherwise, in bytes: the default of RabbitMQ 4. */
export const DEFAULT_MAX_BODY_BYTES: number = 16 * 2 ** 20;

/** Most characters of a value that an error shows. */
const SHOWN_CHARS = 80;

/**
 * Options by their names as the caller writes them, such as `{ timeoutMs }`. One whose value is
 * `undefined` is absent, which is always right.
 */
export type CheckedOptions = Readonly<Record<string, unknown>>;

/** Options with their defaults: nothing is absent, by whichever of the two ways. */
export type Complete<Options> = {
  readonly [Name in keyof Options]-?: Exclude<Options[Name], undefined>;
};

/** Bounds of an integer. */
export interface IntegerBounds {
  readonly min: number;
  readonly max?: number;
}

/** Bounds of a number. */
export interface NumberBounds {
  readonly min?: number;
  readonly max?: number;
  /** What it must be more than. */
  readonly above?: number;
  /** What it must be less than. */
  readonly below?: number;
}

/**
 * Checks options that are integers.
 *
 * @param action What cannot be done otherwise, such as `connect`.
 * @param options The options.
 * @param bounds Smallest and largest value.
 * @throws {RangeError} If one is not an integer within the bounds.
 */
export function checkInteger(action: string, options: CheckedOptions, bounds: IntegerBounds): void {
  const { min, max = Number.MAX_SAFE_INTEGER } = bounds;
  for (const name of Object.keys(options)) {
    const value = options[name];
    if (value === undefined) continue;
    if (typeof value === "number" && Number.isInteger(value) && value >= min && value <= max) {
      continue;
    }
    const range = max === Number.MAX_SAFE_INTEGER ? `of at least ${min}` : `from ${min} to ${max}`;
    throw new RangeError(wrongValue(action, [name, value], `an integer ${range}`));
  }
}

/**
 * Checks options that are numbers; `Infinity` is one, if there is no upper bound.
 *
 * @param action What cannot be done otherwise.
 * @param options The options.
 * @param bounds What the numbers must lie between.
 * @throws {RangeError} If one is not a number within the bounds.
 */
export function checkNumber(action: string, options: CheckedOptions, bounds: NumberBounds): void {
  const { min = -Infinity, max = Infinity, above = -Infinity, below = Infinity } = bounds;
  for (const [name, value] of Object.entries(options)) {
    if (value === undefined) continue;
    if (
      typeof value === "number" && value >= min && value <= max &&
      (value > above || above === -Infinity) && (value < below || below === Infinity)
    ) continue;
    throw new RangeError(wrongValue(action, [name, value], `a number ${describeBounds(bounds)}`));
  }
}

/**
 * Checks names that AMQP must carry: of queues and procedures, and keys.
 *
 * @param action What cannot be done otherwise.
 * @param options The options; here one that is absent is wrong.
 * @throws {TypeError} If one is empty, not a string, longer than 255 bytes, or no Unicode.
 */
export function checkName(action: string, options: CheckedOptions): void {
  for (const [name, value] of Object.entries(options)) {
    const isShort = typeof value === "string" && value !== "" && isShortText(value);
    if (isShort && value.isWellFormed()) continue;
    // Each such character would leave as the same one, and be that of another name.
    const kind = isShort
      ? "a text without halves of characters"
      : `a text of 1 to ${MAX_SHORT_TEXT_BYTES} bytes`;
    throw new TypeError(wrongValue(action, [name, value], kind));
  }
}

/**
 * Checks the name of a procedure, where it is declared and where it is called.
 *
 * @param action What cannot be done otherwise.
 * @param procedure The name.
 * @throws {TypeError} If AMQP cannot carry it, or it has characters that cannot be seen.
 */
export function checkProcedureName(action: string, procedure: unknown): void {
  if (typeof procedure === "string" && procedure !== "" && isShortText(procedure)) {
    if (isPrintable(procedure)) return;
    const kind = "a text without control characters";
    throw new TypeError(wrongValue(action, ["procedure", procedure], kind));
  }
  checkName(action, { procedure });
}

/**
 * Checks an option that is one of some words.
 *
 * @param action What cannot be done otherwise.
 * @param options The option.
 * @param words The words.
 * @throws {TypeError} If it is none of them.
 */
export function checkOneOf(
  action: string,
  options: CheckedOptions,
  words: readonly string[],
): void {
  for (const [name, value] of Object.entries(options)) {
    if (value === undefined || words.some((word) => word === value)) continue;
    const kind = `one of "${words.join('", "')}"`;
    throw new TypeError(wrongValue(action, [name, value], kind));
  }
}

/** Types of the language, as errors say them. */
const TYPE_KINDS = {
  boolean: "a boolean",
  function: "a function",
  object: "an object",
  string: "a text",
} as const;

/**
 * Checks options of a type of the language.
 *
 * @param action What cannot be done otherwise.
 * @param options The options.
 * @param type Their type.
 * @throws {TypeError} If one is of another type, or `null`; an array is no object.
 */
export function checkType(
  action: string,
  options: CheckedOptions,
  type: keyof typeof TYPE_KINDS,
): void {
  for (const [name, value] of Object.entries(options)) {
    if (value === undefined || isOf(type, value)) continue;
    throw new TypeError(wrongValue(action, [name, value], TYPE_KINDS[type]));
  }
}

function isOf(type: keyof typeof TYPE_KINDS, value: unknown): boolean {
  return typeof value === type && value !== null && !Array.isArray(value);
}

/**
 * Checks that options are an object: whoever writes `call("add", input, 5_000)` must be told.
 *
 * @param action What cannot be done otherwise.
 * @param options All of them.
 * @throws {TypeError} If they are none.
 */
export function checkOptions(action: string, options: unknown): void {
  const error = optionsError(action, options);
  if (error !== undefined) throw error;
}

/** The error of {@linkcode checkOptions}, for what rejects with it. */
export function optionsError(action: string, options: unknown): TypeError | undefined {
  if (isOf("object", options)) return undefined;
  return new TypeError(wrongValue(action, ["options", options], TYPE_KINDS.object));
}

/** Options of an end. */
interface CloseOptions {
  readonly graceMs?: number | undefined;
}

/**
 * Checks the options of an end.
 *
 * @param action What cannot be done otherwise.
 * @param options All of them.
 * @param defaultMs The grace if they tell none, in milliseconds.
 * @returns The grace, in milliseconds; or the error to reject with, if they are no object, or the
 * grace is not a number of at least 0.
 */
export function readGraceMs(
  action: string,
  options: CloseOptions,
  defaultMs: number,
): number | TypeError | RangeError {
  const error = optionsError(action, options);
  if (error !== undefined) return error;
  const { graceMs = defaultMs } = options;
  if (typeof graceMs === "number" && graceMs >= 0) return graceMs;
  return new RangeError(wrongValue(action, ["graceMs", graceMs], "a number of at least 0"));
}

/** Checks options that are lists of functions, as {@linkcode checkTexts} does lists of texts. */
export function checkFunctions(action: string, options: CheckedOptions): void {
  for (const [name, value] of Object.entries(options)) {
    if (value === undefined) continue;
    if (!Array.isArray(value)) {
      throw new TypeError(wrongValue(action, [name, value], "a list of functions"));
    }
    for (const [index, each] of value.entries()) {
      if (typeof each === "function") continue;
      throw new TypeError(wrongValue(action, [`${name}[${index}]`, each], "a function"));
    }
  }
}

/**
 * Checks options that are lists of texts.
 *
 * @param action What cannot be done otherwise.
 * @param options The options.
 * @throws {TypeError} If one is no list, or has something else in it.
 */
export function checkTexts(action: string, options: CheckedOptions): void {
  for (const [name, value] of Object.entries(options)) {
    if (value === undefined) continue;
    if (!Array.isArray(value)) {
      throw new TypeError(wrongValue(action, [name, value], "a list of texts"));
    }
    for (const [index, text] of value.entries()) {
      if (typeof text === "string") continue;
      throw new TypeError(wrongValue(action, [`${name}[${index}]`, text], "a text"));
    }
  }
}

/**
 * Checks options that are signals.
 *
 * @param action What cannot be done otherwise.
 * @param options The options.
 * @throws {TypeError} If one is no `AbortSignal`.
 */
export function checkSignal(action: string, options: CheckedOptions): void {
  for (const [name, value] of Object.entries(options)) {
    if (value === undefined || value instanceof AbortSignal) continue;
    throw new TypeError(wrongValue(action, [name, value], "an AbortSignal"));
  }
}

/**
 * Checks options that are patterns.
 *
 * @param action What cannot be done otherwise.
 * @param options The options.
 * @throws {TypeError} If one is no `RegExp`.
 */
export function checkPattern(action: string, options: CheckedOptions): void {
  for (const [name, value] of Object.entries(options)) {
    if (value === undefined || value instanceof RegExp) continue;
    throw new TypeError(wrongValue(action, [name, value], "a RegExp"));
  }
}

/**
 * Checks a list of codecs.
 *
 * @param action What cannot be done otherwise.
 * @param codecs The option, whose name is `codecs` everywhere.
 * @throws {TypeError} If it is no list, or has something in it that is no codec.
 */
export function checkCodecs(action: string, codecs: unknown): void {
  if (codecs === undefined) return;
  if (!Array.isArray(codecs)) {
    throw new TypeError(wrongValue(action, ["codecs", codecs], "a list of codecs"));
  }
  for (const [index, codec] of codecs.entries()) {
    if (isCodec(codec)) continue;
    const kind = "a codec, which has contentType, encode() and decode()";
    throw new TypeError(wrongValue(action, [`codecs[${index}]`, codec], kind));
  }
}

/** Fewer bytes could be guessed. */
const MIN_KEY_BYTES = 16;

/**
 * Checks a list of secret keys, whose values no error shows.
 *
 * @param action What cannot be done otherwise.
 * @param options The option; one that is absent is right.
 * @throws {TypeError} If it is no list of at least one key, or a key is too short.
 */
export function checkKeys(action: string, options: CheckedOptions): void {
  for (const [name, keys] of Object.entries(options)) {
    if (keys === undefined) continue;
    if (!Array.isArray(keys) || keys.length === 0) {
      const state = Array.isArray(keys) ? "it is empty" : "it is none";
      throw new TypeError(`Cannot ${action} as "${name}" must be a list of secret keys: ${state}`);
    }
    for (const [index, key] of keys.entries()) {
      const isKey = typeof key === "string" || key instanceof Uint8Array;
      if (isKey && key.length >= MIN_KEY_BYTES) continue;
      throw new TypeError(
        `Cannot ${action} as "${name}[${index}]" must be a text or bytes, at least ` +
          `${MIN_KEY_BYTES} long: ${isKey ? `it has ${key.length}` : "it is neither"}`,
      );
    }
  }
}

function isCodec(value: unknown): value is Codec {
  return typeof value === "object" && value !== null &&
    "contentType" in value && typeof value.contentType === "string" &&
    "encode" in value && typeof value.encode === "function" &&
    "decode" in value && typeof value.decode === "function";
}

/** Whose body has a limit, and which call the error belongs to. */
export interface BodySubject extends RpcErrorOptions {
  /** What cannot be done otherwise, and what is too large, such as `Cannot call "add" as its input`. */
  readonly subject: string;
}

/**
 * Checks a body against the limit, which the broker enforces by closing the channel.
 *
 * @param body The encoded body.
 * @param maxBodyBytes The limit.
 * @param subject What the body is.
 * @throws {RpcError} `too-large`.
 */
export function checkBodySize(body: Body, maxBodyBytes: number, subject: BodySubject): void {
  // A UTF-16 code unit takes at most three bytes of UTF-8: most texts need no counting.
  if (body.length * 3 <= maxBodyBytes) return;
  const bytes = typeof body === "string" ? new TextEncoder().encode(body).length : body.length;
  if (bytes <= maxBodyBytes) return;
  throw new RpcError(
    "too-large",
    `${subject.subject} has ${bytes} bytes: the limit "maxBodyBytes" is ${maxBodyBytes}`,
    subject,
  );
}

/** The message of all checks: what an option must be, and what it is. */
export function wrongValue(
  action: string,
  [name, value]: readonly [name: string, value: unknown],
  kind: string,
): string {
  return `Cannot ${action} as "${name}" must be ${kind}: current value is ${describeValue(value)}`;
}

function describeBounds({ min, max, above, below }: NumberBounds): string {
  const bounds = [
    min === undefined ? [] : [`of at least ${min}`],
    max === undefined ? [] : [`of at most ${max}`],
    above === undefined ? [] : [`above ${above}`],
    below === undefined ? [] : [`below ${below}`],
  ];
  return bounds.flat().join(" and ");
}

/** Says what a value is, for the message of an error. */
export function describeValue(value: unknown): string {
  switch (typeof value) {
    case "string":
      return `"${toPrintable(value.slice(0, SHOWN_CHARS))}"`;
    case "bigint":
      return `${value}n`;
    case "object":
      return value === null ? "null" : Array.isArray(value) ? "an array" : describeObject(value);
    case "function":
      return "a function";
    default:
      return String(value);
  }
}

function describeObject(value: object): string {
  if (isPlainObject(value)) return "an object";
  const { name } = value.constructor;
  return typeof name === "string" && name !== "" ? `an instance of ${name}` : "an object";
}
