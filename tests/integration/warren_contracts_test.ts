import { assert, assertEquals, assertMatch, assertStringIncludes } from "../../deps/std_assert.ts";
import { z } from "../../deps/zod.ts";
import { procedure } from "../../extras/schema.ts";
import { RpcServer } from "../../mod.ts";
import { brokerUrl, deleteQueue, randomQueue } from "../helpers/broker.ts";
import { warren } from "../helpers/warren.ts";

const user = z.object({ id: z.string(), size: z.union([z.number().int(), z.literal("auto")]) });

const handlers = {
  users: {
    get: procedure(
      { input: z.object({ id: z.string() }), output: user, description: "Finds */ a user" },
      ({ id }) => ({ id, size: 1 }),
    ),
  },
  names: procedure({ input: z.null(), output: z.string() }, async function* () {
    yield await Promise.resolve("Ann");
  }),
  echo: (value: unknown) => value,
};

/** The same service, later: each of its changes breaks somebody. */
const changed = {
  users: {
    get: procedure(
      { input: z.object({ id: z.string(), tenant: z.string() }), output: user },
      ({ id }) => ({ id, size: 1 }),
    ),
  },
  names: procedure({ input: z.null(), output: z.number() }, () => 1),
  more: () => 1,
};

const CONTRACT = `/** What the servers of queue "QUEUE" offer, as they say. */
export interface ShopContract {
  echo(input: unknown): unknown;
  names(): AsyncIterable<string>;
  users: {
    /** Finds *\\/ a user */
    get(input: {
      id: string;
    }): {
      id: string;
      size: number | "auto";
    };
  };
}
`;

Deno.test("warren types writes a contract, and diff tells what breaks it", async () => {
  const queue = randomQueue();
  await using stack = new AsyncDisposableStack();
  stack.defer(() => deleteQueue(queue));
  await using server = await RpcServer.listen(brokerUrl(), { queue, handlers, log: false });
  const folder = await Deno.makeTempDir();
  stack.defer(() => Deno.remove(folder, { recursive: true }));
  const file = `${folder}/contract.json`;
  const types = await warren(["types", queue, "--name", "ShopContract", "--expect", "1"]);
  assertEquals([types.code, types.stdout], [0, CONTRACT.replace("QUEUE", queue)]);
  const json = await warren(["types", queue, "-j", "--expect", "1"]);
  await Deno.writeTextFile(file, json.stdout);
  const info = await warren(["info", queue, "-j", "--expect", "1"]);
  await Deno.writeTextFile(`${folder}/info.json`, info.stdout);
  for (const name of ["contract.json", "info.json"]) {
    const same = await warren(["diff", queue, `${folder}/${name}`, "--expect", "1", "-j"]);
    assertEquals([same.code, same.stdout], [0, "[]\n"], same.stderr);
  }
  await using _changed = await RpcServer.listen(brokerUrl(), {
    queue,
    handlers: changed,
    log: false,
  });
  const diff = await warren(["diff", queue, file, "--expect", "2", "-o", "jsonl"]);
  const found = diff.stdout.trimEnd().split("\n").map((line) => JSON.parse(line));
  assertEquals(diff.code, 1);
  assertEquals(found.map(({ path, was, is }) => [path, was, is]), [
    ["echo", "there", "missing"],
    ["names.kind", "stream", "call"],
    ["names.output", "string", "number"],
    ["users.get.input.tenant", "absent", "required"],
  ]);
  assertEquals(new Set(found.map(({ server }) => server)).size, 1);
  await server.close();
});

Deno.test("warren diff says what is wrong with its file", async () => {
  const file = await Deno.makeTempFile();
  const cases = [["{", /is not JSON/], ["{}", /has no contract/], [
    "[]",
    /has no contract/,
  ]] as const;
  for (const [text, words] of cases) {
    await Deno.writeTextFile(file, text);
    const result = await warren(["diff", "math", file]);
    assertEquals([result.code, result.stdout], [65, ""], text);
    assertMatch(result.stderr, words);
  }
  await Deno.remove(file);
  const missing = await warren(["diff", "math", file]);
  assertEquals(missing.code, 65);
  assertMatch(missing.stderr, /does not exist/);
});

Deno.test("warren definitions writes what rabbitmqctl imports, without a broker", async () => {
  const args = ["definitions", "math", "--server", "app", "--client", "web", "--operator", "ops"];
  const { code, stdout } = await warren(args, "amqp://127.0.0.1:1");
  assertEquals(code, 0);
  const { queues, permissions } = JSON.parse(stdout);
  assertEquals(queues.map(({ name }: { name: string }) => name), ["math", "math.parked"]);
  assertEquals(permissions.map(({ user }: { user: string }) => user), ["app", "web", "ops"]);
  const wrong = await warren([
    "definitions",
    "math",
    "--delayed-retry",
    "1s",
    "--durability",
    "durable",
  ]);
  assertEquals([wrong.code, wrong.stdout], [64, ""]);
  assertStringIncludes(wrong.stderr, '"delayedRetry" needs durability "replicated"');
});

Deno.test("warren completes commands, options, and choices", async () => {
  const complete = async (...words: readonly string[]) => {
    const { stdout } = await warren(["complete", "--", ...words]);
    return stdout.split("\n").map((line) => line.split("\t")[0]).filter((word) => word !== "");
  };
  assertEquals(await complete("pa"), ["pause", "parked"]);
  assertEquals(await complete("parked", "r"), ["redrive", "replay"]);
  assertEquals(await complete("call", "--str"), ["--stream"]);
  assertEquals(await complete("ls", "-o", "j"), ["json", "jsonl"]);
  assertEquals(await complete("completions", ""), ["bash", "zsh", "fish"]);
  assert(!(await complete("")).includes("complete"));
});

Deno.test("bash completes with the script of warren completions", async () => {
  const { code, stdout } = await warren(["completions", "bash"]);
  assertEquals(code, 0);
  // What a shell would start as warren answers as it does, with a name that a shell must not act on.
  const script = `warren() { printf '%s\\t%s\\n' 'pa$(id)' 'x' "$3" "$4"; }
${stdout}
COMP_WORDS=(warren parked "r"); COMP_CWORD=2; _warren
printf '%s\\n' "\${COMPREPLY[@]}"`;
  const child = await new Deno.Command("bash", { args: ["-c", script] }).output();
  assertEquals(new TextDecoder().decode(child.stdout), "pa\\$\\(id\\)\nparked\n");
});
