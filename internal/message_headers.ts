/** Headers of the user's beside a request or a reply: which there may be, and which there are. @module */

import type { HeaderValue, MessageHeaders } from "../contract.ts";
import { toPrintable } from "./text.ts";

/**
 * Most bytes that the user's headers of one message take. amqplib writes 64 KiB in all, and up to a
 * quarter of it is what the library says itself, most of it of a callback by name.
 */
export const MAX_HEADER_BYTES: number = 48 * 1_024;

/** What others can type, and no program takes for a path, a pattern or a member of all objects. */
const NAME_REGEXP = /^[a-z][\w.-]{0,127}$/i;

/** The library's, the broker's, and what has the broker deliver a message elsewhere, too. */
const RESERVED_REGEXP = /^(rpc-|x-|b?cc$)/i;

/** So many names are remembered, if they are no longer than that. */
const [MAX_KNOWN_NAMES, MAX_KNOWN_CHARS] = [256, 64] as const;

/** So much of a wrong value is shown. */
const SHOWN_CHARS = 80;

const encoder = new TextEncoder();

/** Of a message that has none. */
export const NO_HEADERS: MessageHeaders = Object.freeze({});

/**
 * Checks and copies the headers of a request.
 *
 * @param action What cannot be done otherwise, such as `call`.
 * @throws {TypeError} If a name or a value cannot be a header.
 * @throws {RangeError} If they take too many bytes.
 */
export function checkMessageHeaders(action: string, headers: MessageHeaders): MessageHeaders {
  if (typeof headers !== "object" || headers === null || Array.isArray(headers)) {
    throw new TypeError(wrong(action, ["headers", headers], "an object"));
  }
  const copy: Record<string, HeaderValue> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (value === undefined) continue;
    checkHeader(action, name, value);
    copy[name] = value;
  }
  checkSize(action, copy);
  return copy;
}

/** Whether headers could be sent as they are. */
export function areMessageHeaders(headers: MessageHeaders): boolean {
  for (const name in headers) {
    if (!isHeaderName(name) || !isHeaderValue(headers[name])) return false;
  }
  return mostBytesOf(headers) <= MAX_HEADER_BYTES;
}

/**
 * Puts a header to others, and checks it before.
 *
 * @param action What cannot be done otherwise.
 * @param headers The others; absent if there are none.
 * @param header Its name and its value.
 * @returns All of them.
 * @throws {TypeError} If the name or the value cannot be a header.
 * @throws {RangeError} If they take too many bytes.
 */
export function withHeader(
  action: string,
  headers: MessageHeaders | undefined,
  [name, value]: readonly [name: string, value: HeaderValue],
): MessageHeaders {
  checkHeader(action, name, value);
  const all = { ...headers, [name]: value };
  checkSize(action, all);
  return all;
}

/** Checks the name of a header. */
export function checkHeaderName(action: string, name: unknown): asserts name is string {
  if (typeof name !== "string" || !NAME_REGEXP.test(name)) {
    const kind = 'a letter and up to 127 letters, digits, "_", "-" and "."';
    throw new TypeError(wrong(action, ["name of a header", name], kind));
  }
  if (!RESERVED_REGEXP.test(name)) return;
  throw new TypeError(
    `Cannot ${action} as header "${name}" is not yours to set: "CC", "BCC" and names that begin ` +
      `with "rpc-" or "x-" are those of the broker and of this library`,
  );
}

function checkHeader(action: string, name: string, value: unknown): void {
  checkHeaderName(action, name);
  if (isHeaderValue(value)) return;
  const kind = "a text, a boolean, or a number from -(2^53 - 1) to 2^53 - 1";
  throw new TypeError(wrong(action, [`headers.${name}`, value], kind));
}

/**
 * Reads the headers of a message that are the user's. Anybody may have sent it: what could not be
 * sent as such is as good as absent.
 *
 * @param table All its headers.
 */
export function readMessageHeaders(
  table: Readonly<Record<string, unknown>> | undefined,
): MessageHeaders {
  let headers: Record<string, HeaderValue> | undefined;
  for (const name in table) {
    if (!isHeaderName(name)) continue;
    const value = table[name];
    if (isHeaderValue(value)) (headers ??= {})[name] = value;
  }
  return headers ?? NO_HEADERS;
}

/** Names come again with each message: to look one up takes a fifth of the time of both patterns. */
const knownNames = new Map<string, boolean>();

function isHeaderName(name: string): boolean {
  const known = knownNames.get(name);
  if (known !== undefined) return known;
  const isName = NAME_REGEXP.test(name) && !RESERVED_REGEXP.test(name);
  // Strangers choose names: what they send first is no reason to keep them all.
  if (knownNames.size < MAX_KNOWN_NAMES && name.length <= MAX_KNOWN_CHARS) {
    knownNames.set(name, isName);
  }
  return isName;
}

function isHeaderValue(value: unknown): value is HeaderValue {
  if (typeof value === "string" || typeof value === "boolean") return true;
  return typeof value === "number" && Math.abs(value) <= Number.MAX_SAFE_INTEGER;
}

/** How many bytes headers take at most, without encoding them: no UTF-16 unit takes more than three. */
export function mostBytesOf(headers: MessageHeaders): number {
  let bytes = 0;
  for (const name in headers) {
    const value = headers[name];
    bytes += name.length + (typeof value === "string" ? 6 + value.length * 3 : 10);
  }
  return bytes;
}

function checkSize(action: string, headers: MessageHeaders): void {
  if (mostBytesOf(headers) <= MAX_HEADER_BYTES) return;
  let bytes = 0;
  for (const [name, value] of Object.entries(headers)) {
    // The length of the name, and the type of the value.
    bytes += name.length + 2;
    bytes += typeof value === "string" ? 4 + encoder.encode(value).length : 8;
  }
  if (bytes <= MAX_HEADER_BYTES) return;
  throw new RangeError(
    `Cannot ${action} as the headers take ${bytes} bytes: the limit is ${MAX_HEADER_BYTES}`,
  );
}

/** As the checks of options have it, which a worker does not load. */
function wrong(
  action: string,
  [name, value]: readonly [name: string, value: unknown],
  kind: string,
): string {
  const shown = typeof value === "string"
    ? JSON.stringify(toPrintable(value).slice(0, SHOWN_CHARS))
    : typeof value === "object" && value !== null
    ? "an object"
    : String(value);
  return `Cannot ${action} as "${name}" must be ${kind}: current value is ${shown}`;
}
