import { assertEquals } from "../../../deps/std_assert.ts";
import { membersOf } from "../../../internal/running/members.ts";

/** What each member gives, by its name. */
function outputs(handlers: object): Record<string, unknown> {
  return Object.fromEntries(
    membersOf(handlers).map(({ name, value }) => [
      name,
      typeof value === "function" ? value("Ann") : value,
    ]),
  );
}

class Base {
  readonly #greeting = "Hello";
  readonly version = "1";
  readonly cache = { size: 1 };
  greet(name: string): string {
    return `${this.#greeting}, ${name}`;
  }
  leave(): string {
    return "base";
  }
  get now(): string {
    throw new Error("A getter is no procedure");
  }
}

class Service extends Base {
  readonly arrow = (name: string): string => name + this.version;
  override leave(): string {
    return `${super.leave()}, and more`;
  }
}

Deno.test("membersOf() finds the methods of a class, with their this", () => {
  assertEquals(outputs(new Service()), {
    arrow: "Ann1",
    leave: "base, and more",
    greet: "Hello, Ann",
  });
});

Deno.test("membersOf() lets functions of an object call each other", () => {
  const handlers = {
    users: {
      prefix: () => "user ",
      get(id: string): string {
        return this.prefix() + id;
      },
    },
  };
  assertEquals(outputs(handlers), { "users.prefix": "user ", "users.get": "user Ann" });
});

Deno.test("membersOf() gives what cannot be served as it is", () => {
  assertEquals(outputs({ limit: 5, at: new Date(0), none: {} }), {
    limit: 5,
    at: new Date(0),
    none: {},
  });
});
