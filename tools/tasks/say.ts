/** Tells the user something on stderr, so that stdout stays for results. */
export function say(line: string): void {
  Deno.stderr.writeSync(new TextEncoder().encode(`${line}\n`));
}
