// What every example has around it, so that the examples themselves show the library only.
import { parseArgs } from "../deps/std_cli.ts";
import { RpcError } from "../mod.ts";

/** What all examples take from the command line and the environment. */
export interface CommandLine {
  readonly url: string;
  readonly queue: string | undefined;
  readonly args: readonly string[];
}

/** Runs an example. Failures that a user can do something about are told in one line. */
export async function main(
  usage: string,
  run: (commandLine: CommandLine) => Promise<void>,
): Promise<void> {
  // A space keeps negative numbers from being taken for options.
  const given = Deno.args.map((arg) => arg.replace(/^-\d/, " $&"));
  const { url, queue, help, _: args } = parseArgs(given, {
    string: ["url", "queue", "_"],
    boolean: ["help"],
    default: { url: Deno.env.get("AMQP_URL") || "amqp://127.0.0.1" },
  });
  if (help) return console.log(`Usage: ${usage}\n       [--url amqp://…] [--queue …]`);
  try {
    await run({ url, queue, args: args.map((arg) => String(arg).trim()) });
  } catch (error) {
    if (!(error instanceof RpcError || error instanceof TypeError)) throw error;
    console.error(error.message);
    Deno.exitCode = 1;
  }
}

/** Resolves at the first Ctrl-C or SIGTERM. The second one ends the program at once, as usual. */
export async function interrupted(): Promise<Deno.Signal> {
  const { promise, resolve } = Promise.withResolvers<Deno.Signal>();
  const names: Deno.Signal[] = Deno.build.os === "windows" ? ["SIGINT"] : ["SIGINT", "SIGTERM"];
  const listeners = names.map((name) => [name, () => resolve(name)] as const);
  for (const [name, listener] of listeners) Deno.addSignalListener(name, listener);
  const received = await promise;
  for (const [name, listener] of listeners) Deno.removeSignalListener(name, listener);
  return received;
}
