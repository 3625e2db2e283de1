/** `warren doctor`. @module */

import { type Command, Option } from "../../deps/commander.ts";
import type { Answer, ServerPing } from "../../extras/control/rpc_control.ts";
import { RpcClient, RpcError } from "../../mod.ts";
import type { Broker } from "../global_options.ts";
import { EXIT_CODE } from "../exit_code.ts";
import { printable } from "../output.ts";
import { brokerFindings, LONG_REQUEST_MS } from "./broker_findings.ts";
import {
  askServers,
  type ControlFlags,
  type ControlScene,
  withControlOptions,
} from "./control_scene.ts";
import { type Finding, findingsOf, type Symptoms } from "./findings.ts";
import { fixScript } from "./fix_script.ts";

interface DoctorFlags extends ControlFlags {
  readonly format?: "nagios";
  readonly fixScript?: true;
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
    .addOption(
      new Option("--fix-script", "print the commands that may help, and run none")
        .conflicts("format"),
    )
    .addHelpText(
      "after",
      `
Exit code 1 says that something fails, 0 that nothing does, or only might.

Examples:
  $ warren doctor math --expect 2
  $ warren doctor math --fix-script > fix.sh`,
    );
  withControlOptions(command, false).action(async (queue: string) => {
    const flags = command.opts<DoctorFlags>();
    onExitCode(await askServers(flags, (scene) => diagnose(scene, queue, flags)));
  });
}

async function diagnose(
  scene: ControlScene,
  queue: string,
  flags: DoctorFlags,
): Promise<number> {
  const { broker, output } = scene;
  const symptoms = await examine(scene, queue);
  const findings = [...findingsOf(symptoms), ...brokerFindings(symptoms)];
  if (flags.format === "nagios") {
    return tellNagios(queue, findings, (line) => output.raw(printable(line)));
  }
  if (flags.fixScript) {
    const vhost = decodeURIComponent(broker.url.pathname.slice(1)) || "/";
    output.raw(fixScript(findings, { queue, vhost, symptoms }));
  } else {
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
  }
  return worst(findings) === "fail" ? EXIT_CODE.failed : EXIT_CODE.ok;
}

async function examine(scene: ControlScene, queue: string): Promise<Symptoms> {
  const { control, broker } = scene;
  const target = scene.target(queue);
  const startedAt = performance.now();
  const state = await control.queue(queue);
  const brokerMs = performance.now() - startedAt;
  // A broker that is short of memory reads nothing more after the first message.
  const parked = await control.queue(`${queue}.parked`).catch(() => undefined);
  const [pings, infos, stats, long, rights] = await Promise.all([
    timedPings(scene, queue),
    orNone(control.info(target)),
    orNone(control.stats(target)),
    orNone(control.active({ ...target, olderMs: LONG_REQUEST_MS, limit: 1 })),
    rightsOf(broker, queue),
  ]);
  return {
    broker: await control.broker(),
    queue: state,
    parked,
    brokerMs,
    ...pings,
    infos,
    stats,
    longRequests: long.reduce((sum, { total }) => sum + total, 0),
    rights,
  };
}

/** A server's clock is read some time between the question and its answer. */
async function timedPings(
  { control, target }: ControlScene,
  queue: string,
): Promise<Pick<Symptoms, "pings" | "skewMs">> {
  const askedAt = Date.now();
  const pings = await orNone(control.ping(target(queue)));
  const skews = pings.map((ping) => skewOf(ping, askedAt));
  return { pings, skewMs: skews.toSorted((a, b) => Math.abs(b) - Math.abs(a))[0] ?? 0 };
}

function skewOf({ now, roundTripMs }: Answer<ServerPing>, askedAt: number): number {
  if (now === undefined) return 0;
  const answeredAt = askedAt + roundTripMs;
  return now < askedAt ? now - askedAt : Math.max(0, now - answeredAt);
}

/** Why a caller with these credentials would not get on, if so: it is tried. */
async function rightsOf(broker: Broker, queue: string): Promise<string | undefined> {
  let lack: string | undefined;
  try {
    await using _client = await RpcClient.connect(broker.url, {
      ...broker.options,
      queue,
      log: false,
      onEvent(event) {
        if (event.type === "returns-unavailable") lack = wordsOf(event.error);
      },
    });
    return lack;
  } catch (error) {
    return wordsOf(error);
  }
}

function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** That nobody can be asked, or the broker takes no question, is one of the findings. */
async function orNone<T>(answers: Promise<T[]>): Promise<T[]> {
  try {
    return await answers;
  } catch (error) {
    if (error instanceof RpcError && NO_ANSWERS.has(error.code)) return [];
    throw error;
  }
}

const NO_ANSWERS: ReadonlySet<string> = new Set(["unroutable", "timeout", "disconnected"]);

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
