/** `warren events`. @module */

import { type Command, Option } from "../../deps/commander.ts";
import { parseDuration } from "../duration.ts";
import { EXIT_CODE } from "../exit_code.ts";
import {
  brokerOf,
  type GlobalOptions,
  NO_TIMEOUT,
  outputOf,
  parseLeastOne,
  withGlobalOptions,
} from "../global_options.ts";
import { printableLine } from "../output.ts";
import { connectControl } from "./control_scene.ts";
import { EventWatch } from "./event_watch.ts";
import { lookAt, missedLook } from "./top/look.ts";

interface EventsFlags extends Omit<GlobalOptions, "timeout"> {
  readonly watch: number;
  readonly count?: number;
}

/** Adds the command. */
export function addEvents(program: Command, onExitCode: (code: number) => void): void {
  const command = program.command("events [queues...]")
    .description(
      "Tell what changes, a line each: servers, states, errors, crashes, parked requests",
    )
    .addOption(
      new Option("--watch <time>", "from one look to the next").argParser(parseDuration)
        .default(1_000, "1s"),
    )
    .option("-n, --count <n>", "look so often, then end; else until Ctrl-C", parseLeastOne)
    .addHelpText(
      "after",
      `
It compares what servers and the broker answer, each second: what comes and goes in between is not
seen. A server's own events are in its log.

Examples:
  $ warren events math
  $ warren events -o jsonl | jq 'select(.event == "errors")'`,
    );
  withGlobalOptions(command, NO_TIMEOUT).action(async (queues: string[]) => {
    onExitCode(await tail(queues, command.opts<EventsFlags>()));
  });
}

async function tail(queues: readonly string[], flags: EventsFlags): Promise<number> {
  const output = outputOf(flags);
  const watch = new EventWatch();
  let last = "connected";
  let missed: string | undefined;
  await using control = await connectControl(await brokerOf(flags), {
    onConnection: (state) => {
      if (state !== last) output.say(`The broker is ${state === "connected" ? "back" : "away"}`);
      last = state;
    },
  });
  for (let looks = 1;; looks++) {
    const turn = new Promise((resolve) => setTimeout(resolve, flags.watch));
    const sample = await lookAt(control, queues, flags.watch).catch(missedLook);
    const isMissed = sample === undefined || typeof sample === "string";
    if (typeof sample === "string" && sample !== missed) output.say(sample);
    missed = typeof sample === "string" ? sample : undefined;
    if (looks === 1 && !isMissed && sample.servers.length === 0) {
      output.say("No server has answered yet");
    }
    const at = new Date().toISOString();
    for (const event of isMissed ? [] : watch.add(sample)) {
      const { queue, server, words } = event;
      if (output.isText) {
        const place = server === undefined ? queue : `${queue}/${server}`;
        output.raw(`${printableLine(`${at}  ${place}  ${words}`)}\n`);
      } else output.one({ type: "warren.rpc.v1.event", at, ...event });
    }
    if (looks === flags.count) return isMissed ? EXIT_CODE.tryAgain : EXIT_CODE.ok;
    await turn;
  }
}
