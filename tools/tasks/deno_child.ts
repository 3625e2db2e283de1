import type { Interruption } from "./interruption.ts";
import { ROOT } from "./root.ts";
import { say } from "./say.ts";

/** Options of {@linkcode runDeno}. */
export interface RunDenoOptions {
  /** Variables on top of this process's own. */
  readonly env?: Readonly<Record<string, string>>;
  /** Signals to pass on to the child. */
  readonly interruption?: Interruption;
  /**
   * Whether to keep what the child prints until it has ended, so that children beside each other do
   * not speak at the same time.
   *
   * @default {false}
   */
  readonly isHeldBack?: boolean;
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
  const { env = {}, interruption, isHeldBack = false } = options;
  interruption?.signal.throwIfAborted();
  const log = isHeldBack ? await Deno.makeTempFile() : undefined;
  const child = spawn(args, { env, ...log && { log } });
  let lastResort: ReturnType<typeof setTimeout> | undefined;
  using _passing = interruption?.onSignal((signal) => {
    lastResort ??= setTimeout(() => killIfAlive(child, "SIGKILL"), GRACE_MS);
    // A terminal sends Ctrl-C to the whole group; a second copy would mean "hurry up".
    if (signal !== "SIGINT" || !Deno.stdin.isTerminal()) killIfAlive(child, signal);
  });
  const { code } = await child.status;
  clearTimeout(lastResort);
  if (log !== undefined) {
    say(await Deno.readTextFile(log));
    await Deno.remove(log);
  }
  return code;
}

function spawn(
  args: readonly string[],
  { env, log }: { readonly env: Readonly<Record<string, string>>; readonly log?: string },
): Deno.ChildProcess {
  const options = { env: { ...env }, cwd: ROOT };
  if (log === undefined) {
    return new Deno.Command(Deno.execPath(), { ...options, args: [...args] }).spawn();
  }
  // Through a file and not a pipe, which a process that outlives the child would keep open.
  const script = ["-c", 'exec "$@" >"$0" 2>&1 </dev/null', log, Deno.execPath(), ...args];
  return new Deno.Command("/bin/sh", { ...options, args: script }).spawn();
}

function killIfAlive(child: Deno.ChildProcess, signal: Deno.Signal): void {
  try {
    child.kill(signal);
  } catch (error) {
    // It has ended on its own between the signal and this line.
    if (!(error instanceof TypeError || error instanceof Deno.errors.NotFound)) throw error;
  }
}
