/** Programs that a test runs beside itself. @module */

/** How a program ended. */
export interface ChildResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Options of {@linkcode startChild} and {@linkcode runChild}. */
export interface ChildOptions {
  readonly args?: readonly string[];
  /** More flags for Deno, such as `--check`. */
  readonly flags?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** What becomes of its stderr. @default {"inherit"} */
  readonly stderr?: "inherit" | "piped";
}

/** A program that runs until it ends by itself or is disposed of. */
export interface Child extends AsyncDisposable {
  readonly pid: number;
  /** Waits for the next line of its stdout. */
  nextLine(): Promise<string>;
  /** Waits for a line of its stdout and skips all before it. */
  line(expected: string): Promise<void>;
  /** All of its stderr, once it has ended; nothing unless it is piped. */
  readonly stderr: Promise<string>;
  /** Waits for its end. */
  readonly status: Promise<Deno.CommandStatus>;
  kill(signal: Deno.Signal): void;
}

/** Starts a Deno program whose stdout is read line by line. */
export function startChild(module: string | URL, options: ChildOptions = {}): Child {
  return startProgram([Deno.execPath(), ...denoRun(options), pathOf(module)], options);
}

/** Starts any program whose stdout is read line by line. */
export function startProgram(command: readonly string[], options: ChildOptions = {}): Child {
  const [program = "", ...args] = command;
  const child = new Deno.Command(program, {
    ...commandOptions(options),
    args: [...args, ...options.args ?? []],
    stdout: "piped",
    stderr: options.stderr ?? "inherit",
  }).spawn();
  const isPiped = options.stderr === "piped";
  const stderr = isPiped ? new Response(child.stderr).text() : Promise.resolve("");
  const lines = linesOf(child.stdout);
  async function nextLine(): Promise<string> {
    const { done, value } = await lines.next();
    if (done) throw new Error(`Cannot read a line of "${command.join(" ")}" as it has ended`);
    return value;
  }
  return {
    pid: child.pid,
    stderr,
    status: child.status,
    nextLine,
    async line(expected) {
      while (await nextLine() !== expected);
    },
    kill: (signal) => child.kill(signal),
    async [Symbol.asyncDispose]() {
      kill(child);
      await child.status;
      await stderr;
      // What nobody has read keeps the pipe open.
      while (!(await lines.next()).done);
    },
  };
}

/**
 * Runs a Deno program that must end by itself.
 *
 * @throws {Error} If it is still there after the limit: something keeps it alive.
 */
export async function runChild(
  module: string | URL,
  options: ChildOptions & {
    readonly limitMs: number;
    /** Told of all of its stderr so far. */
    readonly onStderr?: (text: string) => void;
  },
): Promise<ChildResult> {
  const child = new Deno.Command(Deno.execPath(), {
    ...commandOptions(options),
    args: [...denoRun(options), pathOf(module), ...options.args ?? []],
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  let isLate = false;
  const timer = setTimeout(() => {
    isLate = true;
    kill(child);
  }, options.limitMs);
  const [stdout, stderr, { code }] = await Promise.all([
    new Response(child.stdout).text(),
    textOf(child.stderr, options.onStderr),
    child.status,
  ]);
  clearTimeout(timer);
  const result = { code, stdout, stderr };
  if (!isLate) return result;
  throw new Error(
    `Cannot wait for "${pathOf(module)}" as it runs longer than ${options.limitMs} ms: ` +
      `${result.stdout}${result.stderr}`,
  );
}

async function textOf(
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
  onText: (text: string) => void = () => {},
): Promise<string> {
  let text = "";
  for await (const chunk of stream.pipeThrough(new TextDecoderStream())) onText(text += chunk);
  return text;
}

function denoRun({ flags = [] }: ChildOptions): string[] {
  return ["run", "--allow-all", "--quiet", ...flags];
}

function commandOptions({ env, cwd }: ChildOptions): Deno.CommandOptions {
  return { stdin: "null", ...(env && { env: { ...env } }), ...(cwd && { cwd }) };
}

function pathOf(module: string | URL): string {
  return module instanceof URL ? module.href : module;
}

function kill(child: Deno.ChildProcess): void {
  try {
    child.kill("SIGKILL");
  } catch {
    // It has ended by itself.
  }
}

async function* linesOf(
  stdout: ReadableStream<Uint8Array<ArrayBuffer>>,
): AsyncGenerator<string, undefined> {
  let rest = "";
  for await (const chunk of stdout.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop() ?? "";
    yield* lines;
  }
}
