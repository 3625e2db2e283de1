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

import { parseArgs } from "../deps/std_cli.ts";
import { isCompat } from "./model/version_rules.ts";
import { TestBroker, type TestBrokerOptions } from "./mod.ts";

const USAGE = `Usage: deno run --allow-net jsr:@warren/rpc/testing/main [options]

  --port <number>      TCP port, 0 for a free one (default 5672)
  --hostname <name>    address to listen on (default 127.0.0.1)
  --compat <version>   RabbitMQ version to follow: 3.10, 4.0 or 4.3 (default 3.10)
  --help               this text`;

if (import.meta.main) await main(Deno.args);

async function main(args: string[]): Promise<void> {
  const flags = parseArgs(args, {
    string: ["port", "hostname", "compat"],
    boolean: ["help"],
    default: { port: "5672", hostname: "127.0.0.1", compat: "3.10" },
  });
  if (flags.help) return console.log(USAGE);
  const broker = await TestBroker.start(toOptions(flags));
  console.log(`Test broker for development, not for production: ${broker.url}`);
  await stopSignal();
  await broker.close();
}

/** Checks what the user typed. */
function toOptions(
  { port, hostname, compat }: {
    readonly port: string;
    readonly hostname: string;
    readonly compat: string;
  },
): TestBrokerOptions {
  const number = Number(port);
  if (!Number.isInteger(number) || number < 0 || number > 65_535) {
    throw new RangeError(
      `Cannot start as '--port' must be from 0 to 65535: current value is ${port}`,
    );
  }
  if (!isCompat(compat)) {
    throw new RangeError(
      `Cannot start as '--compat' must be 3.10, 4.0 or 4.3: current value is ${compat}`,
    );
  }
  return { port: number, hostname, compat };
}

/** Resolves when the process is asked to end. */
function stopSignal(): Promise<void> {
  return new Promise((resolve) => {
    const signals: Deno.Signal[] = Deno.build.os === "windows" ? ["SIGINT"] : ["SIGINT", "SIGTERM"];
    const stop = (): void => {
      for (const signal of signals) Deno.removeSignalListener(signal, stop);
      resolve();
    };
    for (const signal of signals) Deno.addSignalListener(signal, stop);
  });
}
