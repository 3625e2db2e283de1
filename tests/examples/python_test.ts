import { assertEquals, assertMatch } from "../../deps/std_assert.ts";
import { type CallContext, RpcServer } from "../../mod.ts";
import { brokerUrl } from "../helpers/broker.ts";
import { testUnless } from "../helpers/features.ts";
import { ExampleQueue, runExample } from "./run_example.ts";

/** Debian's Python has python3-pika; another one that comes first on the PATH may not. */
const PYTHON = "/usr/bin/python3";
const FOLDER = new URL("../../examples/python/", import.meta.url);
const missing = hasPika() ? undefined : "python3-pika is missing";

/** What tests/vectors/server.json is about, and what the client is tried with. */
const handlers = {
  echo: (input: unknown) => input,
  double: (n: number | bigint) => typeof n === "bigint" ? n * 2n : n * 2,
  fail: () => {
    const error = Object.assign(new RangeError("Cannot do it"), { code: "NOT_TODAY" });
    throw Object.assign(error, { details: { until: 7 } });
  },
  tenant: (_input: unknown, context: CallContext) => {
    context.setReplyHeader("served-for", String(context.headers.tenant));
    return context.headers.tenant;
  },
};

interface PythonResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

Deno.test(testUnless(missing, "client.py calls a server of ours", async () => {
  await using queue = new ExampleQueue();
  await using _server = await serve(queue.name);
  const call = (...args: readonly string[]) => python("client.py", queue.name, ...args);
  assertEquals(await call("double", "21"), { code: 0, stdout: "42\n", stderr: "" });
  const { stdout } = await call("double", "354224848179261915075");
  assertEquals(stdout, "708449696358523830150\n");
  const failure = { code: 1, stdout: "", stderr: "NOT_TODAY: Cannot do it\n" };
  assertEquals(await call("fail", "1"), failure);
}));

Deno.test(
  testUnless(missing, "vectors.py holds client.py and our server to tests/vectors", async () => {
    await using queue = new ExampleQueue();
    await using _server = await serve(queue.name);
    const { code, stdout, stderr } = await python("vectors.py", queue.name);
    assertEquals(code, 0, stderr);
    assertMatch(stdout, /^client\.json: \d+ vectors hold\nserver\.json: \d+ vectors hold\n$/);
  }),
);

Deno.test(
  testUnless(missing, "python/main.ts calls server.py, and is called by client.py", async () => {
    await using queue = new ExampleQueue();
    const { code, stdout, stderr } = await runExample("python/main.ts", ["--queue", queue.name]);
    const [got, ...others] = stdout.split("\n");
    assertEquals(got, "Python got 42", stderr);
    assertEquals(others.slice(0, 2), ["Python is serving", "Python counted 6 words"]);
    assertMatch(others[2] ?? "", /^TypeError: object of type 'int' has no len\(\)$/);
    assertEquals(code, 0);
  }),
);

function serve(queue: string): Promise<RpcServer> {
  return RpcServer.listen(brokerUrl(), { queue, handlers, defaultProcedure: "echo" });
}

function hasPika(): boolean {
  try {
    return new Deno.Command(PYTHON, { args: ["-c", "import pika"] }).outputSync().success;
  } catch {
    return false; // no Python either
  }
}

async function python(program: string, ...args: readonly string[]): Promise<PythonResult> {
  const { code, stdout, stderr } = await new Deno.Command(PYTHON, {
    // Python would keep its bytecode in our folder.
    args: ["-B", program, ...args],
    cwd: FOLDER,
    env: { AMQP_URL: brokerUrl() },
    stdin: "null",
  }).output();
  const decoder = new TextDecoder();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}
