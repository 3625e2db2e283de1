/** Texts that strangers may have written, made fit for AMQP, messages and logs; and ids of ours. @module */

/** What ends a line, moves a cursor, or hides or turns text: control and format characters. */
const UNPRINTABLE_REGEXP = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;

/** The same without what makes several lines of a text. */
const UNPRINTABLE_IN_LINES_REGEXP = /[^\P{Cc}\n\t]|[\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;

/** The most bytes of UTF-8 that a property or a name can have. Source: AMQP 0-9-1, short strings. */
export const MAX_SHORT_TEXT_BYTES = 255;

/** So many UTF-16 code units are a short text in any case. */
const SHORT_CHARS = MAX_SHORT_TEXT_BYTES / 3;

const encoder = new TextEncoder();

/** Tells whether a text has nothing in it that a log or a terminal would act on. */
export function isPrintable(text: string): boolean {
  return text.search(UNPRINTABLE_REGEXP) === -1;
}

/**
 * Writes what is not printable as its code, such as `\u{1b}`.
 *
 * @param text A text that anybody may have written.
 * @param options Whether it may have several lines, as messages and stacks of errors do.
 * @returns A text that no terminal acts on; of one line, unless it may have more.
 */
export function toPrintable(text: string, options: { readonly lines?: boolean } = {}): string {
  return text.replaceAll(
    options.lines ? UNPRINTABLE_IN_LINES_REGEXP : UNPRINTABLE_REGEXP,
    (character) => `\\u{${character.codePointAt(0)?.toString(16)}}`,
  );
}

/** Tells whether a text can be a property or a name. Exact only for what may be too long. */
export function isShortText(text: string): boolean {
  return text.length <= SHORT_CHARS || encoder.encode(text).length <= MAX_SHORT_TEXT_BYTES;
}

/** Cuts a text that cannot be a property. Bytes that are no UTF-8 become longer when they are read. */
export function toShortText(text: string | undefined): string | undefined {
  return text === undefined || isShortText(text) ? text : text.slice(0, SHORT_CHARS);
}

/** Reads a header that is a text; `undefined` if it is anything else. */
export function readText(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}

/** Reads a header that is a finite number; `undefined` if it is anything else. */
export function readNumber(value: unknown): number | undefined {
  return typeof value === "number" && Number.isFinite(value) ? value : undefined;
}

/** Version 7 of a UUID: 48 bits of time in hex digits, and the digit of the version. */
const [TIME_DIGITS, FIRST_GROUP_DIGITS] = [12, 8] as const;
const HEAD_LENGTH = "01234567-89ab-7".length;

let headMs = NaN;
let head = "";

/**
 * Makes a UUID of version 7 after RFC 9562: unique everywhere, hard to guess, sorted by time.
 *
 * All but the time is of the runtime's own UUID, which has its random bits in store. To ask for them
 * with each id, as `@std/uuid` does, takes five times as long: some microseconds of each call.
 */
export function newId(): string {
  const nowMs = Date.now();
  if (nowMs !== headMs) {
    headMs = nowMs;
    const digits = nowMs.toString(16).padStart(TIME_DIGITS, "0");
    head = `${digits.slice(0, FIRST_GROUP_DIGITS)}-${digits.slice(FIRST_GROUP_DIGITS)}-7`;
  }
  return head + crypto.randomUUID().slice(HEAD_LENGTH);
}
