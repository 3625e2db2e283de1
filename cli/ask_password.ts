/** Asks for a password on a terminal, which does not show it. @module */

import { CommandError, EXIT_CODE } from "./exit_code.ts";
import { writeAll } from "./output.ts";

/** Whether somebody is there to be asked. */
export function canAsk(): boolean {
  return Deno.stdin.isTerminal() && Deno.stderr.isTerminal();
}

/**
 * Asks for a password.
 *
 * @throws {CommandError} If it is given up, by Ctrl-C or Ctrl-D.
 */
export async function askPassword(question: string): Promise<string> {
  // Before the question: what is typed at once must not be shown, nor end a program around this one.
  Deno.stdin.setRaw(true);
  try {
    writeAll(question, Deno.stderr);
    return await readLine();
  } finally {
    Deno.stdin.setRaw(false);
    writeAll("\n", Deno.stderr);
  }
}

async function readLine(): Promise<string> {
  const decoder = new TextDecoder();
  const bytes = new Uint8Array(1_024);
  const typed: string[] = [];
  for (;;) {
    const size = await Deno.stdin.read(bytes);
    // A raw terminal gives these as they are, and not as signals.
    const text = size === null ? "\x04" : decoder.decode(bytes.subarray(0, size), { stream: true });
    for (const character of text) {
      switch (character) {
        case "\r":
        case "\n":
          return typed.join("");
        case "\x03":
        case "\x04":
          throw new CommandError(EXIT_CODE.interrupted, "No password was given");
        case "\x7f":
        case "\b":
          typed.pop();
          break;
        case "\x15":
          typed.length = 0;
          break;
        default:
          typed.push(character);
      }
    }
  }
}
