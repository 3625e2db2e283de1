import {
  assert,
  assertEquals,
  assertLessOrEqual,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "../../deps/std_assert.ts";
import { RpcClient, RpcServer } from "../../mod.ts";
import { TestBroker } from "../../testing/mod.ts";
import { declareQueue } from "../helpers/broker.ts";
import { eventually } from "../helpers/eventually.ts";
import type { Child } from "../helpers/child.ts";
import { ROOT } from "../helpers/source_files.ts";
import { docPrograms, programAt } from "../helpers/doc_programs.ts";
import { type RegistryProject, startRegistryProject } from "../helpers/registry_project.ts";
import { AmqplibClient } from "./helpers/amqplib.ts";

const programs = await docPrograms();

/** Programs that no test here runs, and why. */
const UNTESTED: Readonly<Record<string, string>> = {
  "docs/start.md 1": "tests/testing/create_test.ts has it in the service that it changes",
  "docs/start.md 2": "tests/testing/create_test.ts has it in the service that it changes",
  "docs/start.md 3": "tests/testing/create_test.ts has it in the service that it changes",
  "docs/tls.md 1": "it needs a broker with TLS: tests/serial/tls_test.ts has one",
  "docs/node.md 1": "it is for Node and Bun: tests/tools/npm_package_test.ts runs it there",
  "docs/node.md 2": "it is for Node and Bun: tests/tools/npm_package_test.ts runs it there",
};
const tested = new Set<string>();
/** What the servers of RabbitMQ's tutorial declare. */
const TUTORIAL_QUEUE = { durable: true, arguments: { "x-queue-type": "quorum" } };

/** What stands before a program, and after it. */
type Around = readonly [before: string, after: string];

/** A broker of its own, and a project that has this package from a registry. */
class Desk implements AsyncDisposable {
  readonly #stack = new AsyncDisposableStack();
  readonly project: RegistryProject;
  readonly broker: TestBroker;

  private constructor(project: RegistryProject, broker: TestBroker) {
    this.project = project;
    this.broker = this.#stack.use(broker);
  }

  static async open(project: RegistryProject): Promise<Desk> {
    return new Desk(project, await TestBroker.start());
  }

  /** Writes a program of a page into a file, with something before and after it. */
  async write(file: string, id: string, [before, after]: Around = ["", ""]): Promise<void> {
    tested.add(id);
    const code = programAt(programs, id, this.broker.url);
    await this.project.write(file, `${before}${code}${after}`);
  }

  /** Runs a program of a page to its end, and gives what it printed. */
  async run(id: string, around?: Around): Promise<string> {
    await this.write("main.ts", id, around);
    return await this.deno("run", "--allow-all", "--quiet", "main.ts");
  }

  /** Runs a program that is on no page. */
  async runText(text: string): Promise<string> {
    await this.writeText("main.ts", text);
    return await this.deno("run", "--allow-all", "--quiet", "main.ts");
  }

  /** Writes a file that is on no page. */
  writeText(file: string, text: string): Promise<void> {
    return this.project.write(file, text);
  }

  /** Runs a command of Deno's to its end. */
  async deno(...args: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await this.project.deno(...args);
    assertEquals(code, 0, `${stdout}${stderr}`);
    return stdout;
  }

  /** Starts a program that goes on. */
  start(file: string): Child {
    return this.project.start("run", "--allow-all", "--quiet", file);
  }

  /** Starts a server of a page, and waits until it serves that queue. */
  async serve(id: string, queue: string, edit = (code: string) => code): Promise<Child> {
    tested.add(id);
    await this.writeText("server.ts", edit(programAt(programs, id, this.broker.url)));
    const server = this.#stack.use(this.start("server.ts"));
    await eventually(() => {
      const found = this.broker.queues().find(({ name }) => name === queue);
      assertEquals(found?.consumers, 1);
    });
    return server;
  }

  async readText(name: string): Promise<string> {
    return await Deno.readTextFile(`${this.project.folder}/${name}`);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stack.disposeAsync();
  }
}

function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

/** What is done with the programs of a page. */
interface Page {
  readonly name: string;
  readonly run: (desk: Desk) => Promise<void>;
}
const pages: Page[] = [];

function page(name: string, run: (desk: Desk) => Promise<void>): void {
  pages.push({ name, run });
}

const ALL = { configure: ".*", write: ".*", read: ".*" };

/** A program that has a pool of one worker of a file. */
function poolProgram(file: string, calls: string): string {
  return `import { WorkerPool } from "@warren/rpc/workers";
import { transfer } from "@warren/rpc/workers/transfer";

const worker = new URL("./${file}", import.meta.url);
await using pool = await WorkerPool.open(worker, { maxWorkers: 1 });
const pixels = new Uint8Array([0, 5]);
void [transfer, pixels];
${calls}`;
}

page("README's client calls README's server, which ends in order", async (desk) => {
  const server = await desk.serve("README.md 1", "math");
  assertEquals(await desk.run("README.md 2"), "3\n{ ok: true, output: 7 }\n");
  server.kill("SIGTERM");
  assertEquals((await server.status).code, 0);
});

page("README's pool runs README's worker file", async (desk) => {
  await desk.write("fibonacci_worker.ts", "README.md 3");
  await using _server = await desk.serve("README.md 4", "fibonacci");
  await using client = await RpcClient.connect(desk.broker.url, { queue: "fibonacci" });
  assertEquals(await client.call("slowFibonacci", 20), 6765);
  assertEquals(await client.call("ping"), "pong");
});

page("README has a test that passes", async (desk) => {
  await desk.write("double_test.ts", "README.md 5");
  const output = await desk.deno("test", "--allow-net=127.0.0.1", "double_test.ts");
  assertMatch(output, /double\(\) doubles \.\.\. ok/);
});

page("docs/parked.md lists, drops and runs again", async (desk) => {
  await using amqplib = await AmqplibClient.open(desk.broker.url);
  for (const queue of ["math", "math.parked"]) await amqplib.channel.assertQueue(queue);
  for (const body of ["1", "2"]) await amqplib.send("math.parked", body);
  const output = await desk.run("docs/parked.md 1");
  assertEquals(output.match(/^\S+ undefined/gm)?.length, 2);
  assertStringIncludes(output, '[ "1" ]');
  assertStringIncludes(output, "1 run again, 0 left as they are streams\n");
});

page("docs/permissions.md writes definitions", async (desk) => {
  await desk.run("docs/permissions.md 1");
  const { permissions } = JSON.parse(await desk.readText("definitions.json"));
  assertEquals(permissions.map(({ user }: { user: string }) => user), [
    "math-server",
    "web",
    "billing",
    "operator",
  ]);
});

page("docs/permissions.md serves tenants", async ({ project }) => {
  const virtualHosts = ["tenant-a", "tenant-b"];
  await using broker = await TestBroker.start({
    virtualHosts,
    users: [{
      name: "math-server",
      password: "secret",
      permissions: Object.fromEntries(virtualHosts.map((vhost) => [vhost, ALL])),
    }],
  });
  const id = "docs/permissions.md 2";
  tested.add(id);
  const address = `math-server:secret@127.0.0.1:${broker.port}`;
  const code = programAt(programs, id).replace("math-server@broker.example", address);
  await project.write("main.ts", `${code}\nconsole.log("served");`);
  await using server = project.start("run", "--allow-all", "--quiet", "main.ts");
  await server.line("served");
  for (const vhost of virtualHosts) {
    await using client = await RpcClient.connect(`amqp://${address}/${vhost}`, { queue: "math" });
    assertEquals(await client.call("add", { a: 1, b: 2 }), 3);
  }
});

page("docs/pool.md has workers, and pools that run them", async (desk) => {
  await desk.write("square_worker.ts", "docs/pool.md 1");
  const square = poolProgram("square_worker.ts", 'console.log(await pool.run("square", 7));');
  assertEquals(await desk.runText(square), "49\n");
  assertEquals(await desk.run("docs/pool.md 2"), "354224848179261915075n\n");
  assertStringIncludes(await desk.run("docs/pool.md 3"), 'type: "ready"');
  await desk.writeText(
    "rows_worker.ts",
    `import { expose } from "@warren/rpc/workers/runtime";
expose({ *rows({ table }: { table: string }) { yield \`a row of \${table}\`; } });`,
  );
  const [before, after] = poolProgram("rows_worker.ts", "// HERE").split("// HERE");
  assertEquals(await desk.run("docs/pool.md 4", [before ?? "", after ?? ""]), "a row of orders\n");
  await desk.write("picture_worker.ts", "docs/pool.md 5");
  const invert = 'console.log(await pool.run("invert", transfer(pixels)), pixels.length);';
  const picture = poolProgram("picture_worker.ts", invert);
  assertEquals(await desk.runText(picture), "Uint8Array(2) [ 255, 250 ] 0\n");
});

page("docs/codecs.md sends dates and bytes, through a pool, too, and has a codec", async (desk) => {
  await desk.serve("docs/codecs.md 1", "photos");
  assertEquals(await desk.run("docs/codecs.md 2"), "3 true\n");
  await desk.write("photo_worker.ts", "docs/codecs.md 3");
  assertEquals(await desk.run("docs/codecs.md 4"), "1970\n");
  assertEquals(await desk.run("docs/codecs.md 5"), '[ [ "b", "2" ], [ "a", "1" ] ]\n');
});

page("docs/scaling.md has a lane, shards and a gateway", async (desk) => {
  assertEquals(await desk.run("docs/scaling.md 1"), "pong\n");
  assertEquals(await desk.run("docs/scaling.md 2"), "Added for seven\n");
  assertEquals(await desk.run("docs/scaling.md 3"), "144\n");
});

page("docs/schemas.md checks inputs and outputs", async (desk) => {
  await desk.serve("docs/schemas.md 1", "shapes");
  const told = await desk.run("docs/schemas.md 2");
  assertEquals(told.trim().split("\n").sort(), ["0.5", "Ann"]);
  const refusal = await desk.run("docs/schemas.md 3");
  assertMatch(refusal, /^invalid-input {"issues":\[{"message":".*","path":\["height"\]}\]}\n$/);
  assertEquals(await desk.run("docs/schemas.md 4"), "6\n");
  const described = await desk.run("docs/schemas.md 5");
  assertEquals(described, '[ "users.get: Finds a user." ]\n[ "/users.get" ]\n');
});

page("docs/hooks.md passes headers both ways, and intercepts", async (desk) => {
  const { url } = desk.broker;
  const greeting = await desk.run("docs/hooks.md 1");
  assertMatch(greeting, /with the reply came .*"served-by": "greetings-1"[^]*\nBonjour, Ada\n$/);
  await using _prices = await RpcServer.listen(url, {
    queue: "prices",
    handlers: { priceOf: () => 7 },
  });
  assertEquals(await desk.run("docs/hooks.md 2"), "7\n");
  assertEquals(await desk.run("docs/hooks.md 3"), '{"message":"outside of any call"}\n');
  const server = await desk.serve("docs/hooks.md 5", "greetings");
  await using client = await RpcClient.connect(url, { queue: "greetings" });
  await assertRejects(() => client.call("greet", "Ada"), Error, "Show your token");
  assertEquals(await client.call("greet", "Ada", { headers: { token: "secret" } }), "Hello, Ada");
  server.kill("SIGKILL");
  await server.status;
  await using _greetings = await RpcServer.listen(url, {
    queue: "greetings",
    handlers: { greet: (name: string) => `Hello, ${name}` },
  });
  assertMatch(await desk.run("docs/hooks.md 4"), /^greet \d[^]*\nHello, Ada\n$/);
  assertEquals(await desk.run("docs/hooks.md 6"), "You are Ann\n");
  const settled = await desk.run("docs/hooks.md 7");
  assertStringIncludes(settled, "greet {");
  assertStringIncludes(settled, "Hello, Ada\n");
});

page("docs/operate.md has servers that end in order", async (desk) => {
  await desk.write("fibonacci_worker.ts", "README.md 3");
  const first = await desk.serve("docs/operate.md 1", "fibonacci");
  {
    await using client = await RpcClient.connect(desk.broker.url, { queue: "fibonacci" });
    assertEquals(await client.call("slowFibonacci", 10), 55);
  }
  first.kill("SIGTERM");
  assertEquals((await first.status).code, 0);
  await desk.writeText("broker.json", JSON.stringify({ token: "guest" }));
  const withToken = (code: string) => {
    return code.replace("math@127.0.0.1", `guest@127.0.0.1:${desk.broker.port}`)
      .replace("/run/secrets", desk.project.folder);
  };
  const withCredentials = await desk.serve("docs/operate.md 2", "math", withToken);
  withCredentials.kill("SIGKILL");
  await withCredentials.status;
  const port = freePort();
  const onPort = (code: string) => code.replace("8080", `${port}`);
  const second = await desk.serve("docs/operate.md 3", "fibonacci", onPort);
  await eventually(async () => {
    const ready = await fetch(`http://127.0.0.1:${port}/readyz`);
    assertEquals([ready.status, (await ready.text()).length > 0], [200, true]);
  });
  second.kill("SIGTERM");
  assertEquals((await second.status).code, 0);
  const withPage = await desk.serve("docs/operate.md 4", "greetings", onPort);
  await using client = await RpcClient.connect(desk.broker.url, { queue: "greetings" });
  assertEquals(await client.call("greet", "Ada"), "Hello, Ada");
  await eventually(async () => {
    const text = await (await fetch(`http://127.0.0.1:${port}/`)).text();
    assertStringIncludes(text, "greetings, served: greet");
  });
  withPage.kill("SIGKILL");
  await withPage.status;
  const heartbeat = `${desk.project.folder}/heartbeat`;
  const inFolder = (code: string) => code.replace("/run/greetings/heartbeat", heartbeat);
  const third = await desk.serve("docs/operate.md 5", "greetings", inFolder);
  await eventually(async () => assert((await Deno.stat(heartbeat)).isFile));
  third.kill("SIGTERM");
  assertEquals((await third.status).code, 0);
  const fourth = await desk.serve("docs/operate.md 6", "greetings");
  assertEquals(await client.call("greet", "Ada"), "Hello, Ada");
  fourth.kill("SIGTERM");
  assertEquals((await fourth.status).code, 0);
});

page("docs/deploy.md has an image that starts without a registry", async ({ broker }) => {
  await using project = await startRegistryProject({}, { AMQP_URL: broker.url });
  tested.add("docs/deploy.md 1");
  await project.write("server.ts", programAt(programs, "docs/deploy.md 1", broker.url));
  await project.write("fibonacci_worker.ts", programAt(programs, "README.md 3"));
  const text = await Deno.readTextFile(new URL("docs/deploy.md", ROOT));
  const [, build = ""] = /^RUN deno (.*)$/m.exec(text) ?? [];
  const [, command = "[]"] = /^CMD (\[.*\])$/m.exec(text) ?? [];
  const { code, stderr } = await project.deno(...build.split(" "));
  assertEquals(code, 0, stderr);
  await project.goOffline();
  const words: readonly string[] = JSON.parse(command);
  const args = words.slice(1).map((word) => word.replace("=/app", `=${project.folder}`));
  await using server = project.start(...args);
  const requests = () => broker.queues().find(({ name }) => name === "fibonacci");
  await eventually(() => assertEquals(requests()?.consumers, 1));
  await using client = await RpcClient.connect(broker.url, { queue: "fibonacci" });
  assertEquals(await client.call("slowFibonacci", 20), 6765);
  server.kill("SIGTERM");
  assertEquals((await server.status).code, 0);
});

Deno.test("docs/contracts.md has a whole service in 14 lines", () => {
  const lines = programAt(programs, "docs/contracts.md 1").trim().split("\n");
  assertLessOrEqual(lines.length, 14);
});

page("docs/contracts.md has contracts that hold", async (desk) => {
  assertEquals(await desk.run("docs/contracts.md 1"), "No 7\nAnn\n");
  assertMatch(await desk.run("docs/contracts.md 2"), /^\[ "add", /);
  assertEquals(await desk.run("docs/contracts.md 3"), "Hello, User 7\nHello, Ann\n");
});

page("docs/events.md serves and logs", async (desk) => {
  await desk.serve("docs/events.md 1", "greetings");
  await using client = await RpcClient.connect(desk.broker.url, { queue: "greetings" });
  assertEquals(await client.call("greet", "Ada"), "Hello, Ada");
});

page("docs/observe.md has metrics and traces, and a worker that is traced", async (desk) => {
  const port = freePort();
  const onPort = (code: string) => code.replace("8080", `${port}`);
  await desk.serve("docs/observe.md 1", "greetings", onPort);
  await using client = await RpcClient.connect(desk.broker.url, { queue: "greetings" });
  assertEquals(await client.call("greet", "Ada"), "Hello, Ada");
  await eventually(async () => {
    const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
    assertMatch(text, /^rpc_server_call_duration_seconds_count\{.*"greetings\/greet".*\} 1$/m);
    assertStringIncludes(text, 'warren_server_requests_total{part="greetings",outcome="output"} 1');
  });
  await using traces = await Desk.open(desk.project);
  assertStringIncludes(await traces.run("docs/observe.md 2"), "Hello, Ada\n");
  await desk.write("greetings_worker.ts", "docs/observe.md 3");
  const greet = poolProgram("greetings_worker.ts", 'console.log(await pool.run("greet", "Ada"));');
  assertEquals(await desk.runText(greet), "Hello, Ada\n");
});

page("docs/idempotency.md pays once, by a file that servers share", async (desk) => {
  const inFolder = (code: string) => code.replace("/var/lib/shop", desk.project.folder);
  const first = await desk.serve("docs/idempotency.md 2", "shop", inFolder);
  assertEquals(await desk.run("docs/idempotency.md 1"), "paid 7\n");
  first.kill("SIGKILL");
  await first.status;
  await desk.serve("docs/idempotency.md 2", "shop", (code) => {
    return inFolder(code).replace("paid", "paid again");
  });
  assertEquals(await desk.run("docs/idempotency.md 1"), "paid 7\n");
});

page("docs/rabbitmq.md shares a connection and defines queues", async (desk) => {
  const call = 'console.log(await _client.call("add", { a: 1, b: 2 }));';
  assertEquals(await desk.run("docs/rabbitmq.md 1", ["", call]), "3\n");
  const { policies } = JSON.parse(await desk.run("docs/rabbitmq.md 2"));
  assertEquals(policies[0].definition["delivery-limit"], 50);
});

page("docs/interop.md serves on a queue that others can declare", async (desk) => {
  await desk.serve("docs/interop.md 1", "rpc_queue");
  await declareQueue("rpc_queue", TUTORIAL_QUEUE, desk.broker.url);
  await using client = await RpcClient.connect(desk.broker.url, { queue: "rpc_queue" });
  assertEquals(await client.call("double", 21), 42);
  const { policies } = JSON.parse(await desk.run("docs/interop.md 2"));
  assertEquals(policies[0].definition, { "dead-letter-exchange": "" });
});

page("docs/interop.md calls and answers NestJS", async (desk) => {
  // A client of ours names the procedure, which theirs do not.
  await desk.serve("docs/interop.md 3", "rpc_queue", (code) => code.replace("nestjs:", "double:"));
  const unknown = `
const triple: ClientInterceptor = (_call, next) => next({ input: { pattern: "triple" } });
await using other = await RpcClient.connect("${desk.broker.url}", {
  ...options,
  interceptors: [nestjs, triple],
});
await other.call("double", 1).catch(({ code, message }) => console.log(code, message));
`;
  const output = await desk.run("docs/interop.md 4", ["", unknown]);
  assertEquals(output, '42\nrefused-by-nestjs "There is no \\"triple\\""\n');
});

page("docs/resilience.md calls through its policies", async (desk) => {
  await desk.serve("README.md 1", "math");
  assertEquals(await desk.run("docs/resilience.md 1"), "3\n");
});

page("docs/testing.md has a test that passes and brokers that do what it says", async (desk) => {
  await desk.write("add_test.ts", "docs/testing.md 1");
  const output = await desk.deno("test", "--allow-net=127.0.0.1", "--no-check", "add_test.ts");
  assertMatch(output, /add\(\) adds \.\.\. ok/);
  for (const number of [2, 3, 4, 5]) {
    tested.add(`docs/testing.md ${number}`);
    await desk.write(`main${number}.ts`, `docs/testing.md ${number}`);
  }
  const main = [2, 3, 4, 5].map((number) => `import "./main${number}.ts";`).join("\n");
  assertEquals(await desk.runText(main), "0 []\n");
});

page("docs/tutorial.md computes, and calls back after each start", async (desk) => {
  await desk.serve("docs/tutorial.md 1", "rpc_queue");
  // A server of the tutorial may start second.
  await declareQueue("rpc_queue", TUTORIAL_QUEUE, desk.broker.url);
  assertEquals(await desk.run("docs/tutorial.md 2"), "fibonacci(4) is 3\n");
  const key = 'Deno.env.set("CALLBACK_KEY", "0123456789abcdef0123456789abcdef");\n';
  await desk.write("callback.ts", "docs/tutorial.md 3", [key, ""]);
  for (const _start of ["first", "second"]) {
    await using client = desk.start("callback.ts");
    await client.line("{ order: 7 } { ok: true, output: 2880067194370816120n }");
  }
});

Deno.test("Programs of README and docs do what the text says", async (t) => {
  // Fetched once, for all of them.
  await using project = await startRegistryProject();
  for (const { name, run } of pages) {
    await t.step(name, async () => {
      await using desk = await Desk.open(project);
      await run(desk);
    });
  }
  await t.step("Every program was run, or is listed with the reason", () => {
    const known = new Set([...tested, ...Object.keys(UNTESTED)]);
    assert(programs.length > 20);
    assertEquals(programs.map(({ id }) => id).filter((id) => !known.has(id)), []);
    assertEquals([...known].filter((id) => !programs.some((program) => program.id === id)), []);
  });
});
