import { assert, assertEquals, assertMatch, assertStringIncludes } from "../../deps/std_assert.ts";
import { RpcServer } from "../../mod.ts";
import { brokerUrl, changedUrl, deleteQueue, randomQueue } from "../helpers/broker.ts";
import type { ChildResult } from "../helpers/child.ts";
import { warren } from "../helpers/warren.ts";

const WARREN = new URL("../../cli/main.ts", import.meta.url).href;

/** Every command that needs a broker, with arguments that are right. */
function commandsOn(
  queue: string,
  quick: readonly string[] = ["--timeout", "300ms"],
): readonly (readonly string[])[] {
  return [
    // First, as a paused server is a finding.
    ["doctor", queue, ...quick],
    ["call", queue, "echo", "1"],
    ["bench", queue, "echo", "1", "--duration", "50ms"],
    ["ls", queue, ...quick],
    ["info", queue, ...quick],
    ["stats", queue, ...quick],
    ["ping", queue, ...quick],
    ["active", queue, ...quick],
    ["why", queue, "x", ...quick],
    ["top", queue, "-n", "1", "--watch", "300ms"],
    ["events", queue, "-n", "1", "--watch", "300ms"],
    ["pause", queue, "-y", ...quick],
    ["resume", queue, "-y", ...quick],
    ["drain", queue, "-y", ...quick],
    ["cancel", queue, "x", "-y", ...quick],
    ["scale", queue, "2", "-y", ...quick],
    ["parked", "ls", queue],
    ["types", queue, ...quick],
  ];
}

/** A few at a time: the processes would wait for each other until they give up. */
async function runAll(
  commands: readonly (readonly string[])[],
  url?: string,
): Promise<readonly (readonly [name: string, ChildResult])[]> {
  const results: (readonly [string, ChildResult])[] = [];
  for (let at = 0; at < commands.length; at += 3) {
    const some = commands.slice(at, at + 3).map(async (args) =>
      [args.slice(0, args[0] === "parked" ? 2 : 1).join(" "), await warren(args, url)] as const
    );
    results.push(...await Promise.all(some));
  }
  return results;
}

Deno.test("Every command of warren says that nobody is there, or that a password is wrong", async () => {
  const commands = commandsOn("math");
  for (
    const [url, code, words] of [
      [changedUrl({ port: "1" }), 69, "as nothing listens there"],
      [changedUrl({ password: "secret" }), 77, "as the broker refuses user"],
    ] as const
  ) {
    // They all connect alike: of the second, some.
    const some = code === 69 ? commands : commands.filter((_, index) => index % 5 === 0);
    for (const [name, { code: found, stdout, stderr }] of await runAll(some, url)) {
      assertEquals([name, found, stdout], [name, code, ""], stderr);
      assertStringIncludes(stderr, words);
      assert(!/secret|\bat file:/.test(stderr), stderr);
    }
  }
});

/** What becomes of commands on a queue that there is not: their exit codes. */
const WITHOUT_QUEUE: Readonly<Record<string, number>> = {
  call: 69,
  bench: 69,
  ls: 69,
  info: 69,
  stats: 69,
  ping: 69,
  active: 69,
  why: 69,
  // They watch what comes.
  top: 0,
  events: 0,
  // That is a finding.
  doctor: 1,
  pause: 69,
  resume: 69,
  drain: 69,
  cancel: 69,
  scale: 69,
  "parked ls": 0,
  types: 69,
};

Deno.test("Every command of warren says that there is no such queue", async () => {
  const results = await runAll(commandsOn(randomQueue()));
  const codes = Object.fromEntries(results.map(([name, { code }]) => [name, code]));
  assertEquals(codes, WITHOUT_QUEUE);
  for (const [name, { stderr }] of results) {
    if (name !== "doctor") assertMatch(stderr, /\w/, name);
    assert(!/\bat file:/.test(stderr), stderr);
  }
});

Deno.test("Every command of warren works, and its JSON is JSON", async () => {
  const queue = randomQueue();
  await using stack = new AsyncDisposableStack();
  stack.defer(() => deleteQueue(queue));
  const handlers = { echo: (value: unknown) => value };
  await using _server = await RpcServer.listen(brokerUrl(), {
    queue,
    handlers,
    control: "admin",
    log: false,
  });
  // It would not be there for those that come after it, and there is nothing to cancel or to scale.
  const commands = commandsOn(queue, ["--expect", "1", "--timeout", "30s"])
    .filter(([name = ""]) => name !== "drain");
  const results = await runAll(commands.map((args) => [...args, "-o", "json"]));
  for (const [name, { code, stdout, stderr }] of results) {
    assertEquals([name, code], [name, /^(cancel|scale)$/.test(name) ? 3 : 0], stderr);
    const value: unknown = JSON.parse(stdout.split("\n").slice(0, -1).join(",") || "null");
    const [item] = Array.isArray(value) ? value : [value];
    if (typeof item !== "object" || item === null) continue;
    assertMatch(String(item.type), /^warren\.rpc\.v1\./, name);
  }
});

Deno.test("A pipe that is closed early is no error to warren", async () => {
  const queue = randomQueue();
  await using stack = new AsyncDisposableStack();
  stack.defer(() => deleteQueue(queue));
  const handlers = {
    *count() {
      for (let n = 0; n < 100_000; n++) yield n;
    },
  };
  await using _server = await RpcServer.listen(brokerUrl(), { queue, handlers, log: false });
  const run = `"${Deno.execPath()}" run --allow-all --quiet --no-check ${WARREN}`;
  const commands = [
    `${run} call ${queue} count --stream`,
    `${run} stats ${queue} --expect 1 --watch 10ms`,
    `${run} top ${queue} --watch 100ms`,
    `${run} --help`,
  ];
  for (const command of commands) {
    const script = `${command} | head -n 1; exit \${PIPESTATUS[0]}`;
    const env = { AMQP_URL: brokerUrl() };
    const { code, stdout, stderr } = await new Deno.Command("bash", { args: ["-c", script], env })
      .output();
    const words = new TextDecoder().decode(stderr);
    assertEquals([command, code, words], [command, 0, words]);
    assert(stdout.length > 0 && !/error|Broken/i.test(words), words);
  }
});
