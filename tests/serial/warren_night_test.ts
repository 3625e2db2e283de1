import { assert, assertEquals, assertMatch, assertStringIncludes } from "../../deps/std_assert.ts";
import { RpcServer } from "../../mod.ts";
import { TestBroker } from "../../testing/mod.ts";
import { PrivateNode } from "../../tools/brokers/private_node.ts";
import type { ChildResult } from "../helpers/child.ts";
import { rabbitmqTest } from "../helpers/features.ts";
import { startWarren, warren } from "../helpers/warren.ts";

const handlers = { echo: (value: unknown) => value };

/** Commands that send something, with times that are short. */
const SENDING: readonly (readonly string[])[] = [
  ["call", "math", "echo", "1", "--timeout", "1s"],
  ["ping", "math", "--timeout", "1s"],
  ["ls", "--timeout", "1s"],
  ["stats", "math", "--timeout", "1s"],
  ["pause", "math", "--yes", "--timeout", "1s"],
  ["top", "math", "-n", "1"],
  ["events", "math", "-n", "1"],
];

interface Finding {
  readonly severity: string;
  readonly check: string;
  readonly found: string;
}

function wrongIn({ stdout, stderr }: ChildResult): Finding[] {
  assertMatch(stdout, /^\[/, stderr);
  const findings: Finding[] = JSON.parse(stdout);
  return findings.filter(({ severity }) => severity !== "ok");
}

async function askWhileBlocked(url: string): Promise<void> {
  for (const args of SENDING) {
    const startedAt = performance.now();
    const { code, stdout, stderr } = await warren(args, url);
    assertEquals([args[0], code, stdout], [args[0], 75, ""], stderr);
    assertMatch(stderr, /takes no messages|blocked/, args[0]);
    assert(performance.now() - startedAt < 20_000, args[0]);
  }
  const doctor = await warren(["doctor", "math", "--timeout", "1s", "-j"], url);
  const alarm = wrongIn(doctor).find(({ check }) => check === "broker takes messages");
  assertEquals([doctor.code, alarm?.severity], [1, "fail"]);
  assertStringIncludes(alarm?.found ?? "", "memory");
}

Deno.test("warren says soon that the broker takes no messages", async () => {
  await using broker = await TestBroker.start();
  const { url } = broker;
  await using _server = await RpcServer.listen(url, {
    queue: "math",
    handlers,
    control: "admin",
    log: false,
  });
  broker.faults.blockPublishers();
  await askWhileBlocked(url);
});

Deno.test("warren events and top go on when the broker takes messages again", async () => {
  await using broker = await TestBroker.start();
  const { url } = broker;
  await using _server = await RpcServer.listen(url, { queue: "math", handlers, log: false });
  broker.faults.blockPublishers();
  await using events = startWarren(["events", "math"], url);
  await using top = startWarren(["top", "math"], url);
  for (const child of [events, top]) {
    while (!/takes no messages|does not answer/.test(await child.nextLine()));
  }
  broker.faults.unblockPublishers();
  for (const child of [events, top]) {
    while (!/math\/[\da-f]{12} +serving/.test(await child.nextLine()));
    child.kill("SIGINT");
  }
});

Deno.test(rabbitmqTest("warren says so of RabbitMQ", async () => {
  await using node = await PrivateNode.start();
  const { url } = node;
  await using _server = await RpcServer.listen(url, {
    queue: "math",
    handlers,
    control: "admin",
    log: false,
  });
  await node.ctl("set_vm_memory_high_watermark", "0.000001");
  await askWhileBlocked(url);
}));
