/** Reads what a benchmark is started with, before anything is measured. @module */

import { say } from "../tools/tasks/say.ts";

/**
 * Prints the usage and ends the program if it is asked to; ends it, too, if an option is none of those
 * that the usage has.
 *
 * @param usage A text with a line for each option, which begins with two spaces and `--name`.
 */
export function checkArguments(usage: string): void {
  const args = Deno.args;
  if (args.includes("--help")) {
    console.log(usage.trim());
    Deno.exit(0);
  }
  const known = Array.from(usage.matchAll(/^ {2}(--[a-z]+)/gm), ([, name]) => name);
  const unknown = args.find((arg) => arg.startsWith("-") && !known.includes(arg.split("=")[0]));
  if (unknown === undefined) return;
  say(`Cannot measure with "${unknown}": there are ${known.join(", ")}, and --help`);
  Deno.exit(2);
}

/**
 * Reads a count.
 *
 * @throws {RangeError} If it is no whole number from 1 on.
 */
export function readCount(name: string, text: string): number {
  const count = Number(text);
  if (Number.isInteger(count) && count >= 1) return count;
  throw new RangeError(`Cannot measure with "--${name} ${text}": it is a whole number from 1 on`);
}
