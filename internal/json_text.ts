/**
 * JSON texts with numbers that `JSON.parse` does not read exactly: found by one look over the text,
 * and then read again one by one, so that a text costs what its long numbers cost.
 *
 * @module
 */

import { RpcError } from "../errors.ts";

/** What a JSON text may hold at most. */
export interface JsonTextLimits {
  /** Levels of arrays and objects. */
  readonly maxDepth: number;
  /** Characters of a number, from its first digit to its last. */
  readonly maxDigits: number;
}

/** A JSON text in both forms. */
export interface JsonText {
  readonly text: string;
  /** The text as UTF-8. */
  readonly bytes: Uint8Array;
}

/** A JSON text as UTF-8, to be read byte by byte or four bytes at a time. */
interface JsonBytes {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  /** The same as a text, if all its characters are of one byte: a character is found sooner there. */
  readonly ascii: string | undefined;
}

/** From so many digits on, an integer may be outside the safe range. */
const LONG_DIGITS = 16;
/** From so many digits of its exponent on, a number may be too large for a `number`. */
const LONG_EXPONENT_DIGITS = 3;
/** So many bytes of a string are looked at one by one before its end is searched for. */
const SHORT_STRING_BYTES = 32;

const utf8 = new TextDecoder();

const INTEGER_REGEXP = /^-?\d+$/;

/** Four bytes in a row. */
const FOUR_ONES = 0x01010101;
const FOUR_ZEROS = 0x30303030;
const FOUR_QUOTES = 0x22222222;
const FOUR_BACKSLASHES = 0x5c5c5c5c;
const FOUR_HIGH_BITS = 0x80808080;
/** What must be added to a byte above 9 at least so that it has its high bit. */
const FOUR_MORE_THAN_NINE = 0x76767676;

const QUOTE = 0x22;
const PLUS = 0x2b;
const COMMA = 0x2c;
const MINUS = 0x2d;
const DOT = 0x2e;
const ZERO = 0x30;
const NINE = 0x39;
const BACKSLASH = 0x5c;
const LOWER_E = 0x65;
/** Letters differ from capital ones in one bit, and so do `{` from `[` and `}` from `]`. */
const LOWER_BIT = 0x20;
const OPENING_BRACKET = 0x5b;
const OPENING_BRACE = 0x7b;
const CLOSING_BRACE = 0x7d;

/**
 * Looks for what `JSON.parse` does not mind, but we do. Whoever walks a value by recursion,
 * `structuredClone` and `postMessage` included, overflows the stack some thousand levels down; and
 * the time that a number takes grows with the square of its digits.
 *
 * @param jsonText The text; whether it is JSON at all is for others to say.
 * @param limits What it may hold.
 * @returns Whether it has numbers that {@linkcode readExactNumbers} must read again.
 * @throws {RpcError} `undecodable`, if there is more of something than allowed.
 */
export function inspectJsonText(
  jsonText: JsonText,
  { maxDepth, maxDigits }: JsonTextLimits,
): boolean {
  const json = viewOf(jsonText);
  const { bytes } = json;
  const { length } = bytes;
  let isLong = false;
  let depth = 0;
  for (let index = 0; index < length; index++) {
    const code = bytes[index] ?? 0;
    if (code === QUOTE) index = endOfString(json, index);
    else if (isDigit(code)) {
      // Lists of short numbers are the worst case of this look.
      if (bytes[index + 1] === COMMA) continue;
      const start = index;
      index = endOfDigits(json, start + 1);
      if (index - start >= LONG_DIGITS) isLong = true;
      if (bytes[index] === DOT) index = endOfDigits(json, index + 1);
      if (isExponent(bytes, index)) {
        const exponent = startOfExponent(bytes, index);
        index = endOfDigits(json, exponent);
        if (index - exponent >= LONG_EXPONENT_DIGITS) isLong = true;
      }
      if (index - start > maxDigits) throw tooManyDigits(index - start, maxDigits);
      index--;
    } else if ((code | LOWER_BIT) === OPENING_BRACE) {
      if (++depth > maxDepth) throw undecodable(`it is nested deeper than ${maxDepth} levels`);
    } else if ((code | LOWER_BIT) === CLOSING_BRACE) depth--;
  }
  return isLong;
}

function tooManyDigits(count: number, maxDigits: number): RpcError {
  return undecodable(`it has a number of ${count} digits: the limit "maxDigits" is ${maxDigits}`);
}

/** The error of a body that is none, or not one that we take. */
export function undecodable(reason: string): RpcError {
  return new RpcError("undecodable", `Cannot decode a body as JSON: ${reason}`);
}

