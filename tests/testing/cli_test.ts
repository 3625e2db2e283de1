import { Buffer } from "node:buffer";
import { connect } from "../../deps/amqplib.ts";
import { assert, assertEquals, assertMatch, assertStringIncludes } from "../../deps/std_assert.ts";
import { formatDuration, parseDuration } from "../../cli/duration.ts";
import { findingsOf } from "../../cli/operating/findings.ts";
import { RpcControl } from "../../extras/control/rpc_control.ts";
import { RpcServer } from "../../mod.ts";
import { TestBroker } from "../../testing/mod.ts";
import { type ChildResult, runChild } from "../helpers/child.ts";
import { eventually } from "../helpers/eventually.ts";

const MAIN = new URL("../../cli/main.ts", import.meta.url);

/** Runs the command line in a process of its own. */
function warren(url: string, ...args: readonly string[]): Promise<ChildResult> {
  return runChild(MAIN, { args, flags: ["--no-check"], env: { AMQP_URL: url }, limitMs: 60_000 });
}

const handlers = {
  echo: (value: unknown) => value,
  add: ({ a, b }: { a: number | bigint; b: number | bigint }) => BigInt(a) + BigInt(b),
  fail: () => Promise.reject(Object.assign(new Error("No such luck"), { code: "no-luck" })),
  *count(to: number) {
    for (let n = 0; n < to; n++) yield n;
  },
};

/** What differs from run to run is the same here. */
function golden(text: string): string {
  return text
    .replace(/\b[\da-f]{12}\b/g, "<id>")
    .replace(/"(pid|roundTripMs|loopDelayMs|now)":[\d.]+/g, '"$1":<n>')
    .replace(/"host":"[^"]+"/g, '"host":"<host>"');
}

Deno.test("warren calls, asks and commands, each with its output and exit code", async () => {
  await using broker = await TestBroker.start();
  const options = { queue: "math", handlers, control: "admin", log: false } as const;
  await using _server = await RpcServer.listen(broker.url, options);
  const run = (...args: readonly string[]) => warren(broker.url, ...args);
  const one = ["--expect", "1"];
  const cases: readonly (readonly [args: readonly string[], code: number, stdout: string])[] = [
    [["call", "math", "add", '{"a":1,"b":90071992547409931234}'], 0, "90071992547409931235\n"],
    [["call", "math", "count", "3", "--stream"], 0, "0\n1\n2\n"],
    [["call", "math", "echo", "1", "--notify"], 0, ""],
    [["call", "math", "echo", "[1]", "-o", "none"], 0, ""],
    [["call", "math", "fail"], 1, ""],
    [["call", "math", "none"], 69, ""],
    [["call", "nobody", "echo"], 69, ""],
    [["call", "math", "echo", "{"], 65, ""],
    [["call", "math", "echo", "@/no/such/file"], 65, ""],
    [["call", "math", "echo", "--timeout", "soon"], 64, ""],
    [["call", "math", "echo", "1", "--url", "amqp://guest:guest@127.0.0.1"], 64, ""],
    [["pign"], 64, ""],
    [
      ["ping", "math", "-o", "jsonl", ...one],
      0,
      `{"name":"math","id":"<id>","host":"<host>",` +
      `"pid":<n>,"loopDelayMs":<n>,"now":<n>,"roundTripMs":<n>,"type":"warren.rpc.v1.ping"}\n`,
    ],
    [["ping", "nobody", "--timeout", "200ms"], 69, ""],
    [
      ["why", "math", "x".repeat(12), ...one],
      0,
      "WHY\nunknown to everybody who answered: it was " +
      "answered, or is lost\n",
    ],
    [["active", "math", "-j", ...one], 0, "[]\n"],
    [["pause", "math", ...one], 64, ""],
    [["scale", "math", "2", ...one], 64, ""],
    [["scale", "math", "none", "--yes"], 64, ""],
    [
      ["scale", "math", "2", "--yes", "-o", "jsonl", ...one],
      3,
      `{"name":"math","id":"<id>","host":"<host>","pid":<n>,"state":"serving","inHand":0,` +
      `"refused":"it has no pool","roundTripMs":<n>,"type":"warren.rpc.v1.scale"}\n`,
    ],
    [["parked", "ls", "math", "-j"], 0, "[]\n"],
    [["parked", "drop", "math"], 64, ""],
    [["parked", "show", "math", "x"], 3, ""],
  ];
  // One administrator at a time looks after what is parked.
  const parked = cases.filter(([[name]]) => name === "parked");
  // Not all at once: the processes would wait for each other until they give up.
  const results: ChildResult[] = [];
  const others = cases.filter((each) => !parked.includes(each));
  for (let at = 0; at < others.length; at += 4) {
    const some = others.slice(at, at + 4).map(([args]) => run(...args));
    results.push(...await Promise.all(some));
  }
  for (const [args] of parked) results.push(await run(...args));
  for (const [index, [args, code, stdout]] of cases.entries()) {
    const result = results[index];
    assertEquals([result?.code, golden(result?.stdout ?? "")], [code, stdout], args.join(" "));
    assert(!/\bat file:|guest:guest/.test(result?.stderr ?? ""), result?.stderr);
  }
  const of = (name: string) => results[cases.findIndex(([args]) => args.includes(name))];
  assertStringIncludes(of("pign")?.stderr ?? "", "Did you mean ping?");
  assertEquals(of("fail")?.stderr, "warren: No such luck\n");
});

