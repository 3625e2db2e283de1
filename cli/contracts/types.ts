/** `warren types` and `warren diff`: contracts of servers that run. @module */

import type { Command } from "../../deps/commander.ts";
import { EXIT_CODE } from "../exit_code.ts";
import {
  askServers,
  type ControlFlags,
  requireAnswers,
  tellSilent,
  withControlOptions,
} from "../operating/control_scene.ts";
import { contractDiff } from "./contract_diff.ts";
import { contractText } from "./contract_text.ts";
import { CONTRACT_TYPE, readContract, runningContract } from "./running_contract.ts";

interface TypesFlags extends ControlFlags {
  readonly name?: string;
}

/** Adds the commands. */
export function addTypes(program: Command, onExitCode: (code: number) => void): void {
  const types = program.command("types <queue>")
    .description("Write a contract of what servers offer: TypeScript, or JSON for warren diff")
    .option("--name <name>", "of the interface; made of the queue's unless told")
    .addHelpText(
      "after",
      `
Types are made of the JSON Schemas that servers have; what has none is unknown.

Examples:
  $ warren types math > math_contract.ts
  $ warren types math -j > math.contract.json`,
    );
  withControlOptions(types, false).action(async (queue: string) => {
    onExitCode(await writeTypes(queue, types.opts<TypesFlags>()));
  });
  const diff = program.command("diff <queue> <file>")
    .description("Compare all running servers with a contract of warren types -j; exit 0 or 1")
    .addHelpText(
      "after",
      `
It tells what breaks callers: procedures that are gone, inputs that are taken no more, outputs that
were never promised. What servers have beside the contract breaks nobody.

Example:
  $ warren diff math math.contract.json --expect 3`,
    );
  withControlOptions(diff, false).action(async (queue: string, file: string) => {
    onExitCode(await compare(queue, file, diff.opts<ControlFlags>()));
  });
}

function writeTypes(queue: string, flags: TypesFlags): Promise<number> {
  return askServers(flags, async ({ control, output, target }) => {
    const servers = await control.info(target(queue));
    requireAnswers(servers.length);
    const contract = runningContract(queue, servers);
    if (output.isText) output.raw(contractText(contract, flags.name));
    else output.one({ type: CONTRACT_TYPE, ...contract });
    const differing = servers.filter((server) => contractDiff(contract, server).length > 0);
    if (differing.length > 0) {
      output.say(`${differing.length} of ${servers.length} servers offer less, or something else`);
    }
    if (servers.some(({ schemasOmitted }) => schemasOmitted)) {
      output.say("The schemas are too long for an answer, and are left out");
    }
  });
}

async function compare(queue: string, file: string, flags: ControlFlags): Promise<number> {
  const contract = await readContract(file);
  return await askServers(flags, async (scene) => {
    const { control, output, target } = scene;
    const servers = await control.info(target(queue));
    requireAnswers(servers.length);
    const differences = servers.flatMap((server) => contractDiff(contract, server));
    output.list(
      differences.map((difference) => ({ type: "warren.rpc.v1.difference", ...difference })),
      differences.map(({ server, path, was, is }) => ({
        SERVER: server,
        PATH: path,
        WAS: was,
        IS: is,
      })),
    );
    await tellSilent(scene, queue, servers.length);
    if (servers.some(({ schemasOmitted }) => schemasOmitted)) {
      output.say("The schemas are too long for an answer: only names and kinds were compared");
    }
    output.say(
      differences.length === 0
        ? `Servers that keep the contract: ${servers.length}`
        : `Differences that break callers: ${differences.length}`,
    );
    return differences.length === 0 ? EXIT_CODE.ok : EXIT_CODE.failed;
  });
}
