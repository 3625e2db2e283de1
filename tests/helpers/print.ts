/** How a fixture speaks to its test. @module */

const encoder = new TextEncoder();

/** Writes a line to stdout, at once. */
export function printLine(line: string): void {
  Deno.stdout.writeSync(encoder.encode(`${line}\n`));
}
