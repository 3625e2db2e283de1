import type { InputOf, OutputOf } from "../../../contract.ts";
import { jsonCodec } from "../../../codec.ts";
import { type } from "../../../deps/arktype.ts";
import {
  assert,
  assertEquals,
  assertLessOrEqual,
  assertRejects,
  assertStrictEquals,
  assertStringIncludes,
  assertThrows,
} from "../../../deps/std_assert.ts";
import { v } from "../../../deps/valibot.ts";
import { z } from "../../../deps/zod.ts";
import { RpcError } from "../../../errors.ts";
import { describeError } from "../../../internal/error_description.ts";
import { procedure, type StandardSchema, type ValidationDetails } from "../../../extras/schema.ts";
import { validate } from "../../../internal/validate.ts";
import { callContext } from "../../helpers/call_context.ts";

const context = callContext("area");

const sides = {
  zod: z.object({ width: z.number(), height: z.number().positive() }),
  valibot: v.object({ width: v.number(), height: v.pipe(v.number(), v.minValue(1)) }),
  arktype: type({ width: "number", height: "number > 0" }),
};

/** Calls a handler as a server does: without its types. */
function serve(handler: unknown, input: unknown): unknown {
  assert(typeof handler === "function");
  return handler(input, context);
}

function detailsOf(error: RpcError): ValidationDetails {
  // The type that the documentation promises for these codes.
  return error.details as ValidationDetails;
}

for (const [library, schema] of Object.entries(sides)) {
  const area = procedure({ input: schema as typeof sides.zod }, ({ width, height }) => {
    return width * height;
  });

  Deno.test(`procedure() runs its handler with valid input of ${library}`, () => {
    assertStrictEquals(serve(area, { width: 2, height: 3 }), 6);
  });

  Deno.test(`procedure() names what is wrong by ${library}, and where`, () => {
    const error = assertThrows(() => serve(area, { width: "2", height: 0 }), RpcError);
    assertEquals([error.code, error.retryable], ["invalid-input", false]);
    const paths = detailsOf(error).issues.map(({ path }) => path).sort();
    assertEquals(paths, [["height"], ["width"]]);
    assertStringIncludes(error.message, '"$.width"');
  });

  Deno.test(`procedure() sends the issues of ${library} by any codec`, () => {
    const error = assertThrows(() => serve(area, {}), RpcError);
    const description = jsonCodec.decode(jsonCodec.encode(describeError(error)));
    assertEquals(description, { ...describeError(error) });
  });
}

Deno.test("procedure() does not run its handler with invalid input", () => {
  let runs = 0;
  const count = procedure({ input: z.number() }, () => ++runs);
  assertThrows(() => serve(count, "1"), RpcError);
  assertStrictEquals(runs, 0);
});

Deno.test("procedure() gives its handler what the schema makes of the input", () => {
  const input = z.union([z.number(), z.bigint()]).transform((value) => BigInt(value));
  const next = procedure({ input }, (value) => value + 1n);
  assertStrictEquals(serve(next, 41), 42n);
});

Deno.test("procedure() hands the call context to its handler", () => {
  const whoAmI = procedure({ input: z.undefined() }, (_input, { procedure }) => procedure);
  assertStrictEquals(serve(whoAmI, undefined), "area");
});

Deno.test("procedure() is synchronous if its schemas and handler are", () => {
  const half = procedure({ input: z.number(), output: z.number() }, (input) => input / 2);
  assertStrictEquals(serve(half, 6), 3);
});

Deno.test("procedure() waits for asynchronous schemas and handlers", async () => {
  const isEven = (value: number) => Promise.resolve(value % 2 === 0);
  const even = z.number().refine(isEven, { error: "Odd" });
  const half = procedure({ input: even, output: even }, (input) => Promise.resolve(input / 2));
  assertStrictEquals(await serve(half, 8), 4);
  const wrongInput = await assertRejects(async () => await serve(half, 3), RpcError);
  assertStrictEquals(wrongInput.code, "invalid-input");
  const wrongOutput = await assertRejects(async () => await serve(half, 6), RpcError);
  assertStrictEquals(wrongOutput.code, "invalid-output");
});

