import { assert, assertEquals, assertMatch, assertStringIncludes } from "../../deps/std_assert.ts";
import { RpcClient } from "../../mod.ts";
import { brokerUrl, deleteQueue, randomQueue } from "../helpers/broker.ts";
import type { Child } from "../helpers/child.ts";
import { eventually } from "../helpers/eventually.ts";
import { startWarren, warren } from "../helpers/warren.ts";

const RUNTIME = new URL("../../workers/runtime.ts", import.meta.url).href;

function codeOf(word: string): string {
  return `import { expose } from "${RUNTIME}";
expose({
  word: () => "${word}",
  pid: () => Deno.pid,
  wait: (ms: number) => new Promise((resolve) => setTimeout(() => resolve("waited"), ms)),
});
`;
}

interface WorkerFile extends AsyncDisposable {
  readonly path: string;
  write(word: string): Promise<void>;
}

async function workerFile(name: string): Promise<WorkerFile> {
  const folder = await Deno.makeTempDir();
  const path = `${folder}/${name}`;
  await Deno.writeTextFile(path, codeOf("one"));
  return {
    path,
    write: (word) => Deno.writeTextFile(path, codeOf(word)),
    [Symbol.asyncDispose]: () => Deno.remove(folder, { recursive: true }),
  };
}

async function linesUntil(child: Child, pattern: RegExp): Promise<string[]> {
  const lines: string[] = [];
  for (;;) {
    lines.push(await child.nextLine());
    if (pattern.test(lines.at(-1) ?? "")) return lines;
  }
}

Deno.test("warren serve serves a worker file, anew when it changes, and ends in order", async () => {
  const queue = randomQueue();
  await using stack = new AsyncDisposableStack();
  stack.defer(() => deleteQueue(queue));
  await using file = await workerFile("any_worker.ts");
  const args = ["serve", file.path, "--queue", queue, "--workers", "2", "--watch"];
  await using child = startWarren([...args, "--durability", "durable"]);
  const banner = await linesUntil(child, /^Ctrl-C ends it/);
  assertMatch(banner.join("\n"), new RegExp(`^warren serves ${queue} at amqp://[^@]+$`, "m"));
  assertMatch(banner.join("\n"), /^procedures +word, pid, wait$/m);
  assertMatch(banner.join("\n"), /^workers +2, each a thread$/m);
  await using client = await RpcClient.connect(brokerUrl(), { queue, log: false });
  assertEquals(await client.call("word"), "one");
  await file.write("two");
  await linesUntil(child, /any_worker.ts has changed: serving word, pid, wait/);
  await eventually(async () => assertEquals(await client.call("word"), "two"));
  await Deno.writeTextFile(file.path, "this is no code(");
  await linesUntil(child, /has changed, and the old one serves on: /);
  assertEquals(await client.call("word"), "two");
  const waiting = client.call("wait", 1_000);
  await client.call("pid");
  child.kill("SIGTERM");
  assertEquals(await waiting, "waited");
  assertEquals((await child.status).code, 0);
});

Deno.test("A second signal ends warren serve at once", async () => {
  const queue = randomQueue();
  await using stack = new AsyncDisposableStack();
  stack.defer(() => deleteQueue(queue));
  await using file = await workerFile("worker.ts");
  await using child = startWarren([
    "serve",
    file.path,
    "--queue",
    queue,
    "--durability",
    "durable",
  ]);
  await linesUntil(child, /^Ctrl-C ends it/);
  await using client = await RpcClient.connect(brokerUrl(), { queue, log: false });
  const waiting = Promise.allSettled([client.call("wait", 60_000, { timeoutMs: 2_000 })]);
  await client.call("pid");
  child.kill("SIGINT");
  await linesUntil(child, /SIGINT: closing/);
  child.kill("SIGINT");
  const { success, signal } = await child.status;
  assertEquals([success, signal], [false, "SIGINT"]);
  await waiting;
});

