import { type Codec, jsonCodec } from "../../../codec.ts";
import { assert, assertEquals, assertRejects, assertThrows } from "../../../deps/std_assert.ts";
import { RpcError } from "../../../errors.ts";
import { encodeError, encodeOutput } from "../../../internal/running/encode.ts";
import { runHandler, type RunnableHandler } from "../../../internal/running/run_handler.ts";
import { GeneratorPump } from "../../../internal/streaming/generator_pump.ts";
import { mistakes } from "../../fixtures/workers/mistakes.ts";
import { callContext } from "../../helpers/call_context.ts";

const context = callContext("work");

/** Each is there: a name that is not would fail its test. */
const one = mistakes as Record<string, RunnableHandler> as Record<
  | "plain"
  | "plainLater"
  | "items"
  | "itemsLater"
  | "bareItems"
  | "bareFailure"
  | "failInReturn"
  | "badDetails",
  RunnableHandler
>;

function run(handler: RunnableHandler, pump?: GeneratorPump) {
  return runHandler(handler, "1", { context, codec: jsonCodec, pump });
}

async function codeAndText(action: () => unknown): Promise<string> {
  const error = await assertRejects(async () => void await action(), RpcError);
  return `${error.code}: ${error.message}`;
}

function pumpInto(items: unknown[]): GeneratorPump {
  return new GeneratorPump(10, (item) => items.push(item));
}

Deno.test("runHandler() replies at once to what returns at once", () => {
  assertEquals(run((input) => ({ input })), {
    type: "output",
    body: '{"input":1}',
    contentType: "application/json",
  });
  assertThrows(() => run(one.badDetails), RpcError, "Monday");
});

Deno.test("runHandler() has one text for a stream that was not asked for", async () => {
  const text = 'unwanted-stream: Cannot call "work" as it streams items: use stream()';
  assertEquals(await codeAndText(() => run(one.items)), text);
  assertEquals(await codeAndText(() => run(one.itemsLater)), text);
  assertEquals(await codeAndText(() => run(one.bareItems)), text);
});

Deno.test("runHandler() has one text for a stream that there is not", async () => {
  const text = 'not-a-stream: Cannot stream "work" as it gave no generator but number: use call()';
  assertEquals(await codeAndText(() => run(one.plain, pumpInto([]))), text);
  assertEquals(await codeAndText(() => run(one.plainLater, pumpInto([]))), text);
});

Deno.test("runHandler() streams a generator that a promise brings", async () => {
  const items: unknown[] = [];
  const { type, body } = await run(one.itemsLater, pumpInto(items));
  assertEquals([items, type, body], [[1, 2], "output", ""]);
});

Deno.test("runHandler() streams an iterator without return()", async () => {
  const items: unknown[] = [];
  await run(one.bareItems, pumpInto(items));
  assertEquals(items, [1, 2]);
});

Deno.test("runHandler() gives the error of a stream, whatever return() does", async () => {
  const failing = [one.bareFailure, one.failInReturn];
  for (const handler of failing) {
    await assertRejects(async () => await run(handler, pumpInto([])), RangeError, "real error");
  }
  const refusing = new GeneratorPump(10, () => {
    throw new RangeError("cannot be sent");
  });
  for (const handler of [...failing, one.items]) {
    await assertRejects(async () => await run(handler, refusing), RangeError, "cannot be sent");
  }
});

Deno.test("runHandler() lets a generator close when it is cancelled", async () => {
  let isClosed = false;
  let isCancelled = false;
  const pump = new GeneratorPump(1, () => isCancelled = true);
  const throwIfCancelled = () => {
    if (isCancelled) throw new DOMException("nobody waits", "AbortError");
  };
  const running = runHandler(
    function* () {
      try {
        for (;;) yield 1;
      } finally {
        isClosed = true;
      }
    },
    "",
    { codec: jsonCodec, pump, context: { ...context, throwIfCancelled } },
  );
  await assertRejects(async () => await running, DOMException, "nobody waits");
  assert(isClosed);
});

Deno.test("encodeOutput() tells which procedure gave what a codec cannot carry", async () => {
  const broken: Codec = {
    contentType: "application/x-broken",
    encode() {
      throw new TypeError("out of luck");
    },
    decode: () => 1,
  };
  assertEquals(
    await codeAndText(() => encodeOutput(1, "work", broken)),
    'unencodable: Cannot encode the output of "work" as application/x-broken: out of luck',
  );
  // The codec that is built in names the place; who gave the value, it cannot know.
  assertEquals(
    await codeAndText(() => encodeOutput({ rows: new Map() }, "work", jsonCodec)),
    'unencodable: Cannot encode the output of "work": Cannot encode the value at "$.rows" as JSON: ' +
      "it is not plain data but an instance of Map",
  );
  const mute: Codec = { ...broken, encode: () => undefined as unknown as string };
  assertEquals(
    await codeAndText(() => encodeOutput(1, "work", mute)),
    'unencodable: Cannot encode the output of "work" as application/x-broken: ' +
      "its codec gave undefined, not text or bytes",
  );
});

Deno.test("encodeOutput() keeps bytes that a codec uses again", () => {
  const shared = new Uint8Array(2);
  const codec: Codec = {
    contentType: "application/x-shared",
    encode: (value) => shared.fill(Number(value)),
    decode: () => 1,
  };
  const { body } = encodeOutput(1, "work", codec);
  encodeOutput(2, "work", codec);
  assertEquals(body, new Uint8Array([1, 1]));
});

Deno.test("encodeError() says that details cannot be encoded", () => {
  const details = { when: new Date(0) };
  const error = new RpcError("no-luck", "Cannot do it as it is Monday", {
    details,
    retryable: true,
  });
  const { type, body, contentType } = encodeError(error);
  assertEquals([type, contentType], ["error", "application/json"]);
  assertEquals(JSON.parse(String(body)), {
    name: "RpcError",
    message: "Cannot do it as it is Monday (its details cannot be encoded)",
    code: "no-luck",
    retryable: true,
  });
});

Deno.test("encodeError() sends the stack only when told to", () => {
  const error = new Error("here");
  assertEquals(JSON.parse(String(encodeError(error).body)).stack, undefined);
  assertEquals(
    JSON.parse(String(encodeError(error, { includeStack: true }).body)).stack,
    error.stack,
  );
});

/** What is iterated with `for await` alone. */
function iterable(): AsyncIterable<number> {
  return {
    async *[Symbol.asyncIterator]() {
      yield await Promise.resolve(1);
      yield 2;
    },
  };
}

Deno.test("runHandler() streams whatever can be iterated asynchronously", async () => {
  for (const handler of [iterable, () => ReadableStream.from([1, 2])]) {
    const items: unknown[] = [];
    await run(handler, pumpInto(items));
    assertEquals(items, [1, 2]);
    const text = 'unwanted-stream: Cannot call "work" as it streams items: use stream()';
    assertEquals(await codeAndText(() => run(handler)), text);
  }
});

Deno.test("runHandler() cancels a web stream that nobody reads", async () => {
  const reasons: string[] = [];
  const stream = new ReadableStream({ cancel: () => void reasons.push("cancelled") });
  await codeAndText(() => run(() => stream));
  assertEquals(reasons, ["cancelled"]);
});

Deno.test("runHandler() encodes no iterator as an empty object", async () => {
  const text = await codeAndText(() => run(() => ({ rows: iterable() })));
  assertEquals(
    text,
    'unencodable: Cannot encode the output of "work": Cannot encode the value at "$.rows" as JSON: ' +
      "it is not plain data but streams items",
  );
});
