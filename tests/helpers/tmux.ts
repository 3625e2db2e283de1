/** A real terminal that nobody sees, for programs that take a whole screen. @module */

/** Why no terminal can be had, if so. */
export async function whyNoTmux(): Promise<string | undefined> {
  try {
    await new Deno.Command("tmux", { args: ["-V"], stdout: "null" }).output();
    return undefined;
  } catch {
    return "tmux is not installed";
  }
}

/** How a terminal is. */
export interface TmuxOptions {
  readonly columns: number;
  readonly rows: number;
  readonly env?: Readonly<Record<string, string>>;
}

/** A terminal with a shell in it. */
export class Tmux implements AsyncDisposable {
  readonly #socket = `warren-test-${crypto.randomUUID()}`;

  private constructor() {}

  /** Opens a terminal, with a server of its own. */
  static async open({ columns, rows, env = {} }: TmuxOptions): Promise<Tmux> {
    const tmux = new Tmux();
    const size = ["-x", String(columns), "-y", String(rows)];
    const variables = Object.entries(env).flatMap(([name, value]) => ["-e", `${name}=${value}`]);
    await tmux.#run("-f", "/dev/null", "new-session", "-d", ...variables, ...size, "sh");
    return tmux;
  }

  /** Types a line. */
  async type(line: string): Promise<void> {
    await this.#run("send-keys", "-l", line);
    await this.keys("Enter");
  }

  /** Presses keys, by the names that tmux has for them. */
  async keys(...keys: readonly string[]): Promise<void> {
    await this.#run("send-keys", ...keys);
  }

  async resize(columns: number, rows: number): Promise<void> {
    await this.#run("resize-window", "-x", String(columns), "-y", String(rows));
  }

  /** What is on the screen. */
  async screen(): Promise<string> {
    return await this.#run("capture-pane", "-p");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#run("kill-server");
  }

  async #run(...args: readonly string[]): Promise<string> {
    const command = new Deno.Command("tmux", { args: ["-L", this.#socket, ...args] });
    const { success, stdout, stderr } = await command.output();
    const decoder = new TextDecoder();
    if (success) return decoder.decode(stdout);
    throw new Error(`Cannot run tmux ${args.join(" ")}: ${decoder.decode(stderr)}`);
  }
}
