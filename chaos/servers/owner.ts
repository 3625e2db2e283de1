/** The chaos run that started this process: it reads our stdout and writes to our stdin. @module */

import { memoryOf } from "../checking/memory.ts";

/** Tells the owner something, on a line of its own. */
export function tell(message: Readonly<Record<string, unknown>>): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${JSON.stringify(message)}\n`));
}

/**
 * Answers each line of stdin with how much memory is in use. The kernel ends stdin however the
 * owner dies, and then this process must not stay behind.
 */
export async function obeyOwner(): Promise<void> {
  for await (const chunk of Deno.stdin.readable.pipeThrough(new TextDecoderStream())) {
    for (const _line of chunk.split("\n").slice(1)) tell({ type: "memory", ...memoryOf() });
  }
  Deno.exit(1);
}
