/** `warren doctor`. @module */

import { type Command, Option } from "../../deps/commander.ts";
import type { RpcControl } from "../../extras/control/rpc_control.ts";
import { RpcError } from "../../mod.ts";
import { EXIT_CODE } from "../exit_code.ts";
import { askServers, type ControlFlags, withControlOptions } from "./control_scene.ts";
import { printable } from "../output.ts";
import { type Finding, findingsOf, type Symptoms } from "./findings.ts";

interface DoctorFlags extends ControlFlags {
  readonly format?: "nagios";
}

/** Of a check of Nagios. */
const NAGIOS = { ok: [0, "OK"], warn: [1, "WARNING"], fail: [2, "CRITICAL"] } as const;

/** Adds the command. */
export function addDoctor(program: Command, onExitCode: (code: number) => void): void {
  const command = program.command("doctor <queue>")
    .description("Look for what is wrong with a queue and its servers, and say what to do")
    .addOption(
      new Option("--format <format>", "one line and the exit codes of Nagios").choices(["nagios"]),
    )
    .addHelpText("after", "\nExample:\n  $ warren doctor math --expect 2");
  withControlOptions(command, false).action(async (queue: string) => {
    const flags = command.opts<DoctorFlags>();
    onExitCode(
      await askServers(flags, async ({ control, output, target }) => {
        const findings = findingsOf(await examine(control, queue, target(queue)));
        if (flags.format === "nagios") {
          return tellNagios(queue, findings, (line) => output.raw(printable(line)));
        }
        output.list(
          findings.map((finding) => ({ type: "warren.rpc.v1.finding", ...finding })),
          findings.map(({ severity, check, found, expected, remedy }) => ({
            STATE: severity,
            CHECK: check,
            FOUND: found,
            EXPECTED: expected,
            DO: remedy,
          })),
        );
        return worst(findings) === "fail" ? EXIT_CODE.failed : EXIT_CODE.ok;
      }),
    );
  });
}

async function examine(
  control: RpcControl,
  queue: string,
  target: { readonly queue?: string },
): Promise<Symptoms> {
  const startedAt = performance.now();
  const state = await control.queue(queue);
  const brokerMs = performance.now() - startedAt;
  const [parked, pings, infos, stats] = await Promise.all([
    control.queue(`${queue}.parked`).catch(() => undefined),
    orNone(control.ping(target)),
    orNone(control.info(target)),
    orNone(control.stats(target)),
  ]);
  return { queue: state, parked, brokerMs, pings, infos, stats };
}

/** That nobody can be asked is one of the findings. */
async function orNone<T>(answers: Promise<T[]>): Promise<T[]> {
  try {
    return await answers;
  } catch (error) {
    if (error instanceof RpcError && error.code === "unroutable") return [];
    throw error;
  }
}

function worst(findings: readonly Finding[]): Finding["severity"] {
  const severities = findings.map(({ severity }) => severity);
  return severities.includes("fail") ? "fail" : severities.includes("warn") ? "warn" : "ok";
}

function tellNagios(
  queue: string,
  findings: readonly Finding[],
  write: (line: string) => void,
): number {
  const [code, word] = NAGIOS[worst(findings)];
  const wrong = findings.filter(({ severity }) => severity !== "ok");
  const words = wrong.map(({ check, found }) => `${check}: ${found}`).join("; ");
  write(`WARREN ${word} - ${queue}: ${words || `${findings.length} checks are right`}\n`);
  return code;
}
