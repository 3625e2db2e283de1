/** The server and the client of one contender, each a process of its own. @module */

import type { Contender, Role } from "./contenders.ts";

/** What a client answers: figures by name. */
export type Figures = Readonly<Record<string, number>>;

/** What a client is told to do: see sides/orders.js. */
export type Order =
  | {
    readonly kind: "calls";
    readonly procedure: string;
    readonly input?: number;
    readonly count: number;
    readonly inFlight: number;
  }
  | {
    readonly kind: "mixed";
    readonly long: number;
    readonly input: number;
    readonly ms: number;
  }
  | { readonly kind: "pending"; readonly count: number };

/** How long a process may take to say that it is ready, in milliseconds. */
const START_MS = 30_000;
/** How long an order may take, in milliseconds. */
const ORDER_MS = 120_000;

/** A pair of processes; disposing of it kills both. */
export class Duel implements AsyncDisposable {
  readonly #client: Side;
  readonly #stack: AsyncDisposableStack;

  private constructor(client: Side, stack: AsyncDisposableStack) {
    this.#client = client;
    this.#stack = stack;
  }

  /** Starts the server, then the client. */
  static async start(
    contender: Contender,
    { url, durability }: { readonly url: string; readonly durability: string },
  ): Promise<Duel> {
    await using stack = new AsyncDisposableStack();
    const args = [url, `bench.${crypto.randomUUID()}`, durability];
    const start = async (role: Role) =>
      stack.use(await Side.start([...contender.command(role), ...args]));
    await start("server");
    const client = await start("client");
    return new Duel(client, stack.move());
  }

  /** Has the client do something, and returns what it has measured. */
  order(order: Order): Promise<Figures> {
    return this.#client.order(order);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }
}

/** One process. */
class Side implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #orders: WritableStreamDefaultWriter<Uint8Array>;
  readonly #output: ReadableStreamDefaultReader<string>;
  readonly #command: readonly string[];
  #text = "";

  private constructor(command: readonly string[]) {
    const [program = "", ...args] = command;
    this.#command = command;
    const cwd = new URL(".", import.meta.url);
    this.#child = new Deno.Command(program, {
      args,
      cwd,
      env: { NO_COLOR: "1" },
      stdin: "piped",
      stdout: "piped",
      stderr: "null",
    }).spawn();
    this.#orders = this.#child.stdin.getWriter();
    this.#output = this.#child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  }

  static async start(command: readonly string[]): Promise<Side> {
    const side = new Side(command);
    try {
      while (await side.#line(START_MS) !== "ready");
    } catch (error) {
      await side[Symbol.asyncDispose]();
      throw error;
    }
    return side;
  }

  async order(order: Order): Promise<Figures> {
    await this.#orders.write(new TextEncoder().encode(`${JSON.stringify(order)}\n`));
    return JSON.parse(await this.#line(ORDER_MS));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // Celery has processes of its own below, which end with their parent's SIGTERM only.
    const signal = this.#command.some((part) => part.includes("celery")) ? "SIGTERM" : "SIGKILL";
    try {
      this.#child.kill(signal);
    } catch (error) {
      // It has ended by itself.
      if (!(error instanceof TypeError)) throw error;
    }
    await this.#child.status;
    await this.#output.cancel();
    await this.#orders.abort().catch(() => {});
  }

  async #line(ms: number): Promise<string> {
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), ms);
    try {
      while (!this.#text.includes("\n")) {
        const { value } = await this.#output.read();
        if (value === undefined) {
          throw new Error(`Cannot measure as a process ended: ${this.#command.join(" ")}`);
        }
        this.#text += value;
      }
    } finally {
      clearTimeout(timer);
    }
    const end = this.#text.indexOf("\n");
    const line = this.#text.slice(0, end);
    this.#text = this.#text.slice(end + 1);
    return line;
  }
}