Deno.test("procedure() rejects an output that does not match", () => {
  const broken = procedure(
    { input: z.number(), output: z.object({ list: z.array(z.string()) }) },
    // What a handler written without types might return.
    () => JSON.parse('{ "list": ["a", 1] }'),
  );
  const error = assertThrows(() => serve(broken, 1), RpcError);
  assertStrictEquals(error.code, "invalid-output");
  assertEquals(detailsOf(error).issues.map(({ path }) => path), [["list", 1]]);
});

Deno.test("procedure() sends what the schema makes of the output", () => {
  const round = procedure(
    { input: z.number(), output: z.number().transform((value) => Math.round(value)) },
    (input) => input,
  );
  assertStrictEquals(serve(round, 1.6), 2);
});

Deno.test("procedure() lets errors of its handler through, and what schemas throw only into its stack", async () => {
  const failure = new RangeError("Out of stock");
  const fails = procedure({ input: z.number() }, () => Promise.reject(failure));
  assertStrictEquals(await Promise.resolve(serve(fails, 1)).catch((error) => error), failure);
  const throws = () => {
    throw new RangeError("password is x");
  };
  const later: StandardSchema<number> = {
    "~standard": { version: 1, vendor: "tests", validate: () => Promise.resolve().then(throws) },
  };
  const broken = [
    procedure({ input: z.number().refine(throws) }, () => 1),
    procedure({ input: later }, () => 1),
    procedure({ input: z.number(), output: z.number().transform(throws) }, () => 1),
  ];
  for (const [index, procedure] of broken.entries()) {
    const error = await assertRejects(async () => await serve(procedure, 1), RpcError);
    const part = index === 2 ? "output" : "input";
    assertStringIncludes(error.message, `the schema of its ${part} failed`);
    assertEquals(JSON.stringify(describeError(error)).includes("password"), false);
    assertStringIncludes(error.stack ?? "", "password is x");
  }
  const own = new RpcError("CLOSED", "We are closed");
  const closed = procedure({
    input: z.number().refine(() => {
      throw own;
    }),
  }, () => 1);
  assertStrictEquals(await closed.call(1).catch((error: unknown) => error), own);
});

Deno.test("procedure() refuses what is not a Standard Schema", () => {
  const notASchema: unknown = { parse: () => 1 };
  assertThrows(
    () => procedure({ input: notASchema as StandardSchema }, () => 1),
    TypeError,
    'Cannot define a procedure as its "input" is not a Standard Schema',
  );
});

Deno.test("validate() keeps its error small however wrong a value is", () => {
  const value = Array.from({ length: 10_000 }, () => "x".repeat(10));
  const subject = { procedure: "sum", part: "input" } as const;
  const error = assertThrows(() => validate(z.array(z.number()), value, subject), RpcError);
  assertStrictEquals(detailsOf(error).issues.length, 20);
  assertStringIncludes(error.message, "; and 9997 more");
  assertLessOrEqual(error.message.length, 400);
});

Deno.test("validate() makes plain keys of segments and symbols", () => {
  const schema: StandardSchema = {
    "~standard": {
      version: 1,
      vendor: "test",
      validate: () => ({
        issues: [{ message: "Wrong", path: [{ key: "a" }, 1, Symbol("secret"), NaN] }],
      }),
    },
  };
  const subject = { procedure: "sum", part: "output" } as const;
  const error = assertThrows(() => validate(schema, 1, subject), RpcError);
  assertEquals(detailsOf(error).issues, [
    { message: "Wrong", path: ["a", 1, "Symbol(secret)", "NaN"] },
  ]);
});