function viewOf({ text, bytes }: JsonText): JsonBytes {
  return {
    bytes,
    view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength),
    ascii: text.length === bytes.length ? text : undefined,
  };
}

/** Four bytes are looked at together as long as all of them are digits. */
function endOfDigits({ bytes, view }: JsonBytes, start: number): number {
  const lastWord = bytes.length - 4;
  let end = start;
  while (end <= lastWord) {
    const beyondZero = view.getUint32(end) ^ FOUR_ZEROS;
    if ((((beyondZero + FOUR_MORE_THAN_NINE) | beyondZero) & FOUR_HIGH_BITS) !== 0) break;
    end += 4;
  }
  while (isDigit(bytes[end] ?? 0)) end++;
  return end;
}

function isDigit(code: number): boolean {
  return code >= ZERO && code <= NINE;
}

function isExponent(bytes: Uint8Array, index: number): boolean {
  return ((bytes[index] ?? 0) | LOWER_BIT) === LOWER_E;
}

/** Where the digits of an exponent begin. */
function startOfExponent(bytes: Uint8Array, letter: number): number {
  const sign = bytes[letter + 1];
  return sign === PLUS || sign === MINUS ? letter + 2 : letter + 1;
}

/** Where the quote is that ends a string. */
function endOfString(json: JsonBytes, start: number): number {
  const { bytes, ascii } = json;
  const { length } = bytes;
  let end = start + 1;
  for (;;) {
    const near = Math.min(end + SHORT_STRING_BYTES, length);
    while (end < near) {
      end = endOfPlainText(json, end, near);
      const code = bytes[end] ?? 0;
      if (code === QUOTE) return end;
      end += code === BACKSLASH ? 2 : 1;
    }
    if (end >= length) return length;
    // What is left of a long string takes no look at each of its bytes.
    const quote = ascii === undefined ? bytes.indexOf(QUOTE, end) : ascii.indexOf('"', end);
    if (quote === -1) return length;
    if (!isEscaped(bytes, end, quote)) return quote;
    end = quote + 1;
  }
}

/** Where a word of four bytes begins that has a quote or a backslash, or where few are left. */
function endOfPlainText({ view }: JsonBytes, start: number, limit: number): number {
  let end = start;
  for (; end <= limit - 4; end += 4) {
    const word = view.getUint32(end);
    const fromQuote = word ^ FOUR_QUOTES;
    const fromBackslash = word ^ FOUR_BACKSLASHES;
    const isFound = ((fromQuote - FOUR_ONES) & ~fromQuote) |
      ((fromBackslash - FOUR_ONES) & ~fromBackslash);
    if ((isFound & FOUR_HIGH_BITS) !== 0) break;
  }
  return end;
}

/** Whether an odd number of backslashes precedes a quote; what is before `start` is no part of it. */
function isEscaped(bytes: Uint8Array, start: number, quote: number): boolean {
  let first = quote;
  while (first > start && bytes[first - 1] === BACKSLASH) first--;
  return (quote - first) % 2 === 1;
}

/**
 * Puts the exact integer where `JSON.parse` has read a number outside the safe range.
 *
 * @param json A JSON text.
 * @param value What `JSON.parse` made of it; its parts are changed.
 * @returns The value with its exact integers.
 * @throws {RangeError} If a number that is no integer is too large for a `number`.
 */
export function readExactNumbers({ text, bytes }: JsonText, value: unknown): unknown {
  const place = new Place({ text, bytes }, value);
  const { length } = bytes;
  const json = viewOf({ text, bytes });
  for (let index = 0; index < length; index++) {
    const code = bytes[index] ?? 0;
    if (code === QUOTE) {
      const end = endOfString(json, index);
      place.onString(index, end);
      index = end;
    } else if (code === COMMA) place.onComma();
    else if (isDigit(code)) {
      const start = index;
      index = endOfDigits(json, start + 1);
      let isLong = index - start >= LONG_DIGITS;
      if (bytes[index] === DOT) index = endOfDigits(json, index + 1);
      if (isExponent(bytes, index)) {
        if (bytes[index + 1] !== MINUS) isLong = true;
        index = endOfDigits(json, startOfExponent(bytes, index));
      }
      if (isLong) place.onNumber(bytes[start - 1] === MINUS ? start - 1 : start, index);
      index--;
    } else if ((code | LOWER_BIT) === OPENING_BRACE) place.open(code === OPENING_BRACKET);
    else if ((code | LOWER_BIT) === CLOSING_BRACE) place.close();
  }
  return place.end();
}

/** An array or object, as whoever sets its parts sees it. */
type Container = Record<string | number, unknown>;

