/** Says that an assertion does not hold. */
export class AssertionError extends Error {
  override readonly name = "AssertionError";
}

/** Ends a message with the caller's own words, or with a period. */
export function suffix(msg: string | undefined): string {
  return msg ? `: ${msg}` : ".";
}

/** Shows a value in full, as an assertion's message needs it. */
export function shown(value: unknown): string {
  return Deno.inspect(value, {
    depth: Infinity,
    iterableLimit: Infinity,
    sorted: true,
    strAbbreviateSize: Infinity,
    trailingComma: true,
    compact: false,
  });
}
