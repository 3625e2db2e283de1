// What every example has around it, so that the examples themselves show the library only.
// deno-lint-ignore-file no-console
import { parseArgs } from "../deps/std_cli.ts";
import { RpcError } from "../mod.ts";

/** What all examples take from the command line and the environment. */
export interface CommandLine {
  /** `--url`, or `AMQP_URL`, or this machine. */
  readonly url: string;
  /** `--queue`, or what the example uses. */
  readonly queue: string | undefined;
  /** The arguments that are not options. */
  readonly args: readonly string[];
}

/** Runs an example. Failures that a user can do something about are told in one line. */
export async function main(
  usage: string,
  run: (commandLine: CommandLine) => Promise<void>,
): Promise<void> {
  // Negative numbers are arguments here, not options.
  const negatives = Deno.args.filter((arg) => /^-\d/.test(arg));
  const others = Deno.args.filter((arg) => !negatives.includes(arg));
  const { url, queue, help, _: args } = parseArgs(others, {
    string: ["url", "queue", "_"],
    boolean: ["help"],
    default: { url: Deno.env.get("AMQP_URL") || "amqp://127.0.0.1" },
  });
  if (help) return console.log(`Usage: ${usage}\n       [--url amqp://…] [--queue …]`);
  try {
    await run({ url, queue, args: [...args.map(String), ...negatives] });
  } catch (error) {
    if (!(error instanceof RpcError || error instanceof TypeError)) throw error;
    console.error(error.message);
    Deno.exitCode = 1;
  }
}

/** Resolves at the first Ctrl-C or SIGTERM. The second one ends the program at once, as usual. */
export function interrupted(): Promise<Deno.Signal> {
  return new Promise((resolve) => {
    function stop(signal: Deno.Signal): void {
      for (const [name, listener] of listeners) Deno.removeSignalListener(name, listener);
      resolve(signal);
    }
    const names: Deno.Signal[] = Deno.build.os === "windows" ? ["SIGINT"] : ["SIGINT", "SIGTERM"];
    const listeners = names.map((name) => [name, () => stop(name)] as const);
    for (const [name, listener] of listeners) Deno.addSignalListener(name, listener);
  });
}
