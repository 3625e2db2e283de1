/** The form in which errors travel: what is said of them, and what is read of that. @module */

import { isPlainObject } from "../codec.ts";
import type { ErrorDescription } from "../errors.ts";
import { toPrintable } from "./text.ts";

/** The most characters of a message that an error reply carries; the rest is cut off. */
export const MAX_MESSAGE_CHARS = 2_000;

/** The most characters of a stack that an error reply carries. */
const MAX_STACK_CHARS = 20_000;

/** How many causes follow each other, and how many causes and gathered errors there are in all. */
const MAX_DEPTH = 8;
const MAX_RELATED = 32;

/** Options of {@linkcode describeError}. */
export interface DescribeOptions {
  /** Whether to tell the stacks, too. */
  readonly includeStack?: boolean;
}

/** Members of a thrown object that have a place of their own in a description. */
const ERROR_MEMBERS: ReadonlySet<string> = new Set<keyof ErrorDescription>([
  "name",
  "message",
  "code",
  "details",
  "retryable",
  "stack",
  "cause",
  "errors",
]);

/**
 * Describes whatever a handler threw, for the caller. The stacks stay out of it unless asked for,
 * as they tell strangers how the server is built.
 *
 * @param thrown What was thrown, of any type.
 * @param options Whether to include the stacks.
 * @returns The description, which the JSON codec can encode if `details` can be.
 */
export function describeError(thrown: unknown, options: DescribeOptions = {}): ErrorDescription {
  return new Describer(options.includeStack ?? false).describe(thrown);
}

/** Describes one error, with all that is behind it. */
class Describer {
  readonly #includeStack: boolean;
  /** An error may be its own cause. */
  readonly #seen = new Set<unknown>();

  constructor(includeStack: boolean) {
    this.#includeStack = includeStack;
  }

  describe(thrown: unknown, depth = 0): ErrorDescription {
    try {
      if (typeof thrown === "object" && thrown !== null) return this.#describeObject(thrown, depth);
      return { name: "Error", message: shorten(valueText(thrown, depth)), code: "handler-error" };
    } catch {
      const message = "A handler threw an error whose properties cannot be read";
      return { name: "Error", message, code: "handler-error" };
    }
  }

  /** Handlers throw what they like: only convention gives the members of an error their types. */
  #describeObject(thrown: object, depth: number): ErrorDescription {
    this.#seen.add(thrown);
    const { name, message, code, retryable } = thrown as Partial<Record<string, unknown>>;
    const stack: unknown = this.#includeStack && "stack" in thrown ? thrown.stack : undefined;
    const details = depth === 0 ? detailsOf(thrown) : undefined;
    return {
      name: typeof name === "string" ? shorten(name) : "Error",
      message: shorten(typeof message === "string" ? message : noMessage(thrown, message, depth)),
      code: codeText(thrown, code) ?? "handler-error",
      ...(details === undefined ? {} : { details }),
      ...(retryable === true ? { retryable } : {}),
      ...(typeof stack === "string" ? { stack: stack.slice(0, MAX_STACK_CHARS) } : {}),
      ...this.#related(thrown, depth + 1),
    };
  }

  /** What is behind an error; what cannot be read of it takes nothing else along. */
  #related(thrown: object, depth: number): Pick<ErrorDescription, "cause" | "errors"> {
    try {
      const { cause } = thrown as Partial<Record<string, unknown>>;
      const errors = gatheredBy(thrown)?.flatMap((error) => this.#next(error, depth));
      const [described] = cause === undefined ? [] : this.#next(cause, depth);
      return {
        ...(described === undefined ? {} : { cause: described }),
        ...(errors === undefined || errors.length === 0 ? {} : { errors }),
      };
    } catch {
      return {};
    }
  }

  #next(error: unknown, depth: number): readonly ErrorDescription[] {
    if (depth > MAX_DEPTH || this.#seen.size > MAX_RELATED || this.#seen.has(error)) return [];
    // What is no object counts, too.
    if (typeof error !== "object") this.#seen.add({});
    return [this.describe(error, depth)];
  }
}

