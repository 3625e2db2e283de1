/** A server of a row, in a process of its own. @module */

import { ChildProgram, type Message } from "./child_program.ts";
import { EXECUTIONS_VARIABLE, type ServerSettings, toArgs } from "../servers/settings.ts";

/** Options of {@linkcode Server.start}. */
export interface ServerOptions extends ServerSettings {
  /** Name in the history. */
  readonly name: string;
  /** File that takes the executions. */
  readonly executions: string;
  /** Ours, one that shares its connection, or one that is wrong on purpose. */
  readonly program: "warren_server.ts" | "flooding_server.ts" | "acks_first_server.ts";
  /**
   * Most memory of its heap and those of its threads, each, in MiB.
   *
   * @default {what V8 allows}
   */
  readonly maxHeapMb?: number;
  /**
   * What it has done when it counts as started: a server that dies of a request may do so before it
   * can say that it listens.
   *
   * @default {"listening"}
   */
  readonly ready?: "starting" | "listening";
}

/** A running server; disposing of it kills it. */
export class Server implements AsyncDisposable {
  readonly name: string;
  /** Its file of executions. */
  readonly executions: string;
  readonly process: ChildProgram;
  readonly #told = new Map<string, number>();
  readonly #prefetch: number;
  #onMessage: (message: Message) => void = () => {};
  #wasKilled = false;

  private constructor(process: ChildProgram, { name, executions, prefetch }: ServerOptions) {
    this.name = name;
    this.executions = executions;
    this.process = process;
    this.#prefetch = prefetch;
    process.onMessage = (message) => {
      const key = `${message.type} ${message.detail ?? ""}`.trimEnd();
      this.#told.set(key, (this.#told.get(key) ?? 0) + 1);
      this.#onMessage(message);
    };
  }

  /** Starts a server and waits until it is ready. */
  static async start(options: ServerOptions): Promise<Server> {
    const { name, executions, program, maxHeapMb, ready = "listening", ...settings } = options;
    const process = await ChildProgram.start({
      program: `./servers/${program}`,
      args: toArgs(settings),
      env: {
        [EXECUTIONS_VARIABLE]: executions,
        ...(maxHeapMb !== undefined && { DENO_V8_FLAGS: `--max-old-space-size=${maxHeapMb}` }),
      },
      name,
      ready,
    });
    return new Server(process, options);
  }

  /** Whether it has not ended yet. */
  get running(): boolean {
    return this.process.running;
  }

  /** Whether it was ended by {@linkcode kill}, or died as it was to. */
  get wasKilled(): boolean {
    return this.#wasKilled;
  }

  /** Most requests that others may run again, as it died or lost its connection with them in hand. */
  get couldRepeat(): number {
    // What it had in hand goes to another server. A consumer that is too slow is cancelled from 4.3 on,
    // where older brokers close its channel.
    const losses = this.told("lost-connection consumer") + this.told("consumer-cancelled");
    return this.#prefetch * (losses + (this.#wasKilled ? 1 : 0));
  }

  /** How often it has told something: a type alone is any detail of it. */
  told(what: string): number {
    const isMeant = (key: string) => key === what || key.startsWith(`${what} `);
    return [...this.#told].reduce((sum, [key, count]) => isMeant(key) ? sum + count : sum, 0);
  }

  /** Calls back with everything that it tells. */
  set onMessage(callback: (message: Message) => void) {
    this.#onMessage = callback;
  }

  /** Waits until it has died by itself, with what it had in hand. */
  async died(): Promise<void> {
    await this.process.exited;
    this.#wasKilled = true;
  }

  /** Kills it as the kernel does when memory runs out, and waits until it is gone. */
  async kill(): Promise<void> {
    this.#wasKilled = true;
    await this.process.kill();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.process[Symbol.asyncDispose]();
  }
}
