import type { Handler, PoolHandler } from "../../../contract.ts";
import { fc } from "../../../deps/fast_check.ts";
import { assertEquals, assertStrictEquals, assertThrows } from "../../../deps/std_assert.ts";
import { RpcError } from "../../../errors.ts";
import { sealHandler } from "../../../internal/running/encoded_handler.ts";
import { Procedures } from "../../../internal/serving/procedures.ts";

const add = () => 1;

function codeOf(procedures: Procedures, name: string | undefined): string {
  return assertThrows(() => procedures.find(name), RpcError).code;
}

Deno.test("Procedures knows only what it was given", () => {
  const procedures = new Procedures({ add, sub: add }, undefined);
  assertEquals(procedures.find("add").name, "add");
  fc.assert(fc.property(fc.string(), (name) => {
    fc.pre(name !== "add" && name !== "sub");
    assertEquals(codeOf(procedures, name), "unknown-procedure");
  }));
  for (const name of Object.getOwnPropertyNames(Object.prototype)) {
    assertEquals(codeOf(procedures, name), "unknown-procedure");
  }
});

Deno.test("Procedures may be called like the members of any object", () => {
  const names = ["constructor", "toString", "__proto__"];
  const procedures = new Procedures(
    Object.fromEntries(names.map((name) => [name, add])),
    undefined,
  );
  for (const name of names) assertEquals(procedures.find(name).name, name);
});

Deno.test("Procedures has a default only if it was told, or has but one", () => {
  assertEquals(new Procedures({ add }, undefined).find(undefined).name, "add");
  assertEquals(new Procedures({ add, sub: add }, "sub").find(undefined).name, "sub");
  assertEquals(
    codeOf(new Procedures({ add, sub: add }, undefined), undefined),
    "unknown-procedure",
  );
});

Deno.test("Procedures takes what is inside a pool's handlers", () => {
  const handler = { handle: () => Promise.reject(new Error("not called")) };
  const add = sealHandler<Handler>(handler);
  assertStrictEquals(new Procedures({ add }, undefined).find("add").handler, handler);
});

Deno.test("Procedures takes as long as its slowest handler", () => {
  const limitOf = (...limits: readonly (number | undefined)[]) => {
    const handlers = limits.map((timeLimitMs, n): [string, PoolHandler<Handler>] => [
      `p${n}`,
      sealHandler({ timeLimitMs, handle: () => Promise.reject(new Error("not run")) }),
    ]);
    return new Procedures(Object.fromEntries(handlers), undefined).timeLimitMs;
  };
  assertEquals([limitOf(5), limitOf(5, 7, 6), limitOf(5, undefined)], [5, 7, undefined]);
  assertEquals(new Procedures({ add }, undefined).timeLimitMs, undefined);
});

Deno.test("Procedures in objects have the objects' names before theirs", () => {
  const procedures = new Procedures({ users: { get: add, old: { list: add } }, add }, undefined);
  for (const name of ["users.get", "users.old.list", "add"]) {
    assertEquals(procedures.find(name).name, name);
  }
  assertEquals(codeOf(procedures, "users"), "unknown-procedure");
  assertThrows(
    () => new Procedures({ users: { get: add }, "users.get": add }, undefined),
    TypeError,
    'two of them have the name "users.get"',
  );
  const round: Record<string, unknown> = { add };
  round.round = round;
  assertThrows(() => new Procedures(round, undefined), TypeError, '"round" as it stands in itself');
  assertThrows(() => new Procedures({ users: { get: 5 } }, undefined), TypeError, '"users.get"');
});

Deno.test("Procedures beyond those that are asked for are not served", () => {
  const handlers = { add, dropAll: add, users: { get: add }, version: "1" };
  const procedures = new Procedures(handlers, undefined, { only: ["add", "users.get"] });
  assertEquals(procedures.find("users.get").name, "users.get");
  assertEquals(codeOf(procedures, "dropAll"), "unknown-procedure");
  assertThrows(
    () => new Procedures(handlers, undefined, { only: ["add", "sub"] }),
    TypeError,
    'Cannot listen as "procedures" names what "handlers" has not: "sub"',
  );
});
