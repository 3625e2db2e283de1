/** A process that is one side of a call, and tells how much processor time it takes. @module */

/** A running {@link ./side.ts}; disposing of it kills it. */
export class SideProcess implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #orders: WritableStreamDefaultWriter<Uint8Array>;
  readonly #answers: ReadableStreamDefaultReader<string>;

  private constructor(child: Deno.ChildProcess) {
    this.#child = child;
    this.#orders = child.stdin.getWriter();
    this.#answers = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  }

  /** Starts a side with its arguments, and waits until it is ready. */
  static async start(...args: readonly string[]): Promise<SideProcess> {
    const side = new URL("./side.ts", import.meta.url).pathname;
    const child = new Deno.Command(Deno.execPath(), {
      args: ["run", "--allow-all", "--no-check", "--quiet", side, ...args],
      stdin: "piped",
      stdout: "piped",
    }).spawn();
    const started = new SideProcess(child);
    await started.#answer();
    return started;
  }

  /**
   * Makes so many calls.
   *
   * @returns The processor time that the process has taken since it was started, in milliseconds.
   */
  async call(count: number): Promise<number> {
    await this.#orders.write(new TextEncoder().encode(`${count}\n`));
    return Number(await this.#answer());
  }

  /** Kills it. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#child.status;
    await this.#answers.cancel();
    await this.#orders.abort().catch(() => {});
  }

  async #answer(): Promise<string> {
    const { value } = await this.#answers.read();
    if (value === undefined) throw new Error("Cannot measure as a process ended at once");
    return value;
  }
}