Deno.test("warren shows queues, pauses and resumes their servers", async () => {
  await using broker = await TestBroker.start();
  const options = { queue: "math", handlers, control: "admin", log: false } as const;
  await using _server = await RpcServer.listen(broker.url, options);
  const run = (...args: readonly string[]) => warren(broker.url, ...args, "--expect", "1");
  const [list, stats, info] = await Promise.all([
    run("ls"),
    run("stats", "math"),
    run("info", "math"),
  ]);
  assertMatch(list?.stdout ?? "", /^QUEUE +SERVERS.*\nmath +1 +4 +0 +1 +0 +- +\d+\.\d+\.\d+\n$/);
  assertMatch(stats?.stdout ?? "", /^SERVER +PROCEDURE +REQ/);
  assertMatch(info?.stdout ?? "", /count +stream/);
  const paused = await run("pause", "math", "--yes");
  assertMatch(paused.stdout, /paused +0 +done\n$/);
  const math = () => broker.queues().find(({ name }) => name === "math")?.consumers;
  await eventually(() => assertEquals(math(), 0));
  assertEquals((await run("resume", "math")).code, 0);
  await eventually(() => assertEquals(math(), 1));
});

Deno.test("Threat: no escape sequence of who answers reaches an operator's terminal", async () => {
  await using broker = await TestBroker.start();
  const evil = "\x1b[31mevil\u009b\r\u202e";
  const spoken = { evil: () => evil };
  const options = { queue: "math", handlers: spoken, log: false } as const;
  await using _server = await RpcServer.listen(broker.url, options);
  await using stack = new AsyncDisposableStack();
  const model = await connect(broker.url);
  stack.defer(() => model.close());
  const channel = await model.createChannel();
  const { queue } = await channel.assertQueue("", { exclusive: true });
  await channel.bindQueue(queue, "rpc.control", "math");
  await channel.consume(queue, (question) => {
    const { type, correlationId, replyTo } = question?.properties ?? {};
    // Whole, as others are dropped; what may be any text is evil.
    const texts = { name: evil, host: evil, version: evil, platform: evil, started: evil };
    const words = { state: "serving", control: "read" };
    const numbers = { loopDelayMs: 1, inHand: 1, prefetch: 1 };
    const counts = { numRequests: 1, numErrors: 1, processingTime: 1, averageProcessingTime: 1 };
    const times = { p50: 1, p95: 1, p99: 1, inHand: 1 };
    const lastError = { at: evil, outcome: evil };
    const endpoints = [{ name: evil, description: evil, lastError, ...counts, ...times }];
    const parts = { ...texts, ...words, ...numbers, endpoints, counts: {}, pools: [] };
    const answer = { type: `warren.rpc.v1.${type}`, id: evil, pid: 1, ...parts };
    const properties = { type: "control-reply", correlationId };
    channel.publish("", replyTo, Buffer.from(JSON.stringify(answer)), properties);
  }, { noAck: true });
  const results = await Promise.all([
    warren(broker.url, "ping", "math", "--expect", "2"),
    warren(broker.url, "info", "math", "--expect", "2", "-j"),
    warren(broker.url, "doctor", "math", "--expect", "2"),
    warren(broker.url, "call", "math", "evil"),
    warren(broker.url, "stats", evil),
    warren(broker.url, "stats", "math", "--expect", "2"),
    warren(broker.url, "top", "math", "-n", "1"),
    warren(broker.url, "events", "math", "-n", "1"),
    warren(broker.url, "types", "math", "--expect", "2"),
  ]);
  for (const { stdout, stderr } of results) {
    assertStringIncludes(stdout + stderr, "evil");
    assert(!/[^\P{Cc}\n]|\u202e/u.test(stdout + stderr), JSON.stringify(stdout + stderr));
  }
  assertEquals(JSON.parse(results[3]?.stdout ?? ""), evil);
});

