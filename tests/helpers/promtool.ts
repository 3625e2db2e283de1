/** Prometheus' own checker, where it is installed (Debian: `prometheus`). @module */

/** Why it cannot be run; `undefined` if it can. */
export async function promtoolMissing(): Promise<string | undefined> {
  try {
    const { success } = await new Deno.Command("promtool", { args: ["--version"] }).output();
    return success ? undefined : "promtool does not work";
  } catch {
    return "promtool is not installed";
  }
}

/**
 * Runs it.
 *
 * @param args What it is to check.
 * @param input What it reads from standard input.
 * @throws {Error} If something is wrong, with what it says of it.
 */
export async function promtool(args: readonly string[], input = ""): Promise<void> {
  const command = new Deno.Command("promtool", {
    args: [...args],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  });
  const child = command.spawn();
  const [output] = await Promise.all([
    child.output(),
    new Blob([input]).stream().pipeTo(child.stdin),
  ]);
  const decoder = new TextDecoder();
  if (!output.success) {
    throw new Error(decoder.decode(output.stdout) + decoder.decode(output.stderr));
  }
}
