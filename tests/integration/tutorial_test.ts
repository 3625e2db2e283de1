import { RpcClient, RpcError, RpcServer } from "../../mod.ts";
import { assertEquals, assertRejects } from "../../deps/std_assert.ts";
import type { FibonacciContract } from "../../workers/fibonacci.ts";
import { WorkerPool } from "../../workers/mod.ts";
import { brokerUrl, deleteQueue, randomQueue } from "../helpers/broker.ts";
import { whyNoTransientQueues } from "../helpers/features.ts";
import { startPair } from "../helpers/pair.ts";
import {
  type Language,
  languageTest,
  runTutorialClient,
  startTutorialServer,
} from "../helpers/tutorial.ts";

const LANGUAGES: readonly Language[] = ["python", "javascript"];
/** The queues of tutorial servers, and what they are called here. */
const KINDS = [
  {
    kind: "transient",
    durability: "transient",
    other: "replicated",
    missing: await whyNoTransientQueues(),
  },
  { kind: "quorum", durability: "replicated", other: "transient", missing: undefined },
] as const;
const FIBONACCI = new URL("../../workers/fibonacci.ts", import.meta.url);

/** A queue name whose queue goes with its test. */
function ownQueue() {
  const name = randomQueue();
  return { name, [Symbol.asyncDispose]: () => deleteQueue(name) };
}

for (const language of LANGUAGES) {
  for (const mode of ["exclusive", "direct"]) {
    languageTest(
      language,
      `A ${language} tutorial client (${mode}) gets fibonacci(30)`,
      async () => {
        await using queue = ownQueue();
        await using pool = await WorkerPool.open<FibonacciContract>(FIBONACCI, { maxWorkers: 1 });
        await using server = await RpcServer.listen(brokerUrl(), {
          log: false,
          queue: queue.name,
          handlers: pool.handlers(),
          defaultProcedure: "fibonacci",
        });
        const args = [brokerUrl(), queue.name, "30", mode];
        assertEquals(await runTutorialClient(language, args), "832040");
        assertEquals(server.stats().orphaned, 0);
      },
    );
  }

  for (const { kind, durability, other, missing } of KINDS) {
    languageTest(language, `RpcClient calls a ${language} tutorial server (${kind})`, async () => {
      await using queue = ownQueue();
      await using _server = await startTutorialServer(language, [brokerUrl(), queue.name, kind]);
      await using client = await RpcClient.connect<FibonacciContract>(brokerUrl(), {
        queue: queue.name,
      });
      const calls = [0, 1, 20, 25].map((n) => client.call("fibonacci", n));
      assertEquals(await Promise.all(calls), [0, 1, 6765, 75025]);
    }, missing);

    languageTest(
      language,
      `RpcServer joins the queue of a ${language} tutorial server (${kind})`,
      async () => {
        await using queue = ownQueue();
        const args = [brokerUrl(), queue.name, kind];
        await using _theirs = await startTutorialServer(language, args);
        const options = { queue: queue.name, handlers: { fibonacci: () => 6765 } };
        const mismatch = () => RpcServer.listen(brokerUrl(), { ...options, durability: other });
        await assertRejects(mismatch, RpcError, `Set durability to "`);
        await using _ours = await RpcServer.listen(brokerUrl(), { ...options, durability });
        await using client = await RpcClient.connect(brokerUrl(), { queue: queue.name });
        const calls = Array.from({ length: 4 }, () => client.call("fibonacci", 20));
        assertEquals(new Set(await Promise.all(calls)), new Set([6765]));
      },
      missing,
    );
  }

  languageTest(
    language,
    `A ${language} tutorial server joins the queue of an RpcServer`,
    async () => {
      const server = { returns: false };
      await using pair = await startPair({ fibonacci: () => 6765 }, { server });
      const args = [pair.url, pair.queue, "quorum"];
      await using _theirs = await startTutorialServer(language, args);
      await pair.server.close();
      assertEquals(await pair.client.call("fibonacci", 20), 6765);
    },
  );
}

languageTest("python", "A client that sends JSON gets JSON from an RpcServer", async () => {
  await using pair = await startPair({ process: (request: unknown) => `Processed: ${request}` });
  const args = [pair.url, pair.queue, "Hello World"];
  assertEquals(await runTutorialClient("python", args, "json_client"), "Processed: Hello World");
});

languageTest("python", "RpcServer echoes an id that is no text with U+FFFD in it", async () => {
  await using pair = await startPair({ double: (n: number) => 2 * n });
  const args = [pair.url, pair.queue];
  const line = await runTutorialClient("python", args, "odd_id_client");
  assertEquals(line, String.raw`'\ufffd1\ufffd' 20`);
});

languageTest("python", "RpcClient calls a server that speaks JSON", async () => {
  await using queue = ownQueue();
  await using _server = await startTutorialServer(
    "python",
    [brokerUrl(), queue.name],
    "json_server",
  );
  await using client = await RpcClient.connect(brokerUrl(), { queue: queue.name });
  assertEquals(await client.call("process", "Hello"), "Processed: Hello");
});

/** The 1000th Fibonacci number, which no other JavaScript library carries. */
const FIBONACCI_1000 =
  "43466557686937456435688527675040625802564660517371780402481729089536555417949051890403879840079" +
  "25516929592259308032263477520968962323987332247116164299644090653318793829896964992851600370447" +
  "6137795166849228875";

languageTest("python", "A python client gets fibonacci(1000) to the last digit", async () => {
  await using pool = await WorkerPool.open<FibonacciContract>(FIBONACCI, { maxWorkers: 1 });
  const server = { handlers: pool.handlers(), defaultProcedure: "fibonacci" };
  await using pair = await startPair({}, { server });
  const args = [pair.url, pair.queue, "1000", "exclusive"];
  assertEquals(await runTutorialClient("python", args), FIBONACCI_1000);
});

Deno.test("RpcClient.call() gets fibonacci(1000) to the last digit", async () => {
  await using pool = await WorkerPool.open<FibonacciContract>(FIBONACCI, { maxWorkers: 1 });
  await using pair = await startPair({}, { server: { handlers: pool.handlers() } });
  assertEquals(await pair.client.call("fibonacci", 1_000), BigInt(FIBONACCI_1000));
});
