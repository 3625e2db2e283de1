/** Servers and clients in processes of their own, to be killed and measured. @module */

import type { Memory } from "../checking/memory.ts";

/** Options of {@linkcode ChildProgram.start}. */
export interface ChildProgramOptions {
  /** Its file, from this folder on. */
  readonly program: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Its name in the history and in errors. */
  readonly name: string;
  /** What it says when it is ready. */
  readonly ready: string;
}

/** What a program tells on a line of its stdout. */
export type Message = { readonly type: string } & Readonly<Record<string, unknown>>;

/** Programs are named from here. */
const CHAOS = new URL("../", import.meta.url);

/** Longest time until a program is ready. */
const START_LIMIT_MS = 60_000;

/** A running program; disposing of it kills it. */
export class ChildProgram implements AsyncDisposable {
  readonly name: string;
  /** Resolves with its exit code; 128 and the number of the signal that killed it. */
  readonly exited: Promise<number>;
  readonly #child: Deno.ChildProcess;
  readonly #requests: WritableStreamDefaultWriter<Uint8Array<ArrayBuffer>>;
  readonly #waiting = new Map<string, (message: Message) => void>();
  readonly #reading: Promise<void>;
  readonly #errors: Promise<string>;
  #onMessage: (message: Message) => void = () => {};
  #said = "";
  #hasExited = false;

  private constructor(child: Deno.ChildProcess, name: string) {
    this.name = name;
    this.#child = child;
    this.#requests = child.stdin.getWriter();
    this.exited = child.status.then(({ code }) => {
      this.#hasExited = true;
      return code;
    });
    this.#reading = this.#readMessages();
    this.#errors = allOf(child.stderr);
  }

  /**
   * Starts a program and waits until it is ready.
   *
   * @throws {Error} If it ends or takes too long; with what it has said about it.
   */
  static async start(options: ChildProgramOptions): Promise<ChildProgram> {
    const { program, args, env = {}, name, ready } = options;
    const path = new URL(program, CHAOS).pathname;
    const child = new Deno.Command(Deno.execPath(), {
      args: ["run", "--allow-all", "--quiet", "--v8-flags=--expose-gc", path, ...args],
      env: { ...env },
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const started = new ChildProgram(child, name);
    try {
      await started.next(ready, START_LIMIT_MS);
      return started;
    } catch (error) {
      await started[Symbol.asyncDispose]();
      throw new Error(`${Error.isError(error) ? error.message : error}: ${await started.errors}`);
    }
  }

  get pid(): number {
    return this.#child.pid;
  }

  /** Whether it has not ended yet. */
  get running(): boolean {
    return !this.#hasExited;
  }

  /** The last lines that it has written to stderr; once it has ended. */
  get errors(): Promise<string> {
    return this.#errors.then((text) => text.trim().slice(-SHOWN_CHARS));
  }

  /** All that it has written to stdout, then to stderr; once it has ended. */
  async transcript(): Promise<string> {
    await this.#reading;
    return `${this.#said}\n${await this.#errors}`;
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

  /** Calls back with everything that it tells. */
  set onMessage(callback: (message: Message) => void) {
    this.#onMessage = callback;
  }

  /** Asks it what it holds. */
  async memory(): Promise<Memory> {
    const answer = this.next("memory", START_LIMIT_MS);
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
      this.#said += chunk;
      const lines = (rest + chunk).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) {
        const message: Message = JSON.parse(line);
        this.#onMessage(message);
        this.#waiting.get(message.type)?.(message);
      }
    }
  }

  /** Waits for the next message of a type. */
  async next(type: string, limitMs: number): Promise<Message> {
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

/** So much of what it has written to stderr is shown, at its end. */
const SHOWN_CHARS = 4_000;

async function allOf(stream: ReadableStream<Uint8Array<ArrayBuffer>>): Promise<string> {
  let text = "";
  for await (const chunk of stream.pipeThrough(new TextDecoderStream())) text += chunk;
  return text;
}
