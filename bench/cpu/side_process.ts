/** A process that is one side of a call, and tells how much processor time it takes. @module */

import { environmentOf, type Variant } from "./variant.ts";

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

  /**
   * Starts a side, and waits until it is ready.
   *
   * @param role Which one.
   * @param variant What it runs.
   * @param place The broker's URL, and the queue.
   */
  static async start(
    role: "client" | "server",
    variant: Variant,
    place: readonly [url: string, queue: string],
  ): Promise<SideProcess> {
    const side = new URL("./side.ts", import.meta.url).pathname;
    const child = new Deno.Command(Deno.execPath(), {
      args: [
        ...["run", "--allow-all", "--no-check", "--quiet", side],
        ...[role, variant.module, variant.uses, `${variant.inFlight}`, ...place],
      ],
      env: environmentOf(variant),
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