/** A number that may be too large, and where it is unless its key comes again. */
interface InfiniteNumber {
  readonly container: Container;
  readonly key: string | number;
  readonly source: string;
}

/**
 * Where in a value the look over its text has come to. Arrays and objects are found in the value
 * only if they hold a long number.
 *
 * A key that comes again replaces what was there before, so that a place in the text may lead to
 * nothing, or to the value of a later one: a number is replaced only if the value there is what
 * `JSON.parse` makes of it. If several are alike, the last one is right, as for `JSON.parse`.
 */
class Place {
  readonly #json: JsonText;
  /** Whether all characters are of one byte, so that places in the bytes are ones in the text. */
  readonly #isAscii: boolean;
  /** Holds the whole value, as an array of one. */
  readonly #root: [unknown];
  /** One for each open array or object; for an object, where the quotes of the key are. */
  readonly #isArray: boolean[] = [];
  readonly #at: number[] = [];
  readonly #keyEnd: number[] = [];
  /** The first of them that were found; `undefined` if the value has none there. */
  readonly #found: (Container | undefined)[] = [];
  readonly #infinite: InfiniteNumber[] = [];
  #depth = -1;
  #foundDepth = -1;
  #isKeyNext = false;

  constructor(json: JsonText, value: unknown) {
    this.#json = json;
    this.#isAscii = json.text.length === json.bytes.length;
    this.#root = [value];
  }

  open(isArray: boolean): void {
    const depth = ++this.#depth;
    this.#isArray[depth] = isArray;
    this.#at[depth] = 0;
    this.#isKeyNext = !isArray;
  }

  close(): void {
    this.#depth--;
    if (this.#foundDepth > this.#depth) this.#foundDepth = this.#depth;
    this.#isKeyNext = false;
  }

  onComma(): void {
    if (this.#isArray[this.#depth] === true) this.#at[this.#depth] = this.#index(this.#depth) + 1;
    else this.#isKeyNext = true;
  }

  onString(start: number, end: number): void {
    if (!this.#isKeyNext) return;
    this.#isKeyNext = false;
    this.#at[this.#depth] = start;
    this.#keyEnd[this.#depth] = end;
  }

  onNumber(start: number, end: number): void {
    const container = this.#container();
    if (container === undefined) return;
    const key = this.#key(this.#depth);
    const current = valueAt(container, key);
    // Most numbers with an exponent are right as they are.
    if (typeof current !== "bigint" && typeof current !== "number") return;
    if (Number.isSafeInteger(current)) return;
    const source = this.#text(start, end);
    const exact = INTEGER_REGEXP.test(source) ? BigInt(source) : Number(source);
    if (Number(exact) !== Number(current)) return;
    if (exact === Infinity || exact === -Infinity) this.#infinite.push({ container, key, source });
    if (exact !== current) container[key] = exact;
  }

  /** The whole value, when the text is at its end. */
  end(): unknown {
    for (const { container, key, source } of this.#infinite) {
      if (typeof container[key] !== "number" || Number.isFinite(container[key])) continue;
      const shown = source.length > 40 ? `${source.slice(0, 40)}…` : source;
      throw new RangeError(`Cannot read "${shown}" as it is too large for a number`);
    }
    return this.#root[0];
  }

  #index(depth: number): number {
    return this.#at[depth] ?? 0;
  }

  #key(depth: number): string | number {
    if (depth < 0) return 0;
    const start = this.#index(depth);
    if (this.#isArray[depth] === true) return start;
    const end = this.#keyEnd[depth] ?? start;
    const name = this.#text(start + 1, end);
    return name.includes("\\") ? JSON.parse(`"${name}"`) : name;
  }

  #text(start: number, end: number): string {
    const { text, bytes } = this.#json;
    return this.#isAscii ? text.slice(start, end) : utf8.decode(bytes.subarray(start, end));
  }

  /** The array or object that is open. */
  #container(): Container | undefined {
    if (this.#depth < 0) return this.#root as unknown as Container;
    while (this.#foundDepth < this.#depth) {
      const depth = ++this.#foundDepth;
      this.#found[depth] = this.#child(depth);
    }
    return this.#found[this.#depth];
  }

  #child(depth: number): Container | undefined {
    const parent = depth === 0 ? this.#root as unknown as Container : this.#found[depth - 1];
    const child = parent && valueAt(parent, this.#key(depth - 1));
    if (typeof child !== "object" || child === null) return undefined;
    return Array.isArray(child) === this.#isArray[depth] ? child as Container : undefined;
  }
}

/** No key of a text is one that all objects have. */
function valueAt(container: Container, key: string | number): unknown {
  return Object.hasOwn(container, key) ? container[key] : undefined;
}