Deno.test("warren serve answers probes where it is told to", async () => {
  const queue = randomQueue();
  await using stack = new AsyncDisposableStack();
  stack.defer(() => deleteQueue(queue));
  await using file = await workerFile("worker.ts");
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  const args = ["serve", file.path, "--queue", queue, "--health", String(port)];
  const taken = await warren([...args, "--durability", "durable"]);
  assertEquals(taken.code, 69);
  assertStringIncludes(taken.stderr, `port ${port}: it is taken`);
  listener.close();
  await using child = startWarren([...args, "--durability", "durable"]);
  await linesUntil(child, /^Ctrl-C ends it/);
  const ready = await fetch(`http://127.0.0.1:${port}/readyz`);
  assertEquals([ready.status, await ready.json()], [200, { status: "pass" }]);
  child.kill("SIGINT");
  assertEquals((await child.status).code, 0);
});

Deno.test("warren serve says what is wrong with a worker file", async () => {
  await using file = await workerFile("worker.ts");
  const missing = await warren(["serve", "/no/such_worker.ts"]);
  assertEquals([missing.code, missing.stdout], [65, ""]);
  assertStringIncludes(
    missing.stderr,
    'Cannot serve "/no/such_worker.ts" as there is no such file',
  );
  await Deno.writeTextFile(file.path, "throw new Error('on purpose')");
  const broken = await warren(["serve", file.path, "--queue", randomQueue()]);
  assertEquals(broken.code, 65);
  assertMatch(broken.stderr, /Cannot start a worker.*on purpose/);
  assert(!broken.stderr.includes("pool.ts"), broken.stderr);
});

Deno.test("warren dev needs no broker, and says how its procedures are called", async () => {
  await using file = await workerFile("hello_worker.ts");
  await using child = startWarren(["dev", file.path, "--port", "5672"], "amqp://127.0.0.1:1");
  const banner = (await linesUntil(child, /^Ctrl-C ends it/)).join("\n");
  const [, url = "amqp://127.0.0.1"] =
    /^call +(?:AMQP_URL=(\S+) )?warren call hello/m.exec(banner) ?? [];
  const called = await warren(["call", "hello", "word"], url);
  assertEquals([called.code, called.stdout], [0, '"one"\n'], called.stderr);
  const [, page = ""] = /^page +(\S+)$/m.exec(banner) ?? [];
  const shown = await fetch(page);
  assertEquals(shown.status, 200);
  assertStringIncludes(await shown.text(), "server");
  await file.write("two");
  await linesUntil(child, /hello_worker.ts has changed: serving/);
  await eventually(async () => {
    assertEquals((await warren(["call", "hello", "word"], url)).stdout, '"two"\n');
  });
  child.kill("SIGINT");
  assertEquals((await child.status).code, 0);
});

Deno.test("warren broker is one that serve and call can use, until a signal ends it", async () => {
  await using broker = startWarren(["broker", "--port", "0"], "amqp://127.0.0.1:1");
  const lines = await linesUntil(broker, /Ctrl-C ends it$/);
  const [, url = ""] = /^AMQP_URL=(amqp:.+)$/m.exec(lines.join("\n")) ?? [];
  await using file = await workerFile("hello_worker.ts");
  await using server = startWarren(["serve", file.path, "--workers", "1"], url);
  const banner = (await linesUntil(server, /^Ctrl-C ends it/)).join("\n");
  assertMatch(banner, /^warren serves hello at /m);
  assertMatch(banner, /^queue +has the name of the file: --queue gives it another$/m);
  const called = await warren(["call", "hello", "word"], url);
  assertEquals([called.code, called.stdout], [0, '"one"\n'], called.stderr);
  const taken = await warren(["broker", "--port", new URL(url).port]);
  assertEquals([taken.code, taken.stdout], [69, ""]);
  assertMatch(
    taken.stderr,
    /^warren: Cannot listen at port \d+ as it is taken: give another --port\n$/,
  );
  for (const child of [server, broker]) {
    child.kill("SIGTERM");
    assertEquals((await child.status).code, 0);
  }
});
