import { type } from "../../../deps/arktype.ts";
import { assert, assertEquals, assertThrows } from "../../../deps/std_assert.ts";
import { v } from "../../../deps/valibot.ts";
import { z } from "../../../deps/zod.ts";
import { describe, openApi } from "../../../extras/describe.ts";
import { procedure } from "../../../extras/schema.ts";

interface Node {
  name: string;
  children: Node[];
}
const node: z.ZodType<Node> = z.object({
  name: z.string(),
  get children() {
    return z.array(node);
  },
});

/** Asserts that a value has these members, and in them these, whatever else. */
function assertHas(actual: unknown, expected: object): void {
  assert(typeof actual === "object" && actual !== null);
  for (const [name, value] of Object.entries(expected)) {
    const found: unknown = Reflect.get(actual, name);
    const isDeep = typeof value === "object" && !Array.isArray(value) &&
      Object.keys(value).length > 0;
    if (isDeep) assertHas(found, value);
    else assertEquals(found, value, name);
  }
}

const handlers = {
  users: {
    get: procedure.meta({ auth: true })({
      input: z.object({ id: z.string(), language: z.string().default("en") }),
      output: z.object({ name: z.string() }),
      errors: { NOT_FOUND: z.object({ id: z.string() }), GONE: v.string() },
      description: "Finds a user.",
    }, () => ({ name: "Ann" })),
    watch: procedure({ output: z.number() }, function* () {
      yield 1;
    }),
    names: procedure({ item: z.string() }, () => ReadableStream.from(["Ann"])),
  },
  tree: procedure({ input: node }, ({ name }) => name),
  parse: procedure({ input: type({ n: "string" }) }, ({ n }) => Number(n)),
  // Its library says nothing of JSON Schema by itself.
  plainSchema: procedure({ input: v.object({ n: v.number() }) }, ({ n }) => n),
  add: (input: { a: number; b: number }) => input.a + input.b,
};

Deno.test("describe() tells what procedures take and give, as JSON Schema", () => {
  const described = describe(handlers);
  assertEquals(described.map(({ name, kind }) => [name, kind]), [
    ["users.get", "call"],
    ["users.watch", "stream"],
    ["users.names", "stream"],
    ["tree", "call"],
    ["parse", "call"],
    ["plainSchema", "call"],
    ["add", "call"],
  ]);
  const [get, watch, names, , parse, plainSchema] = described;
  assert(get !== undefined);
  assertHas(get, {
    description: "Finds a user.",
    // What callers send: the default may be left out.
    input: { type: "object", required: ["id"], properties: { language: { default: "en" } } },
    output: { type: "object", properties: { name: { type: "string" } } },
    errors: { NOT_FOUND: { type: "object", required: ["id"] }, GONE: {} },
    meta: { auth: true },
  });
  assertHas(watch ?? {}, { output: { type: "number" } });
  assertHas(names ?? {}, { output: { type: "string" } });
  assertHas(parse ?? {}, { input: { type: "object", required: ["n"] } });
  assertEquals(plainSchema, { name: "plainSchema", kind: "call" });
  assertThrows(() => describe(5 as unknown as object), TypeError, "handlers");
});

Deno.test("openApi() has a path for each procedure, and references that can be followed", () => {
  const document = openApi(handlers, { title: "Users", version: "1.0.0" });
  // Nothing of it may be lost in writing.
  const { openapi, info, paths } = JSON.parse(JSON.stringify(document));
  assertEquals([openapi, info], ["3.1.0", { title: "Users", version: "1.0.0" }]);
  assertEquals(Object.keys(paths), [
    "/users.get",
    "/users.watch",
    "/users.names",
    "/tree",
    "/parse",
    "/plainSchema",
    "/add",
  ]);
  assertHas(paths["/users.get"].post, {
    operationId: "users.get",
    summary: "Finds a user.",
    "x-meta": { auth: true },
    requestBody: { content: { "application/json": { schema: { required: ["id"] } } } },
    responses: { 200: { content: { "application/json": { schema: { type: "object" } } } } },
  });
  const { default: failed } = paths["/users.get"].post.responses;
  const [notFound] = failed.content["application/json"].schema.anyOf;
  assertHas(notFound, {
    properties: { code: { const: "NOT_FOUND" }, details: { required: ["id"] } },
  });
  const { content } = paths["/users.watch"].post.responses[200];
  assertHas(content, { "application/jsonl": { schema: { type: "number" } } });
  // A reference to the schema itself, or into it, holds as each schema is a resource of its own.
  const { schema } = paths["/tree"].post.requestBody.content["application/json"];
  assertEquals(schema.$id, "urn:rpc:tree%3Ainput");
  assert(/"\$ref":"#/.test(JSON.stringify(schema)));
  assertThrows(
    () => openApi(handlers, { title: "Users" } as { title: string; version: string }),
    TypeError,
    "version",
  );
});
