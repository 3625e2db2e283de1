/** What can be done about findings from a shell: commands that are printed, and never run. @module */

import { brokerDefinitions } from "../../extras/definitions.ts";
import { printableLine } from "../output.ts";
import type { Finding, Symptoms } from "./findings.ts";

/** Where the trouble is. */
export interface Patient {
  readonly queue: string;
  /** The virtual host of the broker. */
  readonly vhost: string;
  readonly symptoms: Symptoms;
}

const ONE_POLICY = "# one policy counts for a queue: if it has one, add this to that one";

/** Commands by the check that fails; of others, none but to look helps. */
const COMMANDS: Readonly<Record<string, (patient: Patient) => readonly string[]>> = {
  "queue": importDefinitions,
  "rights of a caller": importDefinitions,
  "broker takes messages": () => [
    "rabbitmq-diagnostics alarms",
    "rabbitmq-diagnostics memory_breakdown",
  ],
  "broker round trip": () => ["rabbitmq-diagnostics status", "rabbitmq-diagnostics alarms"],
  "consumers": ({ queue, symptoms: { stats } }) =>
    stats.some(({ state }) => state === "paused") ? [resume(queue)] : [],
  "servers that serve": ({ queue }) => [resume(queue)],
  "servers that answer": ({ vhost }) => [
    `rabbitmqctl list_consumers -p ${quoted(vhost)} queue_name channel_pid consumer_tag active`,
  ],
  "backlog": moreWorkers,
  "lag": moreWorkers,
  "parked requests": ({ queue }) => [
    `warren parked ls ${quoted(queue)}`,
    `# once their cause is mended: warren parked redrive ${quoted(queue)} --all --yes`,
  ],
  "long requests": ({ queue, vhost }) => [
    `warren active ${quoted(queue)} --older 20m`,
    ONE_POLICY,
    policy({ queue, vhost }, { "consumer-timeout": 7_200_000 }),
  ],
  "dropped requests": ({ queue, vhost }) => [
    ONE_POLICY,
    policy({ queue, vhost }, { "dead-letter-exchange": "" }),
  ],
  "clocks": ({ symptoms: { infos } }) =>
    [...new Set(infos.flatMap(({ host }) => host ?? []))].map((host) =>
      `# on ${printableLine(host)}: timedatectl set-ntp true`
    ),
  "workers": ({ queue }) => [`warren events ${quoted(queue)}`],
  "errors": ({ queue }) => [`warren stats ${quoted(queue)}`],
  "procedures": ({ queue }) => [`warren info ${quoted(queue)}`],
  "versions": ({ queue }) => [`warren info ${quoted(queue)}`],
};

/**
 * Writes a script for the findings that are not right. Whoever reads it decides what of it is run.
 *
 * @param findings All findings.
 * @param patient Where they were found.
 */
export function fixScript(findings: readonly Finding[], patient: Patient): string {
  const parts = findings.filter(({ severity }) => severity !== "ok").map((finding) => {
    const { check, found, expected, remedy } = finding;
    // Strangers may have written what was found: it stays within its line.
    const words = printableLine(`${check}: ${found}; expected: ${expected}`);
    const commands = COMMANDS[check]?.(patient) ?? [];
    return [`# ${words}`, `# ${printableLine(remedy)}`, ...commands, ""].join("\n");
  });
  const title = `#!/bin/sh\n# What warren doctor found on ${printableLine(patient.queue)}.`;
  if (parts.length === 0) return `${title} All is right.\n`;
  return `${title} Nothing of it has been run.\nset -eu\n\n${parts.join("\n")}`;
}

function resume(queue: string): string {
  return `warren resume ${quoted(queue)} --yes`;
}

/** A pool has no more workers than it is told; servers without a pool need more of their kind. */
function moreWorkers({ queue, symptoms: { stats } }: Patient): readonly string[] {
  const most = Math.max(0, ...stats.flatMap(({ pools }) => pools).map(({ workers }) => workers));
  if (most === 0) return ["# start more servers: their handlers have no pool that could grow"];
  return [`warren scale ${quoted(queue)} ${most * 2} --yes`];
}

function importDefinitions({ queue }: Patient): readonly string[] {
  return [
    `warren definitions ${quoted(queue)} > definitions.json`,
    "rabbitmqctl import_definitions definitions.json",
  ];
}

function policy(
  { queue, vhost }: Pick<Patient, "queue" | "vhost">,
  definition: Readonly<Record<string, string | number>>,
): string {
  const { policies: [made] } = brokerDefinitions({
    services: [{ queue, policy: definition }],
    virtualHost: vhost,
  });
  const parts = [made?.name ?? "", made?.pattern ?? "", JSON.stringify(made?.definition ?? {})];
  return `rabbitmqctl set_policy -p ${quoted(vhost)} --priority 1 --apply-to queues ` +
    parts.map(quoted).join(" ");
}

/** One word for a shell, with nothing in it that a terminal acts on. */
function quoted(word: string): string {
  return `'${printableLine(word).replaceAll("'", `'\\''`)}'`;
}
