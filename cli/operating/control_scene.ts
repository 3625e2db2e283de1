/** What commands have in common that ask servers. @module */

import { type Command, Option } from "../../deps/commander.ts";
import {
  type ControlTarget,
  RpcControl,
  type RpcControlOptions,
} from "../../extras/control/rpc_control.ts";
import { parseDuration } from "../duration.ts";
import {
  type Broker,
  brokerOf,
  type GlobalOptions,
  outputOf,
  parseLeastOne,
  withGlobalOptions,
} from "../global_options.ts";
import { CommandError, EXIT_CODE } from "../exit_code.ts";
import type { Output } from "../output.ts";

/** Options of commands that ask servers. */
export interface ControlFlags extends GlobalOptions {
  readonly server?: string;
  readonly expect?: number;
  readonly watch?: number;
}

/** What a command works with. */
export interface ControlScene {
  readonly broker: Broker;
  readonly control: RpcControl;
  readonly output: Output;
  /** Which servers are meant. */
  readonly target: (queue?: string) => ControlTarget;
}

/** Adds the options of commands that ask servers. */
export function withControlOptions(command: Command, hasWatch: boolean = true): Command {
  withGlobalOptions(command)
    .option("--server <id>", "the one server that is meant")
    .addOption(
      new Option("--expect <n>", "so many answers end the wait; else it takes the whole --timeout")
        .argParser(parseLeastOne),
    );
  if (!hasWatch) return command;
  return command.addOption(
    new Option("--watch <time>", "ask again after so long, until Ctrl-C").argParser(parseDuration),
  );
}

/** Connects as an operator. */
export async function connectControl(
  broker: Broker,
  options: Pick<RpcControlOptions, "timeoutMs" | "onConnection"> = {},
): Promise<RpcControl> {
  return await RpcControl.connect(broker.url, { ...broker.options, ...options });
}

/** Connects, does the work once or again and again, and disconnects. */
export async function askServers(
  flags: ControlFlags,
  work: (scene: ControlScene) => Promise<number | void>,
): Promise<number> {
  const { server, expect, timeout, watch } = flags;
  const broker = await brokerOf(flags);
  await using control = await connectControl(broker, { timeoutMs: timeout });
  const target = (queue?: string) => ({
    ...(queue !== undefined && { queue }),
    ...(server !== undefined && { server }),
    ...(expect !== undefined && { expect }),
  });
  const scene = { broker, control, output: outputOf(flags), target };
  for (;;) {
    const exitCode = await work(scene) ?? 0;
    if (watch === undefined) return exitCode;
    await new Promise((resolve) => setTimeout(resolve, watch));
  }
}

/** Says whether the broker sees consumers that have not answered. */
export async function tellSilent(
  { control, output }: ControlScene,
  queue: string,
  answers: number,
): Promise<void> {
  const { consumers = 0 } = await control.queue(queue) ?? {};
  if (consumers <= answers) return;
  const silent = consumers - answers;
  output.say(`${silent} of ${consumers} consumers of "${queue}" did not answer in time`);
}

/**
 * Ends a command that nobody has answered.
 *
 * @throws {CommandError} If there are no answers.
 */
export function requireAnswers(count: number): void {
  if (count > 0) return;
  throw new CommandError(
    EXIT_CODE.unavailable,
    "No answer in time: there is no server, or it cannot answer",
  );
}
