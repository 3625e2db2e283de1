import type { Interruption } from "./interruption.ts";
import { ROOT } from "./root.ts";

/** Options of {@linkcode runDeno}. */
export interface RunDenoOptions {
  /** Variables on top of this process's own. */
  readonly env?: Readonly<Record<string, string>>;
  /** Signals to pass on to the child. */
  readonly interruption?: Interruption;
}

/** What a child has that does not end when it is asked to. */
const GRACE_MS = 20_000;

/**
 * Runs a `deno` command in the project's folder, with this terminal as its own.
 *
 * It is always the Deno that runs this file: on a machine with nothing but npm there is no `deno`
 * on the PATH.
 *
 * @returns The child's exit code.
 */
export async function runDeno(
  args: readonly string[],
  options: RunDenoOptions = {},
): Promise<number> {
  const { env = {}, interruption } = options;
  interruption?.signal.throwIfAborted();
  const child = new Deno.Command(Deno.execPath(), { args: [...args], env, cwd: ROOT }).spawn();
  let lastResort: ReturnType<typeof setTimeout> | undefined;
  using _passing = interruption?.onSignal((signal) => {
    lastResort ??= setTimeout(() => killIfAlive(child, "SIGKILL"), GRACE_MS);
    // A terminal sends Ctrl-C to the whole group; a second copy would mean "hurry up".
    if (signal !== "SIGINT" || !Deno.stdin.isTerminal()) killIfAlive(child, signal);
  });
  const { code } = await child.status;
  clearTimeout(lastResort);
  return code;
}

function killIfAlive(child: Deno.ChildProcess, signal: Deno.Signal): void {
  try {
    child.kill(signal);
  } catch (error) {
    // It has ended on its own between the signal and this line.
    if (!(error instanceof TypeError || error instanceof Deno.errors.NotFound)) throw error;
  }
}
