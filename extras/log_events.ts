/**
 * Events of clients, servers and pools as lines of a log.
 *
 * @example A server that logs what happens to it
 * ```ts ignore because it needs a broker
 * import { RpcServer } from "@warren/rpc";
 * import { logEvents } from "@warren/rpc/log";
 *
 * await RpcServer.listen("amqp://127.0.0.1", {
 *   queue: "greetings",
 *   handlers: { greet: (name: string) => `Hello, ${name}` },
 *   onEvent: logEvents({ format: "json", name: "greetings" }),
 * });
 * ```
 *
 * @module
 */

import process from "node:process";
import { checkOneOf, checkOptions, checkType } from "../internal/check.ts";
import { toPrintable } from "../internal/text.ts";

/** What every event of a client, a server, a connection and a pool has: see docs/events.md. */
export interface LoggedEvent {
  /** What has happened. */
  readonly type: string;
}

/** Options of {@linkcode logEvents}. */
export interface LogEventsOptions {
  /**
   * Lines for people, or one JSON object for each event.
   *
   * @default {"human" if standard error is a terminal, else "json"}
   */
  readonly format?: "human" | "json";
  /**
   * Whose events they are; in each line.
   *
   * @default {none}
   */
  readonly name?: string;
  /**
   * Which events become lines.
   *
   * @default {all}
   */
  readonly filter?: (event: LoggedEvent) => boolean;
  /**
   * Takes each line, without its end.
   *
   * @default {writes it to standard error}
   */
  readonly write?: (line: string) => void;
}

/** Most characters of a text in a line. */
const MAX_CHARS = 500;

/** Most errors that are told as causes of one another. */
const MAX_CAUSES = 5;

/**
 * Makes an observer that writes a line for each event, for `onEvent` of a client, a server or a pool.
 * A line has all that is in the event, which is never an input or an output; what a terminal would act
 * on is written as its code.
 *
 * @param options The form of the lines, and where they go.
 * @returns The observer.
 * @throws {TypeError} If an option is of the wrong kind.
 */
export function logEvents(options: LogEventsOptions = {}): (event: LoggedEvent) => void {
  checkOptions("log events", options);
  const { format = process.stderr.isTTY ? "human" : "json", name, filter } = options;
  const { write = writeError } = options;
  checkOneOf("log events", { format }, ["human", "json"]);
  checkType("log events", { name }, "string");
  checkType("log events", { filter, write }, "function");
  const toLine = format === "json" ? toJsonLine : toHumanLine;
  return (event) => {
    if (filter === undefined || filter(event)) write(toLine(event, name));
  };
}

function toJsonLine({ type, ...members }: LoggedEvent, name: string | undefined): string {
  return JSON.stringify({
    time: new Date().toISOString(),
    ...(name === undefined ? {} : { name }),
    type,
    ...Object.fromEntries(Object.entries(members).map(([key, value]) => [key, toPlain(value)])),
  });
}

function toHumanLine({ type, ...members }: LoggedEvent, name: string | undefined): string {
  const told = Object.entries(members).flatMap(([key, value]) => {
    return value === undefined ? [] : `${key}=${toWords(value)}`;
  });
  const time = new Date().toISOString().slice(11, 23);
  return [time, ...(name === undefined ? [] : [toPrintable(name)]), type, ...told].join(" ");
}

/** A value that JSON can carry, and that is not too long. */
function toPlain(value: unknown, causes = 0): unknown {
  if (typeof value === "string") return shorten(value);
  if (value instanceof Error) return describeError(value, causes);
  if (typeof value === "number") return Math.round(value * 1_000) / 1_000;
  if (typeof value === "boolean" || value === undefined || value === null) return value;
  if (Array.isArray(value)) return value.map((each) => toPlain(each, causes));
  if (typeof value !== "object") return shorten(String(value));
  return Object.fromEntries(
    Object.entries(value).map(([key, each]) => [key, toPlain(each, causes)]),
  );
}

function describeError(error: Error, causes: number): Readonly<Record<string, unknown>> {
  const { name, message, cause } = error;
  const code = "code" in error && typeof error.code === "string" ? error.code : undefined;
  return {
    name: shorten(name),
    ...(code === undefined ? {} : { code: shorten(code) }),
    message: shorten(message),
    ...(cause === undefined || causes === MAX_CAUSES ? {} : { cause: toPlain(cause, causes + 1) }),
  };
}

function toWords(value: unknown): string {
  if (value instanceof Error) {
    const code = "code" in value && typeof value.code === "string" ? `${value.code}: ` : "";
    return JSON.stringify(shorten(code + value.message));
  }
  if (typeof value === "string") {
    const text = shorten(value);
    return /^[\w./:@-]+$/.test(text) ? text : JSON.stringify(text);
  }
  return JSON.stringify(toPlain(value)) ?? "";
}

function shorten(text: string): string {
  const printable = toPrintable(text.slice(0, MAX_CHARS + 1));
  return printable.length <= MAX_CHARS ? printable : `${printable.slice(0, MAX_CHARS)}…`;
}

function writeError(line: string): void {
  // deno-lint-ignore no-console -- it is what the user asked for
  console.error(line);
}
