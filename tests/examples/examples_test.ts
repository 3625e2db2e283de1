import { assertEquals, assertMatch, assertStringIncludes } from "../../deps/std_assert.ts";
import { brokerUrl } from "../helpers/broker.ts";
import type { Child } from "../helpers/child.ts";
import { startTutorialServer } from "../helpers/tutorial.ts";
import { ExampleQueue, runExample, startExample } from "./run_example.ts";

const EXAMPLES = [
  "call_async/main.ts",
  "first_call/client.ts",
  "own_worker/main.ts",
  "parallel_calls/main.ts",
  "first_call/server.ts",
  "shutdown/main.ts",
];

interface RunningServer extends AsyncDisposable {
  readonly queue: string;
  readonly server: Child;
}

/** `examples/server.ts` on a queue of its own. */
async function startServer(): Promise<RunningServer> {
  await using stack = new AsyncDisposableStack();
  const { name: queue } = stack.use(new ExampleQueue());
  const server = stack.use(await startExample("first_call/server.ts", ["--queue", queue]));
  assertStringIncludes(await server.nextLine(), "Serving");
  const owned = stack.move();
  return { queue, server, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

Deno.test("first_call/client.ts prints what server.ts computes", async () => {
  await using running = await startServer();
  const { queue } = running;
  const first = await runExample("first_call/client.ts", ["--queue", queue]);
  assertEquals(first.stdout, "Asking for fibonacci(30)\nThe answer is 832040\n");
  const exact = await runExample("first_call/client.ts", ["100", "--queue", queue]);
  assertStringIncludes(exact.stdout, "The answer is 354224848179261915075\n");
  assertEquals([first.code, exact.code], [0, 0]);
});

Deno.test("first_call/client.ts prints a server's refusal in one line", async () => {
  await using running = await startServer();
  const { code, stderr } = await runExample("first_call/client.ts", [
    "-1",
    "--queue",
    running.queue,
  ]);
  assertMatch(stderr, /^Cannot compute fibonacci\(n\) as n must be .*: it is -1\n$/);
  assertEquals(code, 1);
});

Deno.test("first_call/client.ts says to start a server when there is none", async () => {
  const { code, stderr } = await runExample("first_call/client.ts", [
    "--queue",
    crypto.randomUUID(),
  ]);
  assertMatch(stderr, /^Cannot call "fibonacci" as queue .* does not exist: start a server\n$/);
  assertEquals(code, 1);
});

Deno.test("first_call/server.ts ends in order on Ctrl-C", async () => {
  await using running = await startServer();
  running.server.kill("SIGINT");
  assertEquals((await running.server.status).code, 0);
});

Deno.test("A tutorial server starts beside server.ts, which came first", async () => {
  await using running = await startServer();
  const args = [brokerUrl(), running.queue, "quorum"];
  await using _theirs = await startTutorialServer("javascript", args);
});

Deno.test("call_async/main.ts runs two callbacks and not the third", async () => {
  await using running = await startServer();
  const { code, stdout } = await runExample("call_async/main.ts", ["--queue", running.queue]);
  const [announced, cancelled, ...callbacks] = stdout.trim().split("\n");
  assertStringIncludes(announced ?? "", "did not wait");
  assertStringIncludes(cancelled ?? "", "was taken back");
  assertEquals(callbacks.length, 2);
  assertStringIncludes(callbacks.join(), "A callback got 2880067194370816120");
  assertStringIncludes(callbacks.join(), "A callback got an error: RpcRemoteError: Cannot compute");
  assertEquals(code, 0);
});

Deno.test("parallel_calls/main.ts has all its calls answered", async () => {
  await using running = await startServer();
  const { code, stdout } = await runExample("parallel_calls/main.ts", ["--queue", running.queue]);
  assertMatch(stdout, /^1000 calls took \d+ ms; 0 are pending\n/);
  assertStringIncludes(stdout, "fibonacci(999) = 26863810024485359386… (209 digits)");
  assertEquals(code, 0);
});

Deno.test("own_worker/main.ts counts primes in workers of its own", async () => {
  await using queue = new ExampleQueue();
  const { code, stdout } = await runExample("own_worker/main.ts", ["--queue", queue.name]);
  assertStringIncludes(stdout, "There are 539777\n");
  assertEquals(code, 0);
});

Deno.test("shutdown/main.ts answers what is in hand after SIGTERM", async () => {
  await using queue = new ExampleQueue();
  await using example = await startExample("shutdown/main.ts", ["--queue", queue.name]);
  assertStringIncludes(await example.nextLine(), "Working on 8 calls");
  assertEquals(await example.nextLine(), "A call was answered");
  example.kill("SIGTERM");
  let line = await example.nextLine();
  while (line === "A call was answered") line = await example.nextLine();
  assertMatch(line, /^SIGTERM: [1-7] requests are in hand$/);
  while (line !== "Every request in hand was answered: now this program may end") {
    line = await example.nextLine();
  }
  assertEquals((await example.status).code, 0);
});

for (const name of EXAMPLES) {
  Deno.test(`${name} says in one line that there is no broker`, async () => {
    const { code, stderr } = await runExample(name, ["--url", "amqp://127.0.0.1:1"]);
    assertMatch(stderr, /^Cannot connect to the broker at 127\.0\.0\.1:1 .* start RabbitMQ .*\n$/);
    assertEquals(code, 1);
  });

  Deno.test(`${name} tells how it is used`, async () => {
    const { code, stdout } = await runExample(name, ["--help"]);
    assertStringIncludes(stdout, `Usage: ${name}`);
    assertEquals(code, 0);
  });
}
