// deno-lint-ignore-file no-console -- a program tells its user what it does
/**
 * Runs a test broker until it is told to stop.
 *
 * ```sh
 * deno run --allow-net jsr:@warren/rpc/testing/main --port 5672
 * ```
 *
 * @module
 */

import process from "node:process";
import { TestBroker } from "./broker.ts";
import type { TestBrokerOptions } from "./broker_options.ts";
import { parseProgramArgs, USAGE } from "./program_options.ts";

/** Exit codes of `sysexits.h`, and what they are for. */
const EXIT_CODES = { usage: 64, unavailable: 69, system: 71, denied: 77 } as const;

if (import.meta.main) process.exitCode = await main(process.argv.slice(2));

async function main(args: string[]): Promise<number> {
  let broker: TestBroker;
  try {
    const options = parseProgramArgs(args);
    if (options === undefined) {
      console.log(USAGE);
      return 0;
    }
    if (await isDenied(options)) {
      console.error("Cannot listen as Deno denies it: run with --allow-net");
      return EXIT_CODES.denied;
    }
    broker = await TestBroker.start(options);
  } catch (error) {
    const { code, text } = explain(error);
    console.error(text);
    return code;
  }
  console.log(`Test broker for development, not for production: ${broker.url}`);
  if (broker.controlUrl !== undefined) console.log(`Control interface: ${broker.controlUrl}`);
  await stopSignal();
  await broker.close();
  return 0;
}

/** Without a terminal nobody can be asked, and a refusal would come as a stack trace. */
async function isDenied({ hostname = "127.0.0.1", port = 0 }: TestBrokerOptions): Promise<boolean> {
  if (!("Deno" in globalThis)) return false;
  const { state } = await Deno.permissions.query({ name: "net", host: `${hostname}:${port}` });
  return state === "denied" || (state === "prompt" && !Deno.stdin.isTerminal());
}

/** One line, and an exit code that scripts can tell apart. */
function explain(error: unknown): { readonly code: number; readonly text: string } {
  if (error instanceof TypeError || error instanceof RangeError) {
    return { code: EXIT_CODES.usage, text: error.message };
  }
  const { message } = error instanceof Error ? error : new Error(String(error));
  const [text = ""] = message.split("\n");
  const isTaken = text.includes("EADDRINUSE");
  return {
    code: isTaken ? EXIT_CODES.unavailable : EXIT_CODES.system,
    text: `Cannot listen as ${isTaken ? "the port is taken" : "the system refuses it"}: ${text}`,
  };
}

/** Resolves when the process is asked to end. */
function stopSignal(): Promise<void> {
  return new Promise((resolve) => {
    const signals = process.platform === "win32" ? ["SIGINT"] : ["SIGINT", "SIGTERM"];
    const stop = (): void => {
      for (const signal of signals) process.off(signal, stop);
      resolve();
    };
    for (const signal of signals) process.on(signal, stop);
  });
}