Deno.test("warren doctor finds what is wrong, and nothing where all is well", async () => {
  await using broker = await TestBroker.start();
  await using _server = await RpcServer.listen(broker.url, { queue: "math", handlers, log: false });
  const doctor = (...args: readonly string[]) => warren(broker.url, "doctor", ...args);
  const [well, missing, nagios] = await Promise.all([
    doctor("math", "--expect", "1", "-j"),
    doctor("nobody", "-j"),
    doctor("math", "--expect", "1", "--format", "nagios"),
  ]);
  // A machine that has too much to do is found as well, and rightly.
  const busy = /^(broker round trip|server loop|lag): \d+ ms$/;
  const wrongIn = (json: string | undefined) =>
    JSON.parse(json ?? "").flatMap((finding: Record<string, string>) =>
      finding.severity === "ok" ? [] : [`${finding.check}: ${finding.found}`]
    ).filter((words: string) => !busy.test(words));
  assertEquals([well?.code, wrongIn(well?.stdout)], [0, []]);
  assertEquals([missing?.code, wrongIn(missing?.stdout)], [1, ["queue: none"]]);
  const line = nagios?.code === 0
    ? /^WARREN OK - math: 24 checks are right\n$/
    : /^WARREN WARNING - math: (broker round trip|server loop|lag): [^:]+\n$/;
  assertMatch(nagios?.stdout ?? "", line);
  assert((nagios?.code ?? 2) < 2);
  const { echo } = handlers;
  const other = { queue: "math", handlers: { echo }, control: "admin", log: false } as const;
  await using _other = await RpcServer.listen(broker.url, other);
  await using control = await RpcControl.connect(broker.url);
  await control.pause({ queue: "math", expect: 1 });
  const sick = await doctor("math", "--expect", "2", "-j");
  assertEquals(sick.code, 1);
  const [paused, procedures, ...rest] = wrongIn(sick.stdout);
  assertMatch(paused, /^servers that serve: [\da-f]{12} paused$/);
  assertEquals([procedures, rest], ["procedures: servers differ", []]);
});

Deno.test("Findings tell each trap, with what to do", () => {
  const identity = { name: "math", id: "a", pid: 1 };
  const counts = {} as never;
  const endpoint = {
    processingTime: 0,
    averageProcessingTime: 0,
    p50: 0,
    p95: 0,
    p99: 0,
    inHand: 0,
  };
  const findings = findingsOf({
    broker: { product: "RabbitMQ", version: "4.3.6", maxFrameBytes: 131_072 },
    skewMs: 0,
    longRequests: 0,
    rights: undefined,
    queue: { ready: 5, consumers: 2 },
    parked: { ready: 1, consumers: 0 },
    brokerMs: 900,
    pings: [{ ...identity, loopDelayMs: 400, roundTripMs: 401 }],
    infos: [],
    stats: [{
      ...identity,
      version: "0.1.0",
      started: "",
      state: "serving",
      inHand: 4,
      prefetch: 4,
      lagMs: 60_000,
      counts,
      pools: [{ workers: 1, busy: 1, crashed: 1, waiting: 0 }],
      endpoints: [
        { ...endpoint, name: "add", numRequests: 10, numErrors: 5 },
        { ...endpoint, name: "_OTHER", numRequests: 1, numErrors: 1 },
      ],
    }],
  });
  const wrong = findings.filter(({ severity }) => severity !== "ok");
  assertEquals(wrong.map(({ check }) => check), [
    "broker round trip",
    "servers that answer",
    "backlog",
    "lag",
    "parked requests",
    "unknown procedures",
    "server loop",
    "workers",
    "errors",
  ]);
  assert(wrong.every(({ remedy }) => remedy !== ""));
});

Deno.test("Durations are read and written as people write them", () => {
  assertEquals(["250ms", "5s", "2m", "1h", "1.5s"].map(parseDuration), [
    250,
    5_000,
    120_000,
    3_600_000,
    1_500,
  ]);
  assertEquals([1.25, 250, 1_500, 61_000, 3_700_000].map(formatDuration), [
    "1.3 ms",
    "250 ms",
    "1.5 s",
    "1 m 1 s",
    "1 h 1 m",
  ]);
});
