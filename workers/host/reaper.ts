/**
 * Ends the worker processes of a pool whose own process was killed. An idle worker process ends
 * with its standard input, but a busy one does not look at it.
 *
 * @module
 */

/** Remembers process ids; kills them all when its input ends, which is when its parent is gone. */
const SCRIPT = `
trap '' INT TERM HUP
pids=
while read -r action pid; do
  kept=
  for known in $pids; do [ "$known" = "$pid" ] || kept="$kept $known"; done
  pids=$kept
  [ "$action" = watch ] && pids="$pids $pid"
done
[ -z "$pids" ] || kill -KILL $pids 2>/dev/null
`;

/** A shell that outlives this process by as long as it takes to kill what it started. */
export class Reaper {
  #child: Deno.ChildProcess | undefined;
  #writer: WritableStreamDefaultWriter<Uint8Array> | undefined;
  readonly #encoder = new TextEncoder();

  /**
   * Gets ready to {@linkcode watch}.
   *
   * @throws {TypeError} If there is no shell.
   */
  open(): void {
    // Windows has no shell for this; there, a busy worker process ends with its task.
    if (Deno.build.os !== "windows") this.#writer ??= this.#start();
  }

  /** Sees to it that a process does not outlive this one. */
  watch(pid: number): void {
    this.#tell(`watch ${pid}`);
  }

  /** Forgets a process that has ended; ids of processes are used again. */
  forget(pid: number): void {
    this.#tell(`forget ${pid}`);
  }

  /** Ends the shell, and with it whatever it still watches. */
  async close(): Promise<void> {
    const writer = this.#writer;
    this.#writer = undefined;
    await writer?.close().catch(() => {});
    await this.#child?.status;
  }

  #start(): WritableStreamDefaultWriter<Uint8Array> {
    const command = new Deno.Command("sh", {
      args: ["-c", SCRIPT],
      stdin: "piped",
      stdout: "null",
      stderr: "null",
    });
    try {
      this.#child = command.spawn();
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
      throw new TypeError(
        'Cannot watch over worker processes as there is no shell: "sh" is not found on the PATH',
        { cause: error },
      );
    }
    return this.#child.stdin.getWriter();
  }

  #tell(line: string): void {
    this.#writer?.write(this.#encoder.encode(`${line}\n`)).catch(() => {});
  }
}
