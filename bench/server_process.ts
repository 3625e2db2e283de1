/** Starts a benchmark's server as a process of its own, so that it does not share our event loop. @module */

/** A running server; disposing of it kills it. */
export class ServerProcess implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;

  private constructor(child: Deno.ChildProcess) {
    this.#child = child;
  }

  /**
   * Starts a server and waits until it says that it is ready.
   *
   * @param file Its file in bench/servers.
   * @param args Its arguments.
   */
  static async start(file: string, args: readonly string[]): Promise<ServerProcess> {
    const child = new Deno.Command(Deno.execPath(), {
      // Those that tell how much memory they keep collect garbage first.
      args: ["run", "--allow-all", "--quiet", "--v8-flags=--expose-gc", serverPath(file), ...args],
      stdout: "piped",
    }).spawn();
    const reader = child.stdout.getReader();
    const { done } = await reader.read();
    reader.releaseLock();
    if (done) throw new Error(`Cannot measure as the server "${file}" ended at once`);
    return new ServerProcess(child);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#child.stdout.cancel();
    await this.#child.status;
  }
}

function serverPath(file: string): string {
  return new URL(`./servers/${file}`, import.meta.url).pathname;
}