Deno.test("procedure() gives a contract the types of its schemas", () => {
  const zoned = procedure(
    { input: z.object({ size: z.number().default(1) }), output: z.string().transform(Number) },
    ({ size }) => "x".repeat(size),
  );
  const optional = procedure({ input: v.optional(v.number(), 1) }, (value) => value.toFixed(1));
  const parsed = procedure({ input: type("string.integer.parse") }, (value) => value + 1);
  const procedures = { zoned, optional, parsed };
  type Procedures = typeof procedures;

  const zonedInput: InputOf<Procedures, "zoned"> = {};
  const zonedOutput: OutputOf<Procedures, "zoned"> = 5;
  const optionalInput: InputOf<Procedures, "optional"> = undefined;
  const optionalOutput: OutputOf<Procedures, "optional"> = "1.0";
  const parsedInput: InputOf<Procedures, "parsed"> = "41";
  const parsedOutput: OutputOf<Procedures, "parsed"> = 42;
  // @ts-expect-error A string is not a size.
  const wrongZonedInput: InputOf<Procedures, "zoned"> = { size: "1" };
  // @ts-expect-error Callers get what the schema makes of the output.
  const wrongZonedOutput: OutputOf<Procedures, "zoned"> = "x";
  // @ts-expect-error A string is not a number.
  const wrongOptionalInput: InputOf<Procedures, "optional"> = "1";
  // @ts-expect-error Callers send what the schema parses, not what it makes of it.
  const wrongParsedInput: InputOf<Procedures, "parsed"> = 41;
  assertEquals([zonedInput, zonedOutput, optionalInput], [{}, 5, undefined]);
  assertEquals([optionalOutput, parsedInput, parsedOutput], ["1.0", "41", 42]);
  assertEquals([wrongZonedInput, wrongZonedOutput], [{ size: "1" }, "x"]);
  assertEquals([wrongOptionalInput, wrongParsedInput], ["1", 41]);
});

Deno.test("procedure() checks the types of its handler", () => {
  // @ts-expect-error The schema gives the handler a number.
  procedure({ input: z.number() }, (input: string) => input);
  // @ts-expect-error The output schema wants a number.
  procedure({ input: z.number(), output: z.number() }, (input) => String(input));
});

/** Adds a user to the context, or ends the call. */
const authed = procedure.use(async ({ ctx, next }) => {
  const { user } = ctx.headers;
  if (typeof user !== "string") throw new RpcError("UNKNOWN_USER", "Who are you?");
  return await next({ user: await Promise.resolve({ name: user }) });
});

Deno.test("procedure() checks each item of a stream, and its input before any", async () => {
  const input = z.string().refine(async (text) => await Promise.resolve(text.length < 3));
  const count = procedure({ input, output: z.number().max(1) }, function* () {
    yield* [1, 2, 3];
  });
  const items: unknown[] = [];
  const read = async (text: string) => {
    for await (const item of await count.call(text)) items.push(item);
  };
  const wrongInput = await assertRejects(() => read("long"), RpcError);
  assertEquals([wrongInput.code, items], ["invalid-input", []]);
  const wrongItem = await assertRejects(() => read("ok"), RpcError);
  assertEquals([wrongItem.code, items], ["invalid-output", [1]]);
});

Deno.test("procedure() streams items that match, and refuses one output for them", async () => {
  const item = z.number().max(1).transform(String);
  const count = procedure({ item }, function* () {
    yield* [1, 2];
  });
  const items: string[] = [];
  const read = async () => {
    for await (const item of count.call()) items.push(item);
  };
  const wrong = await assertRejects(read, RpcError);
  assertEquals([wrong.code, items], ["invalid-output", ["1"]]);
  const one = (() => 5) as unknown as () => Generator<number>;
  const none = assertThrows(() => serve(procedure({ item: z.number() }, one), undefined), RpcError);
  assertEquals(none.code, "invalid-output");
  assertStringIncludes(none.message, "its handler must stream items: it gave number");
  const both = { item, output: item } as never;
  assertThrows(() => procedure(both, function* () {}), TypeError, 'both "output" and "item"');
});

