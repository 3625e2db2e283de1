/** What commands print: data on stdout, words on stderr. @module */

import { jsonCodec } from "../codec.ts";
import { fitted, textWidth } from "./text_width.ts";

/** How data is printed. */
export type OutputFormat = "text" | "json" | "jsonl" | "none";

/** A row of a table, by the titles of its columns. */
export type Row = Readonly<Record<string, string | number>>;

/** A line of JSON: the same in each release, or of another `type`. */
export type Item = Readonly<Record<string, unknown>> & { readonly type: string };

/**
 * What a terminal acts on, or what turns text around; strangers may have written what is printed.
 * Line feeds and tabs are kept where there may be several lines.
 */
const UNPRINTABLE_REGEXP = /[\p{Cc}\p{Zl}\p{Zp}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu;
const UNPRINTABLE_IN_LINES_REGEXP =
  /[^\P{Cc}\n\t]|[\p{Zl}\p{Zp}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu;

/** Writes what a command has found. */
export class Output {
  readonly #format: OutputFormat;
  readonly #isQuiet: boolean;

  constructor(format: OutputFormat, isQuiet: boolean) {
    this.#format = format;
    this.#isQuiet = isQuiet;
  }

  /** Whether people read it. */
  get isText(): boolean {
    return this.#format === "text";
  }

  /**
   * Prints a list.
   *
   * @param items What programs read.
   * @param rows What people read.
   */
  list(items: readonly Item[], rows: readonly Row[]): void {
    switch (this.#format) {
      case "text":
        return void writeAll(table(rows));
      case "json":
        return void writeAll(`${jsonText(items)}\n`);
      case "jsonl":
        for (const item of items) writeAll(`${jsonText(item)}\n`);
    }
  }

  /** Prints one thing that programs read. */
  one(item: Item): void {
    if (this.#format !== "none") writeAll(`${jsonText(item)}\n`);
  }

  /** Prints data as it is, such as the output of a call, which is JSON already. */
  raw(data: string | Uint8Array): void {
    if (this.#format !== "none") writeAll(data);
  }

  /** Tells people something that is no data. */
  say(words: string): void {
    if (!this.#isQuiet) writeAll(`${printable(words)}\n`, Deno.stderr);
  }
}

/** JSON with exact integers, and nothing in it that a terminal acts on. */
export function jsonText(value: unknown): string {
  // The codec gives text: only others give bytes.
  return escapeAll(String(jsonCodec.encode(value)), UNPRINTABLE_REGEXP);
}

/** A text of one or more lines, and nothing in it that a terminal acts on. */
export function printable(text: string): string {
  return escapeAll(text, UNPRINTABLE_IN_LINES_REGEXP);
}

/** A text of one line, and nothing in it that a terminal acts on. */
export function printableLine(text: string): string {
  return escapeAll(text, UNPRINTABLE_REGEXP);
}

/** As JSON has them. */
function escapeAll(text: string, characters: RegExp): string {
  return text.replaceAll(
    characters,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** Tells of an error, whatever `--quiet` says. */
export function complain(message: string): void {
  writeAll(`warren: ${printable(message)}\n`, Deno.stderr);
}

/** Whoever reads no more is no error: the program ends. */
export function writeAll(
  data: string | Uint8Array,
  to: { writeSync(bytes: Uint8Array): number } = Deno.stdout,
): void {
  const bytes = typeof data === "string" ? new TextEncoder().encode(data) : data;
  try {
    for (let at = 0; at < bytes.length;) at += to.writeSync(bytes.subarray(at));
  } catch (error) {
    if (error instanceof Deno.errors.BrokenPipe) Deno.exit(0);
    throw error;
  }
}

/** Columns with their titles; numbers stand on the right. */
function table(rows: readonly Row[]): string {
  const [first] = rows;
  if (first === undefined) return "";
  const titles = Object.keys(first);
  const cells = rows.map((row) => titles.map((title) => printableLine(String(row[title] ?? ""))));
  const widths = titles.map((title, column) =>
    Math.max(title.length, ...cells.map((row) => textWidth(row[column] ?? "")))
  );
  const isNumber = titles.map((title) => rows.every((row) => typeof row[title] === "number"));
  const line = (texts: readonly string[]) =>
    texts.map((text, column) => {
      const width = widths[column] ?? 0;
      return fitted(text, width, isNumber[column]);
    }).join("  ").trimEnd();
  return [titles, ...cells].map((texts) => `${line(texts)}\n`).join("");
}
