/** The program `testing/main.ts` in a process of its own. @module */

const MAIN = new URL("../../../testing/main.ts", import.meta.url).href;
const GRANTS: readonly string[] = ["--allow-net"];

/** How the program has ended. */
export interface ProgramEnd {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the program to its end. */
export async function endOf(
  args: readonly string[],
  grants: readonly string[] = GRANTS,
): Promise<ProgramEnd> {
  const { code, stdout, stderr } = await command(args, grants).output();
  const decoder = new TextDecoder();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

/** A running program. */
export class BrokerProgram implements AsyncDisposable {
  /** What it printed when it was ready. */
  readonly greeting: string;
  readonly #child: Deno.ChildProcess;
  readonly #output: ReadableStreamDefaultReader<string>;

  private constructor(
    child: Deno.ChildProcess,
    output: ReadableStreamDefaultReader<string>,
    greeting: string,
  ) {
    this.#child = child;
    this.#output = output;
    this.greeting = greeting;
  }

  /** Starts the program and waits until it is ready. */
  static async start(args: readonly string[]): Promise<BrokerProgram> {
    const child = command(args, GRANTS).spawn();
    const output = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
    const last = args.includes("--control") ? "Control interface: " : "amqp://";
    let greeting = "";
    while (!greeting.includes(last) || !greeting.endsWith("\n")) {
      const { value, done } = await output.read();
      if (done) throw new Error(`Cannot start the program as it has ended: ${greeting}`);
      greeting += value;
    }
    return new BrokerProgram(child, output, greeting);
  }

  /** The AMQP URL. */
  get url(): string {
    return /amqp:\S+/.exec(this.greeting)?.[0] ?? "";
  }

  /** The URL of the control interface. */
  get controlUrl(): string {
    return /http:\S+/.exec(this.greeting)?.[0] ?? "";
  }

  /** Tells the program to stop; returns its exit code. */
  async stop(): Promise<number> {
    this.#child.kill("SIGTERM");
    const { code } = await this.#child.status;
    await this.#output.cancel();
    await this.#child.stderr.cancel();
    return code;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop().catch(() => {});
  }
}

function command(args: readonly string[], grants: readonly string[]): Deno.Command {
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--no-check", ...grants, MAIN, ...args],
    env: { NO_COLOR: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  });
}
