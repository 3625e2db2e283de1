import { assert, assertEquals, assertMatch } from "../../deps/std_assert.ts";
import { ExampleQueue, runExample } from "./run_example.ts";

/** Examples that need no other one, and the lines that they print. */
const OUTPUTS: Readonly<Record<string, RegExp>> = {
  "batching.ts":
    /^one by one: sum 24995000, \d+ calls\/s\nwith batching: sum 24995000, \d+ calls\/s\n$/,
  "cancel.ts": /^Given up: TimeoutError\nToo late: timeout\nThe server works on 0 requests\n$/,
  "health.ts":
    /^\/livez 200\n\/readyz 200\n\/metrics has \d+ metrics\n\/readyz 503, as the server is closed\n$/,
  "many_servers.ts":
    /^north served [1-9]\d* calls\neast served [1-9]\d* calls\nsouth served [1-9]\d* calls\n$/,
  "named_callback.ts": /^The first program has ended\n12 pages are printed, for {"order":7}\n$/,
  "processes.ts":
    /^\S+: Requires read access to "\/etc\/passwd".*\nworker-crashed: .*\nThe square of 12 is 144\n$/,
  "resilience.ts": /^Sunny in Oslo, after 3 attempts\nRome: \S+\nRiga: \S+\nReno: circuit-open\n$/,
  "schema.ts": /^User 1 is Ada, born in 1815\nThere is no user 2\ninvalid-input: .* at "\$\.id"\n$/,
  "search.ts": /^docs\/[^]*heartbeat[^]*\nFound "heartbeat" on [1-9]\d* lines of \d\d files\n$/,
  "stream.ts": /^25 % done\n[^]*\n16\n[^]*Read 1000 of 1000000 items, and left\n$/,
};

for (const [name, output] of Object.entries(OUTPUTS)) {
  Deno.test(`${name} shows what it is about`, async () => {
    await using queue = new ExampleQueue();
    const { code, stdout, stderr } = await runExample(name, ["--queue", queue.name]);
    assertMatch(stdout, output, stderr);
    assertEquals(code, 0);
  });

  Deno.test(`${name} says in one line that there is no broker`, async () => {
    const { code, stderr } = await runExample(name, ["--url", "amqp://127.0.0.1:1"]);
    assertMatch(stderr, /^Cannot connect to the broker at 127\.0\.0\.1:1 .* start RabbitMQ .*\n$/);
    assertEquals(code, 1);
  });
}

Deno.test("service_test.ts passes without a broker", async () => {
  const { code, stdout } = await runExample("service_test.ts", []);
  assertMatch(stdout, /2 passed/);
  assertEquals(code, 0);
});

Deno.test("Every example says on its first line how it is run, and is run by a test", async () => {
  const tests = await Promise.all(["examples", "more_examples"].map((name) => {
    return Deno.readTextFile(new URL(`${name}_test.ts`, import.meta.url));
  }));
  const folder = new URL("../../examples/", import.meta.url);
  for await (const { name } of Deno.readDir(folder)) {
    const text = await Deno.readTextFile(new URL(name, folder));
    if (name.endsWith(".md")) continue;
    assert(text.split("\n").length <= 61, `${name} is too long to be read in passing`);
    const isPart = /^\/\/ (A worker file|What every example has)/.test(text);
    if (name.endsWith(".ts") && !isPart) {
      assertMatch(text, /^\/\/ deno (run|test) .* ?examples\/\w+\.ts/, name);
      assert(tests.some((test) => test.includes(`"${name}`)), `No test runs ${name}`);
    }
  }
});
