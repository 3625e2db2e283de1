/** `warren broker`: the broker that tests have, as a program. @module */

import { type Command, InvalidArgumentError, Option } from "../../deps/commander.ts";
import type { Compat, TestBroker } from "../../testing/mod.ts";
import { CommandError, EXIT_CODE } from "../exit_code.ts";
import { outputOf } from "../global_options.ts";
import { firstSignal } from "./worker_service.ts";

interface BrokerFlags {
  readonly port: number;
  readonly compat: Compat;
  readonly quiet?: true;
}

const RELEASES: readonly Compat[] = ["3.10", "4.0", "4.3"];

/** Adds the command. */
export function addBroker(program: Command, onExitCode: (code: number) => void): void {
  const command = program.command("broker")
    .description("Run the broker that tests have, until SIGTERM or Ctrl-C: nothing to install")
    .addOption(
      new Option("--port <port>", "where it listens, for this machine only; 0 for a free one")
        .argParser(parsePort).default(5672),
    )
    .addOption(
      new Option("--compat <release>", "of RabbitMQ, which it follows").choices(RELEASES)
        .default("4.3"),
    )
    .option("-q, --quiet", "no words on stderr but errors")
    .addHelpText(
      "after",
      `
It is for development, keeps nothing, and prints its URL. @warren/rpc/testing/main has more options.

Examples:
  $ warren broker
  $ warren broker --port 5673 --compat 3.10`,
    );
  command.action(async () => onExitCode(await runBroker(command.opts<BrokerFlags>())));
}

async function runBroker(flags: BrokerFlags): Promise<number> {
  const output = outputOf({ ...flags, output: "text" });
  const ended = firstSignal();
  await using broker = await start(flags);
  output.raw(`AMQP_URL=${broker.url}\n`);
  output.say(`A broker for development, as RabbitMQ ${flags.compat}: Ctrl-C ends it`);
  output.say(`${await ended}: closing`);
  return EXIT_CODE.ok;
}

async function start({ port, compat }: BrokerFlags): Promise<TestBroker> {
  // No other command needs it.
  const { TestBroker } = await import("../../testing/mod.ts");
  try {
    return await TestBroker.start({ port, compat });
  } catch (error) {
    const isTaken = error instanceof Error && error.message.includes("EADDRINUSE");
    const reason = isTaken ? "it is taken: give another --port" : "the system does not let it";
    throw new CommandError(EXIT_CODE.unavailable, `Cannot listen at port ${port} as ${reason}`);
  }
}

function parsePort(text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : Infinity;
  if (port <= 65_535) return port;
  throw new InvalidArgumentError("It must be a port, from 0 to 65535.");
}
