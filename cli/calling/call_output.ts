/** What a procedure gave, as it is printed. @module */

import { jsonText, type Output } from "../output.ts";

/**
 * Prints an output, or an item of a stream.
 *
 * @param value Whatever came.
 * @param options Where to, and whether texts and bytes are printed as they are.
 */
export function printCallOutput(
  value: unknown,
  { output, raw }: { readonly output: Output; readonly raw: boolean },
): void {
  if (raw && typeof value === "string") return output.raw(`${value}\n`);
  if (!(value instanceof Uint8Array)) return output.raw(`${jsonText(plainValue(value))}\n`);
  if (raw || !Deno.stdout.isTerminal()) return output.raw(value);
  // A terminal would act on what is in them.
  output.say(`${value.length} bytes came: a file or a pipe takes them, and --raw a terminal`);
}

/** What JSON has words for: MessagePack has more. */
function plainValue(value: unknown): unknown {
  if (value === undefined) return null;
  if (typeof value === "number") return Number.isFinite(value) ? value + 0 : String(value);
  if (typeof value !== "object" || value === null) return value;
  if (value instanceof Date) return value.toISOString();
  if (value instanceof Uint8Array) return value.toBase64();
  if (value instanceof Map) return Array.from(value, (entry) => entry.map(plainValue));
  if (value instanceof Set || Array.isArray(value)) return Array.from(value, plainValue);
  const members = Object.entries(value).filter(([, member]) => member !== undefined);
  // A member may be called __proto__.
  return Object.fromEntries(members.map(([name, member]) => [name, plainValue(member)]));
}
