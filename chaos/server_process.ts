/** A server in a process of its own, to be killed. @module */

import type { Memory } from "./memory.ts";
import { EXECUTIONS_VARIABLE, type ServerSettings, toArgs } from "./servers/settings.ts";

/** Which server: ours, or one that is wrong on purpose. */
export type ServerProgram = "warren_server.ts" | "acks_first_server.ts";

/** Options of {@linkcode ServerProcess.start}. */
export interface ServerProcessOptions extends ServerSettings {
  /** Name in the history. */
  readonly name: string;
  /** File that takes the executions. */
  readonly executions: string;
  readonly program: ServerProgram;
}

/** What a server tells on a line of its stdout. */
type Message = { readonly type: string } & Readonly<Record<string, unknown>>;

/** Longest time until a server listens. */
const START_LIMIT_MS = 60_000;

/** A running server; disposing of it kills it. */
export class ServerProcess implements AsyncDisposable {
  readonly name: string;
  /** Its file of executions. */
  readonly executions: string;
  /** Resolves with its exit code; 128 and the number of the signal that killed it. */
  readonly exited: Promise<number>;
  readonly #child: Deno.ChildProcess;
  readonly #requests: WritableStreamDefaultWriter<Uint8Array<ArrayBuffer>>;
  readonly #waiting = new Map<string, (message: Message) => void>();
  readonly #reading: Promise<void>;
  readonly #errors: Promise<string>;
  #hasExited = false;
  #wasKilled = false;

  private constructor(child: Deno.ChildProcess, { name, executions }: ServerProcessOptions) {
    this.name = name;
    this.executions = executions;
    this.#child = child;
    this.#requests = child.stdin.getWriter();
    this.exited = child.status.then(({ code }) => {
      this.#hasExited = true;
      return code;
    });
    this.#reading = this.#readMessages();
    this.#errors = lastOf(child.stderr);
  }

  /**
   * Starts a server and waits until it listens.
   *
   * @throws {Error} If it ends or takes too long; with what it has said about it.
   */
  static async start(options: ServerProcessOptions): Promise<ServerProcess> {
    const program = new URL(`./servers/${options.program}`, import.meta.url).pathname;
    const child = new Deno.Command(Deno.execPath(), {
      args: [
        "run",
        "--allow-all",
        "--quiet",
        "--v8-flags=--expose-gc",
        program,
        ...toArgs(options),
      ],
      env: { [EXECUTIONS_VARIABLE]: options.executions },
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const server = new ServerProcess(child, options);
    try {
      await server.#next("listening", START_LIMIT_MS);
      return server;
    } catch (error) {
      await server[Symbol.asyncDispose]();
      throw new Error(`${Error.isError(error) ? error.message : error}: ${await server.#errors}`);
    }
  }

  get pid(): number {
    return this.#child.pid;
  }

  /** Whether it has not ended yet. */
  get running(): boolean {
    return !this.#hasExited;
  }

  /** Whether it was ended by {@linkcode kill}. */
  get wasKilled(): boolean {
    return this.#wasKilled;
  }

  /** The last lines that it has written to stderr; once it has ended. */
  get errors(): Promise<string> {
    return this.#errors;
  }

  /** Sends a signal, unless it has ended. */
  signal(signal: Deno.Signal): void {
    try {
      this.#child.kill(signal);
    } catch (error) {
      // It has ended by itself.
      if (!(error instanceof TypeError || error instanceof Deno.errors.NotFound)) throw error;
    }
  }

  /** Kills it as the kernel does when memory runs out, and waits until it is gone. */
  async kill(): Promise<void> {
    this.#wasKilled = true;
    this.signal("SIGKILL");
    await this.exited;
  }

  /**
   * Asks it to end in order.
   *
   * @returns Its exit code and how long it took, in milliseconds.
   */
  async terminate(): Promise<{ readonly code: number; readonly ms: number }> {
    const start = performance.now();
    this.signal("SIGTERM");
    const code = await this.exited;
    return { code, ms: performance.now() - start };
  }

  /** Asks it what it holds. */
  async memory(): Promise<Memory> {
    const answer = this.#next("memory", START_LIMIT_MS);
    await this.#requests.write(new TextEncoder().encode("memory\n"));
    const { rss, heapUsed, files } = await answer;
    return { rss: Number(rss), heapUsed: Number(heapUsed), files: Number(files) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    await this.#reading;
    await this.#requests.close().catch(() => {});
    await this.#errors;
  }

  async #readMessages(): Promise<void> {
    let rest = "";
    for await (const chunk of this.#child.stdout.pipeThrough(new TextDecoderStream())) {
      const lines = (rest + chunk).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) {
        const message: Message = JSON.parse(line);
        this.#waiting.get(message.type)?.(message);
      }
    }
  }

  async #next(type: string, limitMs: number): Promise<Message> {
    const { promise, resolve, reject } = Promise.withResolvers<Message>();
    const fail = (why: string) => reject(new Error(`Cannot go on as "${this.name}" ${why}`));
    const timer = setTimeout(() => fail(`says nothing of "${type}" in ${limitMs} ms`), limitMs);
    this.exited.then((code) => fail(`has ended with code ${code}`));
    this.#waiting.set(type, resolve);
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      this.#waiting.delete(type);
    }
  }
}

const KEPT_CHARS = 4_000;

/** The last part of a stream's text. */
async function lastOf(stream: ReadableStream<Uint8Array<ArrayBuffer>>): Promise<string> {
  let text = "";
  for await (const chunk of stream.pipeThrough(new TextDecoderStream())) {
    text = (text + chunk).slice(-KEPT_CHARS);
  }
  return text.trim();
}
