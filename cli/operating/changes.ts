/** `warren pause`, `resume`, `drain`, `cancel` and `scale`: what administrators alone may. @module */

import type { Command } from "../../deps/commander.ts";
import type { Answer, ServerChange } from "../../extras/control/rpc_control.ts";
import { RpcError } from "../../mod.ts";
import { parseDuration } from "../duration.ts";
import { parseLeastOne } from "../global_options.ts";
import { CommandError, EXIT_CODE } from "../exit_code.ts";
import {
  askServers,
  type ControlFlags,
  type ControlScene,
  withControlOptions,
} from "./control_scene.ts";

interface ChangeFlags extends ControlFlags {
  readonly yes?: true;
  readonly dryRun?: true;
  readonly grace?: number;
}

type Change = "pause" | "resume" | "drain" | "cancel" | "scale";

/** What is said if no server has answered. */
export const NO_ANSWER =
  'No answer in time: servers obey that were started with control: "admin", and that are not gone';

/** How often it is looked what is left of a drained server. */
const DRAIN_LOOK_MS = 500;

/** Adds the commands. */
export function addChanges(program: Command, onExitCode: (code: number) => void): void {
  const add = (change: Change, usage: string, description: string) => {
    const command = program.command(`${change} ${usage}`).description(description)
      .option("-y, --yes", "do not ask")
      .option("--dry-run", "tell which servers are meant, and change nothing")
      .addHelpText(
        "after",
        `\nIt takes servers with control: "admin", and the right to write to rpc.admin.`,
      );
    if (change === "drain") {
      command.option("--grace <time>", "how long requests in hand may go on (2h)", parseDuration);
    }
    if (change === "scale") command.argument("<workers>", "how many each pool has", parseLeastOne);
    withControlOptions(command, false).action(async (queue: string, given: unknown) => {
      const flags = command.opts<ChangeFlags>();
      const ids = Array.isArray(given) ? given.map(String) : [];
      const workers = typeof given === "number" ? given : 0;
      const parts = { queue, ids, workers, flags };
      confirmChange(change, parts);
      onExitCode(await askServers(flags, (scene) => tell(scene, change, parts)));
    });
  };
  add("pause", "<queue>", "Have servers take no more requests");
  add("resume", "<queue>", "Have paused servers take requests again");
  add("drain", "<queue>", "Have servers finish what is in hand, and close");
  add("cancel", "<queue> <ids...>", "Cancel requests: their callers get the error cancelled");
  add("scale", "<queue>", "Have the pools of servers have more workers, or fewer");
}

interface ChangeParts {
  readonly queue: string;
  readonly ids: readonly string[];
  /** Of `scale`. */
  readonly workers: number;
  readonly flags: ChangeFlags;
}

/** Before anything is connected: what is asked does not depend on it. */
function confirmChange(change: Change, { queue, ids, workers, flags }: ChangeParts): void {
  if (flags.dryRun || change === "resume") return;
  const part = ids.length > 0 ? `${ids.length} of ` : "";
  confirmOrThrow(`${change} ${part}${queue}${workers > 0 ? ` to ${workers}` : ""}`, flags);
}

async function tell(scene: ControlScene, change: Change, parts: ChangeParts): Promise<number> {
  const { control, output, target } = scene;
  const { queue, ids, flags } = parts;
  if (flags.dryRun) {
    const servers = await control.ping(target(queue));
    output.list(
      servers.map((server) => ({ ...server, type: "warren.rpc.v1.ping" })),
      servers.map(({ id, host = "-" }) => ({ WOULD: change, SERVER: id, HOST: host })),
    );
    return EXIT_CODE.ok;
  }
  const answers = await send(scene, change, parts);
  if (answers.length === 0) {
    throw new CommandError(EXIT_CODE.unavailable, NO_ANSWER);
  }
  output.list(
    answers.map((answer) => ({ ...answer, type: `warren.rpc.v1.${change}` })),
    answers.map((answer) => ({
      SERVER: answer.id,
      HOST: answer.host ?? "-",
      STATE: answer.state,
      "IN HAND": answer.inHand,
      RESULT: resultOf(answer),
    })),
  );
  if (change === "drain") await untilDrained(scene, queue, answers);
  const refused = answers.filter((answer) => answer.refused !== undefined).length;
  const cancelled = answers.reduce((sum, { cancelled = 0 }) => sum + cancelled, 0);
  const isPartial = refused > 0 || (change === "cancel" && cancelled < ids.length);
  return isPartial ? EXIT_CODE.partial : EXIT_CODE.ok;
}

function send(
  { control, target }: ControlScene,
  change: Change,
  { queue, ids, workers, flags: { grace } }: ChangeParts,
): Promise<Answer<ServerChange>[]> {
  switch (change) {
    case "pause":
      return control.pause(target(queue));
    case "resume":
      return control.resume(target(queue));
    case "drain":
      return control.drain({ ...target(queue), ...(grace !== undefined && { graceMs: grace }) });
    case "cancel":
      return control.cancel(ids, target(queue));
    case "scale":
      return control.scale(workers, target(queue));
  }
}

function resultOf({ refused, cancelled, workers }: ServerChange): string {
  if (refused !== undefined) return `refused: ${refused}`;
  if (workers !== undefined) return `${workers} workers in each pool`;
  return cancelled === undefined ? "done" : `${cancelled} cancelled`;
}

async function untilDrained(
  { control, output }: ControlScene,
  queue: string,
  drained: readonly ServerChange[],
): Promise<void> {
  for (const { id } of drained) {
    for (let last = -1;;) {
      const [left] = await control.stats({ queue, server: id, timeoutMs: DRAIN_LOOK_MS })
        .catch((error) => {
          // Its queue for questions went with it.
          if (error instanceof RpcError && error.code === "unroutable") return [];
          throw error;
        });
      if (left === undefined) break;
      if (left.inHand !== last) output.say(`${id}: ${left.inHand} in hand`);
      last = left.inHand;
      await new Promise((resolve) => setTimeout(resolve, DRAIN_LOOK_MS));
    }
    output.say(`${id}: closed`);
  }
}

/**
 * Asks whether something that cannot be undone shall be done.
 *
 * @throws {CommandError} If not, or if nobody is there to ask.
 */
export function confirmOrThrow(what: string, { yes }: { readonly yes?: true }): void {
  if (yes) return;
  if (!Deno.stdin.isTerminal()) {
    throw new CommandError(EXIT_CODE.usage, `Nobody is there to confirm "${what}": give --yes`);
  }
  if (!confirm(`warren: ${what}?`)) throw new CommandError(EXIT_CODE.usage, "Nothing was done");
}
