/** `warren top`. @module */

import { type Command, Option } from "../../../deps/commander.ts";
import { formatDuration, parseDuration } from "../../duration.ts";
import { EXIT_CODE } from "../../exit_code.ts";
import {
  brokerOf,
  type GlobalOptions,
  NO_TIMEOUT,
  outputOf,
  parseLeastOne,
  withGlobalOptions,
} from "../../global_options.ts";
import { printableLine } from "../../output.ts";
import { hasColors, hasScreen } from "../../screen.ts";
import { connectControl } from "../control_scene.ts";
import { lookAt, missedLook } from "./look.ts";
import { TopDisplay } from "./top_display.ts";
import { keyOf, type QueueCounts, TopModel, type TopServer } from "./top_model.ts";
import { slotsOf } from "./top_screen.ts";

interface TopFlags extends Omit<GlobalOptions, "timeout"> {
  readonly watch: number;
  readonly count?: number;
  readonly color: "auto" | "always" | "never";
}

/** Adds the command. */
export function addTop(program: Command, onExitCode: (code: number) => void): void {
  const command = program.command("top [queues...]")
    .description("Watch servers on a full screen: slots, rates, percentiles, errors, parked")
    .addOption(
      new Option("--watch <time>", "from one look to the next").argParser(parseDuration)
        .default(1_000, "1s"),
    )
    .addOption(
      new Option("--color <when>", "colours; NO_COLOR is the same as never")
        .choices(["auto", "always", "never"]).default("auto"),
    )
    .option("-n, --count <n>", "look so often, then end", parseLeastOne)
    .addHelpText(
      "after",
      `
Keys: j and k choose, enter shows a server closely, p pauses it, c cancels a request, ? helps, q ends.
Into a pipe, or on a terminal that shows no screens, it prints a line for each server.

Examples:
  $ warren top
  $ warren top math chat
  $ warren top math -o jsonl -n 10`,
    );
  withGlobalOptions(command, NO_TIMEOUT).action(async (queues: string[]) => {
    onExitCode(await top(queues, command.opts<TopFlags>()));
  });
}

async function top(queues: readonly string[], flags: TopFlags): Promise<number> {
  const output = outputOf(flags);
  const model = new TopModel();
  const broker = await brokerOf(flags);
  const isScreen = output.isText && hasScreen();
  // It needs the connection, which tells it when it is lost.
  const shown: { display?: TopDisplay } = {};
  await using control = await connectControl(broker, {
    onConnection: (state) => shown.display?.onConnection(state),
  });
  const parts = {
    model,
    control,
    title: `warren top  ${queues.join(" ") || "all queues"}  ${broker.url.host}`,
    hasColors: flags.color === "always" || (flags.color === "auto" && hasColors()),
  };
  using display = isScreen ? new TopDisplay(parts) : undefined;
  if (display !== undefined) shown.display = display;
  const ended = display?.ended ?? new Promise<number>(() => {});
  for (let looks = 1;; looks++) {
    const turn = new Promise<void>((resolve) => setTimeout(resolve, flags.watch));
    const looked = lookAt(control, queues, flags.watch).then((sample) => {
      model.add(sample);
      if (display === undefined) printLook(model, output);
      return "";
    }, missedLook);
    const outcome = await Promise.race([Promise.all([looked, turn]), ended]);
    if (typeof outcome === "number") return outcome;
    const [missed] = outcome;
    display?.show(missed ?? "");
    if (display === undefined && missed) output.say(missed);
    if (looks === flags.count) return missed === "" ? EXIT_CODE.ok : EXIT_CODE.tryAgain;
  }
}

/** For programs, and for terminals that show no screens. */
function printLook(model: TopModel, output: ReturnType<typeof outputOf>): void {
  const servers = model.servers();
  if (output.isText) {
    for (const server of servers) output.raw(`${printableLine(plainLine(server, model.queues))}\n`);
    if (servers.length === 0) output.say("No server has answered");
    return;
  }
  output.list(
    servers.map(({ stats, rates, silentMs }) => ({
      type: "warren.rpc.v1.top",
      at: new Date().toISOString(),
      ...stats,
      ...(rates && { requestsPerS: round(rates.requests), errorsPerS: round(rates.errors) }),
      silentMs: Math.round(silentMs),
      queue: model.queues.get(stats.name) ?? {},
    })),
    [],
  );
}

function plainLine(
  { stats, rates, silentMs }: TopServer,
  queues: ReadonlyMap<string, QueueCounts>,
): string {
  const { busy, all } = slotsOf(stats);
  const { ready = "?", parked = "?" } = queues.get(stats.name) ?? {};
  const p99 = Math.max(0, ...stats.endpoints.map(({ p99 }) => p99));
  const speed = rates === undefined
    ? ""
    : `  ${round(rates.requests)}/s  ${round(rates.errors)} errors/s`;
  const silent = silentMs > 2_500 ? `  silent for ${formatDuration(silentMs)}` : "";
  return `${new Date().toISOString()}  ${keyOf(stats)}  ${stats.state}  slots ${busy}/${all}  ` +
    `in hand ${stats.inHand}${speed}  p99 ${
      formatDuration(p99)
    }  ready ${ready}  parked ${parked}` +
    silent;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