/** The errors that an error gathers, if it does. */
function gatheredBy(thrown: object): readonly unknown[] | undefined {
  if ("errors" in thrown && Array.isArray(thrown.errors)) {
    return thrown.errors.slice(0, MAX_RELATED);
  }
  if (!("suppressed" in thrown) || !("error" in thrown)) return undefined;
  return [thrown.error, thrown.suppressed];
}

/** A thrown object that is no error is told whole, but for what has its own place. */
function detailsOf(thrown: object): unknown {
  if ("details" in thrown && thrown.details !== undefined) return thrown.details;
  if (thrown instanceof Error || !isPlainObject(thrown)) return undefined;
  const others = Object.entries(thrown).filter(([member]) => !ERROR_MEMBERS.has(member));
  return others.length === 0 ? undefined : Object.fromEntries(others);
}

/** A number is a code, too, but for those that a `DOMException` has from old times. */
function codeText(thrown: object, code: unknown): string | undefined {
  if (typeof code === "string" && code !== "") return shorten(code);
  return typeof code === "number" && !(thrown instanceof DOMException) ? String(code) : undefined;
}

function noMessage(thrown: object, message: unknown, depth: number): string {
  if (thrown instanceof Error || message !== undefined) return valueText(message, depth);
  return isPlainObject(thrown)
    ? "A handler threw an object without a message"
    : valueText(thrown, depth);
}

function valueText(value: unknown, depth: number): string {
  try {
    if (typeof value === "string") return value;
    return depth === 0 ? `A handler threw ${String(value)}` : String(value);
  } catch {
    return "A handler threw a value that cannot be shown as a string";
  }
}

/**
 * Reads the decoded body of an error reply. Whatever is missing or of another type is filled in,
 * because the other side may be written in any language; what a terminal would act on is written as
 * its code.
 *
 * @param value The decoded body.
 * @returns A complete description, with no more causes than {@linkcode describeError} writes.
 */
export function readErrorDescription(value: unknown): ErrorDescription {
  let left = MAX_RELATED;
  const related = (next: unknown, depth: number): readonly ErrorDescription[] =>
    next === undefined || depth > MAX_DEPTH || left-- <= 0 ? [] : [read(next, depth)];
  const read = (value: unknown, depth: number): ErrorDescription => {
    if (typeof value !== "object" || value === null) {
      return { name: "Error", message: printable(String(value)), code: "handler-error" };
    }
    const { details, cause, errors, ...rest } = value as Record<string, unknown>;
    const gathered = Array.isArray(errors) ? errors.slice(0, MAX_RELATED) : [];
    const described = gathered.flatMap((error) => related(error, depth + 1));
    const [behind] = related(cause, depth + 1);
    return {
      ...readTexts(rest),
      ...(details === undefined || depth > 0 ? {} : { details }),
      ...(behind === undefined ? {} : { cause: behind }),
      ...(described.length === 0 ? {} : { errors: described }),
    };
  };
  return read(value, 0);
}

function readTexts(
  { name, message, code, retryable, stack }: Record<string, unknown>,
): ErrorDescription {
  return {
    name: typeof name === "string" ? toPrintable(shorten(name)) : "Error",
    message: printable(typeof message === "string" ? message : "The server gave no message"),
    code: typeof code === "string" ? toPrintable(shorten(code)) : "handler-error",
    ...(retryable === true ? { retryable } : {}),
    ...(typeof stack === "string" ? { stack: toPrintable(stack, { lines: true }) } : {}),
  };
}

/** Messages may have several lines. */
function printable(message: string): string {
  return toPrintable(shorten(message), { lines: true });
}

function shorten(message: string): string {
  return message.length <= MAX_MESSAGE_CHARS ? message : `${message.slice(0, MAX_MESSAGE_CHARS)}…`;
}
