import {
  assert,
  assertEquals,
  assertMatch,
  assertStringIncludes,
} from "../../../deps/std_assert.ts";
import { brokerFindings } from "../../../cli/operating/broker_findings.ts";
import { findingsOf, type Symptoms } from "../../../cli/operating/findings.ts";
import { fixScript } from "../../../cli/operating/fix_script.ts";

const INFO = {
  name: "math",
  id: "0123456789ab",
  pid: 1,
  version: "0.2.0",
  platform: "Deno 2.9.6",
  started: "2026-11-26T00:00:00.000Z",
  state: "serving",
  control: "read",
  prefetch: 4,
  endpoints: [{ name: "add" }],
} as const;

const HEALTHY: Symptoms = {
  broker: { product: "RabbitMQ", version: "4.3.6", maxFrameBytes: 131_072 },
  queue: { ready: 0, consumers: 0 },
  parked: undefined,
  brokerMs: 1,
  pings: [],
  infos: [INFO],
  stats: [],
  skewMs: 0,
  longRequests: 0,
  rights: undefined,
};

function wrongIn(symptoms: Partial<Symptoms>): string[] {
  return brokerFindings({ ...HEALTHY, ...symptoms }).filter(({ severity }) => severity !== "ok")
    .map(({ check }) => check);
}

function broker(parts: Partial<Symptoms["broker"]>): Partial<Symptoms> {
  return { broker: { ...HEALTHY.broker, ...parts } };
}

function info(parts: Partial<Symptoms["infos"][number]>): Partial<Symptoms> {
  return { infos: [{ ...INFO, ...parts }] };
}

const MEBIBYTE = 2 ** 20;

const CASES: readonly (readonly [name: string, Partial<Symptoms>, checks: readonly string[]])[] = [
  ["all is well", {}, []],
  ["RabbitMQ 3.10", broker({ version: "3.10.8" }), []],
  ["RabbitMQ 4.0", broker({ version: "4.0.5" }), []],
  ["another broker", broker({ product: "LavinMQ", version: "2.9.1" }), []],
  ["a broker that says nothing", broker({ product: "", version: "" }), []],
  ["RabbitMQ 3.9", broker({ version: "3.9.1" }), ["broker"]],
  ["RabbitMQ 4.3.0", broker({ version: "4.3.0" }), ["broker"]],
  ["no memory", broker({ blocked: "low on memory" }), ["broker takes messages"]],
  ["small frames", broker({ maxFrameBytes: 4_096 }), ["frames"]],
  ["frames without a limit", broker({ maxFrameBytes: 0 }), []],
  ["lost requests", info({ returns: false }), ["dropped requests"]],
  ["a restart loses requests", info({ durability: "transient" }), ["durability"]],
  ["as much as the broker takes", info({ maxBodyBytes: 16 * MEBIBYTE }), []],
  ["more than the broker takes", info({ maxBodyBytes: 17 * MEBIBYTE }), ["body limits"]],
  ["more than a later broker takes", {
    ...broker({ version: "3.10.8" }),
    ...info({ maxBodyBytes: 17 * MEBIBYTE }),
  }, []],
  ["a clock ahead", { skewMs: 6_000 }, ["clocks"]],
  ["a clock behind", { skewMs: -6_000 }, ["clocks"]],
  ["long requests", { ...broker({ version: "4.0.5" }), longRequests: 1 }, ["long requests"]],
  ["long requests where servers may have them", { longRequests: 1 }, []],
  ["an old Deno", info({ platform: "Deno 2.8.1" }), ["runtimes"]],
  ["another runtime", info({ platform: "Node.js 24.1.0" }), []],
  ["no right", { rights: "no right" }, ["rights of a caller"]],
];

Deno.test("brokerFindings() finds what is wrong with a broker, and no more", () => {
  for (const [name, symptoms, checks] of CASES) assertEquals(wrongIn(symptoms), checks, name);
});

Deno.test("fixScript() has commands, and keeps to itself what strangers wrote", async () => {
  const symptoms: Symptoms = {
    ...HEALTHY,
    queue: { ready: 9, consumers: 0 },
    rights: "a\nrm -rf /",
    skewMs: 9_000,
    infos: [{ ...INFO, host: "host\nreboot", returns: false }],
  };
  const findings = [...findingsOf(symptoms), ...brokerFindings(symptoms)];
  const script = fixScript(findings, { queue: "it's $(reboot)\n", vhost: "/", symptoms });
  assertMatch(
    script,
    /^#!\/bin\/sh\n# What warren doctor found on .* Nothing of it has been run\.\n/,
  );
  assertStringIncludes(script, "set_policy -p '/' --priority 1 --apply-to queues 'rpc it'\\''s ");
  const [, ...lines] = script.split("\n");
  for (const line of lines) assertMatch(line, /^(#|set -eu|warren|rabbitmq|$)/);
  // With commands that tell their arguments a shell reads it as it is meant.
  const told = script.replaceAll(
    /^(warren|rabbitmqctl|rabbitmq-diagnostics) /gm,
    "printf '%s\\n' ",
  );
  const folder = await Deno.makeTempDir();
  const { success, stdout } = await new Deno.Command("sh", { args: ["-c", told], cwd: folder })
    .output();
  await Deno.remove(folder, { recursive: true });
  assert(success);
  assertStringIncludes(new TextDecoder().decode(stdout), '{"dead-letter-exchange":""}');
  const none = fixScript([], { queue: "math", vhost: "/", symptoms });
  assertEquals(none, "#!/bin/sh\n# What warren doctor found on math. All is right.\n");
});