Deno.test("procedure() checks progress, and tells what its schema makes of it", async () => {
  const told: unknown[] = [];
  const progress = z.object({ done: z.number().max(1).transform((done) => `${100 * done} %`) });
  const work = procedure({ progress }, (_input, context) => {
    context.progress({ done: 0.5 });
    context.progress({ done: 5 });
  });
  const failed = work.call(undefined, { progress: (value) => told.push(value) });
  const error = await assertRejects(() => failed, RpcError);
  assertEquals([error.code, told], ["invalid-output", [{ done: "50 %" }]]);
  assertStringIncludes(error.message, "its progress does not match the schema");
  const later = procedure(
    { progress: z.string().refine(async () => await Promise.resolve(false)) },
    (_input, context) => context.progress("half"),
  );
  await assertRejects(() => later.call(), TypeError, "the schema of its progress is asynchronous");
});

Deno.test("procedure.use() adds to the context of handlers, in order", async () => {
  const seen: unknown[] = [];
  const greet = authed.use(async ({ ctx, next, input }) => {
    seen.push(["before", ctx.user.name, ctx.procedure, input]);
    const result = await next({ shout: ctx.user.name.toUpperCase() });
    seen.push(["after", result.output]);
    return result;
  })(
    { input: z.string().default("Hello"), errors: { RUDE: z.string() } },
    (greeting, { user, shout, errors, headers }) => {
      if (greeting === "Oi") throw errors.RUDE(greeting);
      return `${greeting}, ${shout} (${user.name}, ${headers["user"]})`;
    },
  );
  const context = { headers: { user: "ann" }, procedure: "greet" };
  assertEquals(await greet.call(undefined, context), "Hello, ANN (ann, ann)");
  assertEquals(seen, [["before", "ann", "greet", undefined], ["after", "Hello, ANN (ann, ann)"]]);
  await assertRejects(() => greet.call("Oi", context), RpcError, "RUDE");
});

Deno.test("procedure.use() runs before the input is checked, and may end the call", async () => {
  let runs = 0;
  const count = authed({ input: z.number() }, (n) => (runs++, n));
  const wrong = "1" as unknown as number;
  await assertRejects(() => count.call(wrong), RpcError, "Who are you?");
  const known = { headers: { user: "ann" } };
  await assertRejects(() => count.call(wrong, known), RpcError, "does not match");
  assertEquals(runs, 0);
  const cached = procedure.use(({ input, next }) => input === 1 ? { output: "kept" } : next());
  const cachedCount = cached({ input: z.number() }, (n) => (runs++, `${n}`));
  assertEquals([await cachedCount.call(1), await cachedCount.call(2), runs], ["kept", "2", 1]);
});

Deno.test("procedure.use() leaves streams streams, and refuses what is no middleware", async () => {
  const items = authed({ output: z.number() }, function* () {
    yield 1;
    yield 2;
  });
  const stream = items.call(undefined, { headers: { user: "ann" } });
  assertEquals((await stream.next()).value, 1);
  assertEquals(await Array.fromAsync(stream), [2]);
  assertThrows(() => procedure.use(5 as unknown as () => never), TypeError, "must be a function");
  const nothing = procedure.use((() => {}) as unknown as () => never)({}, () => 1);
  await assertRejects(() => nothing.call(), TypeError, '"next()"');
});

Deno.test("procedure.meta() is of all procedures that follow, beside their own", async () => {
  const seen: unknown[] = [];
  const admin = procedure.meta({ auth: true, level: 1 }).use(({ meta, next }) => {
    seen.push(meta);
    return next();
  });
  const drop = admin({ meta: { level: 2 } }, () => "dropped");
  assertEquals(await drop.call(), "dropped");
  assertEquals([seen, drop.schemas.meta], [[{ auth: true, level: 2 }], { auth: true, level: 2 }]);
  assertEquals(procedure({}, () => 1).schemas.meta, undefined);
});
