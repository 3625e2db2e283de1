import { assert, assertEquals, assertMatch } from "../../deps/std_assert.ts";
import { RpcServer } from "../../mod.ts";
import { brokerUrl, changedUrl, deleteQueue, randomQueue } from "../helpers/broker.ts";
import { WARREN } from "../helpers/warren.ts";
import {
  argumentsOf,
  nameOf,
  runCommands,
  runOn,
  SERVE,
  WARREN_COMMANDS,
  type WarrenCommand,
} from "../helpers/warren_commands.ts";

const SHAPES = new URL("../fixtures/warren/shapes.json", import.meta.url);

/** What a shell does to run it. */
const RUN = `"${Deno.execPath()}" run --allow-all --quiet --no-check ${WARREN.href}`;

/** A queue with a server that has nothing to do. */
async function startServer(): Promise<AsyncDisposable & { readonly queue: string }> {
  await using stack = new AsyncDisposableStack();
  const queue = randomQueue();
  stack.defer(() => deleteQueue(queue));
  const handlers = { echo: (value: unknown) => value };
  const options = { queue, handlers, control: "admin", log: false } as const;
  stack.use(await RpcServer.listen(brokerUrl(), options));
  const owned = stack.move();
  return { queue, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

Deno.test("Every command of warren says that the broker takes no such password", async () => {
  const url = changedUrl({ password: "secret" });
  const ended = await runOn(url, randomQueue(), [...WARREN_COMMANDS, SERVE]);
  for (const { command, result: { code, stdout, stderr } } of ended) {
    assertEquals([nameOf(command), code, stdout], [nameOf(command), 77, ""], stderr);
    assertMatch(stderr, /^warren: Cannot .* as the broker refuses user .*\n$/, nameOf(command));
    assert(!stderr.includes("secret"), stderr);
  }
});

Deno.test("Every command of warren says that there is no such queue", async () => {
  // The broker gives questions back at once; a broker that is slow is another error.
  const patient = ({ asks }: WarrenCommand) => asks ? ["--timeout", "30s"] : [];
  const ended = await runOn(brokerUrl(), randomQueue(), WARREN_COMMANDS, patient);
  for (const { command, result: { code, stdout, stderr } } of ended) {
    assertEquals([nameOf(command), code], [nameOf(command), command.withoutQueue], stderr);
    assertMatch(stdout + stderr, /\w/, nameOf(command));
    assert(!/\bat (async )?file:/.test(stderr), stderr);
    // That all calls failed is what it has measured.
    if (code !== 69 || nameOf(command) === "bench") continue;
    assertEquals([stdout, stderr.split("\n").length], ["", 2], stderr);
  }
});

/** What JSON is made of: names, and the types of what they name. */
function shapeOf(value: unknown): unknown {
  if (Array.isArray(value)) return value.length === 0 ? [] : [shapeOf(value[0])];
  if (typeof value !== "object" || value === null) return typeof value;
  const members = Object.entries(value).toSorted(([one], [other]) => one < other ? -1 : 1);
  return Object.fromEntries(
    members.map(([name, member]) => [name, name === "type" ? member : shapeOf(member)]),
  );
}

Deno.test("Every command of warren works, and its JSON is as it always was", async () => {
  await using server = await startServer();
  const json = ({ asks }: WarrenCommand) => [
    ...["--output", "json"],
    ...asks ? ["--expect", "1", "--timeout", "30s"] : [],
  ];
  const ended = await runOn(brokerUrl(), server.queue, WARREN_COMMANDS, json);
  const shapes: Record<string, unknown> = {};
  for (const { command, result: { code, stdout, stderr } } of ended) {
    const name = nameOf(command);
    const value: unknown = JSON.parse(stdout || "null");
    // How busy this machine is, it may find; and whether a server answers at once is chance.
    if (name !== "doctor") assertEquals([name, code], [name, command.atRest], stderr);
    if (name !== "top" && name !== "events") shapes[name] = shapeOf(value);
  }
  // JSON is an API: whoever changes it on purpose writes the file anew.
  if (Deno.env.get("WARREN_NEW_SHAPES") === "1") {
    const sorted = Object.fromEntries(Object.entries(shapes).toSorted());
    await Deno.writeTextFile(SHAPES, `${JSON.stringify(sorted, undefined, 2)}\n`);
  }
  assertEquals(shapes, JSON.parse(await Deno.readTextFile(SHAPES)));
});

Deno.test("A pipe that nobody reads is no error to any command of warren", async () => {
  await using server = await startServer();
  const ended = await runCommands(WARREN_COMMANDS, async (command) => {
    const more = command.asks ? ["--expect", "1", "--timeout", "30s"] : [];
    const args = [...argumentsOf(command, server.queue), ...more];
    // Its reader has gone before anything is written.
    const script = `${RUN} "$@" | true; exit \${PIPESTATUS[0]}`;
    const env = { AMQP_URL: brokerUrl() };
    const shell = new Deno.Command("bash", { args: ["-c", script, "bash", ...args], env });
    const { code, stdout, stderr } = await shell.output();
    const [out, words] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
    return { code, stdout: out ?? "", stderr: words ?? "" };
  });
  for (const { command, result: { code, stderr } } of ended) {
    const name = nameOf(command);
    if (name !== "doctor") assert([0, command.atRest].includes(code), `${name}: ${code} ${stderr}`);
    assert(!/Broken|EPIPE|\bat (async )?file:/.test(stderr), `${name}: ${stderr}`);
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
  const commands = [
    `${RUN} call ${queue} count --stream`,
    `${RUN} stats ${queue} --expect 1 --watch 10ms`,
    `${RUN} top ${queue} --watch 100ms`,
    `${RUN} definitions ${queue}`,
    `${RUN} completions bash`,
    `${RUN} --help`,
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
