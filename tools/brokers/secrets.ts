/** Finds passwords where none may be. @module */

/** A password in all its forms: as it is, as it stands in a URL, and as SASL sends it. */
export function formsOf(user: string, password: string): string[] {
  const encoded = encodeURIComponent(password);
  return [password, encoded, encoded.toLowerCase(), btoa(`\0${user}\0${password}`)];
}

/** Everything that can be shown of a value, whatever it hides. */
export function showAll(value: unknown, seen: Set<unknown> = new Set()): string {
  if (typeof value !== "object" || value === null) return String(value);
  if (seen.has(value)) return "";
  seen.add(value);
  const options = { depth: 100, showHidden: true, strAbbreviateSize: Infinity };
  const own = Reflect.ownKeys(value).map((key) => Reflect.get(value, key));
  const shown = [Deno.inspect(value, options), String(value)];
  if (value instanceof Error) shown.push(value.stack ?? "", value.message);
  try {
    shown.push(JSON.stringify(value));
  } catch {
    // A bigint or a cycle; its parts are shown all the same.
  }
  return [...shown, ...own.map((part) => showAll(part, seen))].join("\n");
}
