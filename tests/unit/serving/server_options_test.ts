import { assertEquals, assertRejects } from "../../../deps/std_assert.ts";
import { RpcServer, type RpcServerOptions } from "../../../mod.ts";

/** Nobody listens there: what connects is refused in another way. */
const NOWHERE = "amqp://127.0.0.1:1";

class Greeting {
  readonly text = "Hello";
}

/** What a caller may write whom no compiler stops, and how the server says what is wrong. */
const WRONG: readonly (readonly [options: object, message: string])[] = [
  [{ queue: "" }, '"queue" must be a text of 1 to 255 bytes: current value is ""'],
  [
    { queue: "q".repeat(244) },
    '"queue" must be a text of at most 243 bytes, as its parking queue has a longer name: ' +
    `current value is "${"q".repeat(80)}"`,
  ],
  [{ queue: undefined }, '"queue" must be a text of 1 to 255 bytes: current value is undefined'],
  [{ prefetch: "8" }, '"prefetch" must be an integer from 1 to 2000: current value is "8"'],
  [{ prefetch: 2_001 }, '"prefetch" must be an integer from 1 to 2000: current value is 2001'],
  [{ maxBodyBytes: "1" }, '"maxBodyBytes" must be an integer of at least 1: current value is "1"'],
  [{ maxDeliveries: 0 }, '"maxDeliveries" must be an integer of at least 1: current value is 0'],
  [
    { consumerPriority: 0.5 },
    '"consumerPriority" must be an integer from -1000 to 1000: current value is 0.5',
  ],
  [{ returns: "false" }, '"returns" must be a boolean: current value is "false"'],
  [{ sendStacks: 1 }, '"sendStacks" must be a boolean: current value is 1'],
  [{ replyQueues: "^x" }, '"replyQueues" must be a RegExp: current value is "^x"'],
  [{ codecs: {} }, '"codecs" must be a list of codecs: current value is an object'],
  [{ onEvent: "log" }, '"onEvent" must be a function: current value is "log"'],
  [{ idempotency: 1 }, '"idempotency" must be an object: current value is 1'],
  [
    { idempotency: { store: { claim: () => {} } } },
    '"idempotency.store.keep" must be a function: current value is null',
  ],
  [
    { idempotency: { maxAgeMs: 0 } },
    '"idempotency.maxAgeMs" must be an integer of at least 1: current value is 0',
  ],
  [{ replyCache: true }, '"replyCache" must be an object: current value is true'],
  [
    { idempotency: { scope: "callers" } },
    '"idempotency.scope" must be one of "caller", "queue": current value is "callers"',
  ],
  [
    { replyCache: { maxBytes: 0.5 } },
    '"replyCache.maxBytes" must be an integer of at least 1: current value is 0.5',
  ],
  [
    { durability: "durabel" },
    '"durability" must be one of "replicated", "durable", "transient", "existing": ' +
    'current value is "durabel"',
  ],
  [{ declare: "no" }, '"declare" must be a boolean: current value is "no"'],
  [
    { declare: false, durability: "replicated" },
    '"durability" must be "existing" as "declare" is false: current value is "replicated"',
  ],
  [
    { handlers: undefined },
    '"handlers" must have functions: current value is undefined',
  ],
  [{ handlers: {} }, '"handlers" must have functions: current value is an object'],
  [
    { handlers: new Greeting() },
    '"handlers" must have functions: current value is an instance of Greeting',
  ],
  [{ procedures: "add" }, '"procedures" must be an array of names: current value is "add"'],
  [{ procedures: ["sub"] }, '"procedures" names what "handlers" has not: "sub"'],
  [{ handlers: { add: 1 } }, 'the handler of "add" must be a function: current value is 1'],
  [
    { defaultProcedure: "sub" },
    '"defaultProcedure" must be one of "add": current value is "sub"',
  ],
];

Deno.test("RpcServer.listen() names the option that is wrong, and its value", async () => {
  for (const [wrong, message] of WRONG) {
    const options = { queue: "math", handlers: { add: () => 1 }, ...wrong } as RpcServerOptions;
    const error = await assertRejects(() => RpcServer.listen(NOWHERE, options), Error);
    assertEquals(error.message, `Cannot listen as ${message}`);
    const isNumber = message.includes("integer");
    assertEquals(error.name, isNumber ? "RangeError" : "TypeError", message);
  }
});
