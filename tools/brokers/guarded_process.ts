/** How to start a {@linkcode GuardedProcess}. */
export interface GuardedProcessOptions {
  /** The program and its arguments; it must not fork into the background. */
  readonly command: readonly string[];
  /** All of its variables. */
  readonly env: Readonly<Record<string, string>>;
  /** File that takes its stdout and stderr. */
  readonly log: string;
  /** Folder to remove if this process dies without having ended the program. */
  readonly orphanedFolder?: string;
}

/**
 * Runs `"$@"` and kills it as soon as stdin ends: the kernel closes that pipe however its owner
 * dies, SIGKILL included. The first line of stdout is the program's pid. The pause is for other
 * programs of the same owner, which end at the same moment and may still write to the folder.
 *
 * Signals to the whole process group, such as Ctrl-C, are left to the owner, which ends things in
 * order.
 */
const GUARD_SCRIPT = `
trap '' INT HUP TERM
exec 3<&0
"$@" >>"$GUARD_LOG" 2>&1 </dev/null 3<&- &
program=$!
echo "$program"
(
  read -r _ <&3
  trap '' USR1
  kill -9 "$program" 2>/dev/null
  exit 7
) >/dev/null 2>&1 &
guard=$!
wait "$program"
code=$?
kill -USR1 "$guard" 2>/dev/null
wait "$guard"
if [ "$?" = 7 ] && [ -n "$GUARD_FOLDER" ]; then
  sleep 1
  rm -rf "$GUARD_FOLDER"
fi
exit "$code"
`;

/** A program that cannot outlive this process. */
export class GuardedProcess implements AsyncDisposable {
  /** Process id of the program itself. */
  readonly pid: number;
  /** Resolves when the program has ended. */
  readonly exited: Promise<number>;
  #running = true;

  private constructor(pid: number, exited: Promise<number>) {
    this.pid = pid;
    this.exited = exited.then((code) => {
      this.#running = false;
      return code;
    });
  }

  /** Starts a program and its guard. */
  static async start(options: GuardedProcessOptions): Promise<GuardedProcess> {
    const { command, env, log, orphanedFolder = "" } = options;
    const shell = new Deno.Command("/bin/sh", {
      args: ["-c", GUARD_SCRIPT, "guard", ...command],
      env: { ...env, GUARD_LOG: log, GUARD_FOLDER: orphanedFolder },
      clearEnv: true,
      stdin: "piped",
      stdout: "piped",
      stderr: "null",
    }).spawn();
    const pid = await firstNumber(shell.stdout);
    const exited = shell.status.then(async ({ code }) => {
      await shell.stdin.close().catch(() => {});
      return code;
    });
    return new GuardedProcess(pid, exited);
  }

  /** Whether the program has not ended yet. */
  get running(): boolean {
    return this.#running;
  }

  /** Sends a signal, unless the program has ended. */
  kill(signal: Deno.Signal): void {
    if (!this.#running) return;
    try {
      Deno.kill(this.pid, signal);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }

  /** Kills the program and waits until it is gone. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.kill("SIGKILL");
    await this.exited;
  }
}

async function firstNumber(stdout: ReadableStream<Uint8Array<ArrayBuffer>>): Promise<number> {
  let text = "";
  for await (const chunk of stdout.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    if (text.includes("\n")) break;
  }
  const pid = Number.parseInt(text, 10);
  if (Number.isNaN(pid)) {
    throw new Error(`Cannot start a process as its shell gave no pid: "${text}"`);
  }
  return pid;
}
