/** A server of a row, in a process of its own. @module */

import { ChildProgram } from "./child_program.ts";
import { EXECUTIONS_VARIABLE, type ServerSettings, toArgs } from "./servers/settings.ts";

/** Options of {@linkcode Server.start}. */
export interface ServerOptions extends ServerSettings {
  /** Name in the history. */
  readonly name: string;
  /** File that takes the executions. */
  readonly executions: string;
  /** Ours, or one that is wrong on purpose. */
  readonly program: "warren_server.ts" | "acks_first_server.ts";
}

/** A running server; disposing of it kills it. */
export class Server implements AsyncDisposable {
  readonly name: string;
  /** Its file of executions. */
  readonly executions: string;
  readonly process: ChildProgram;
  readonly #told = new Map<string, number>();
  readonly #prefetch: number;
  #wasKilled = false;

  private constructor(process: ChildProgram, { name, executions, prefetch }: ServerOptions) {
    this.name = name;
    this.executions = executions;
    this.process = process;
    this.#prefetch = prefetch;
    process.onMessage = ({ type, detail = "" }) => {
      const key = `${type} ${detail}`.trimEnd();
      this.#told.set(key, (this.#told.get(key) ?? 0) + 1);
    };
  }

  /** Starts a server and waits until it listens. */
  static async start(options: ServerOptions): Promise<Server> {
    const { name, executions, program, ...settings } = options;
    const process = await ChildProgram.start({
      program: `./servers/${program}`,
      args: toArgs(settings),
      env: { [EXECUTIONS_VARIABLE]: executions },
      name,
      ready: "listening",
    });
    return new Server(process, options);
  }

  /** Whether it has not ended yet. */
  get running(): boolean {
    return this.process.running;
  }

  /** Whether it was ended by {@linkcode kill}. */
  get wasKilled(): boolean {
    return this.#wasKilled;
  }

  /** Most requests that others may run again, as it died or lost its connection with them in hand. */
  get couldRepeat(): number {
    // What it had in hand goes to another server.
    const losses = this.told("lost-connection consumer") + (this.#wasKilled ? 1 : 0);
    return this.#prefetch * losses;
  }

  /** How often it has told something: a type alone is any detail of it. */
  told(what: string): number {
    const isMeant = (key: string) => key === what || key.startsWith(`${what} `);
    return [...this.#told].reduce((sum, [key, count]) => isMeant(key) ? sum + count : sum, 0);
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
