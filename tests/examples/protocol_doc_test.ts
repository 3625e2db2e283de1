import { testUnless } from "../helpers/features.ts";
import { RpcServer } from "../../mod.ts";
import { assertEquals, assertExists } from "../../deps/std_assert.ts";
import { brokerUrl } from "../helpers/broker.ts";
import { ExampleQueue } from "./run_example.ts";

/** Debian's Python has python3-pika; another one that comes first on the PATH may not. */
const PYTHON = "/usr/bin/python3";

Deno.test(
  testUnless(
    await hasPika() ? undefined : "python3-pika is missing",
    "docs/protocol.md has a Python client that works",
    async () => {
      await using queue = new ExampleQueue();
      await using _server = await RpcServer.listen(brokerUrl(), {
        queue: queue.name,
        handlers: { double, fail },
      });
      const code = await pythonClient();
      assertEquals(await python(["-c", code, queue.name, "double", "21"]), "42\n");
      assertEquals(
        await python(["-c", code, queue.name, "double", "354224848179261915075"]),
        "708449696358523830150\n",
      );
      assertEquals(await python(["-c", code, queue.name, "fail", "1"]), "no-such-luck\n");
    },
  ),
);

function double(n: number | bigint): number | bigint {
  return typeof n === "bigint" ? n * 2n : n * 2;
}

function fail(): never {
  throw Object.assign(new Error("Cannot do that"), { code: "no-such-luck" });
}

async function pythonClient(): Promise<string> {
  const text = await Deno.readTextFile(new URL("../../docs/protocol.md", import.meta.url));
  const [, code] = /```python\n(.*?)```/s.exec(text) ?? [];
  assertExists(code);
  return code;
}

async function hasPika(): Promise<boolean> {
  try {
    await python(["-c", "import pika"]);
    return true;
  } catch {
    return false;
  }
}

async function python(args: readonly string[]): Promise<string> {
  const command = new Deno.Command(PYTHON, { args: [...args], stdin: "null" });
  const { success, stdout, stderr } = await command.output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout);
}
