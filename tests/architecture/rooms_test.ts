import { assert, assertEquals, assertMatch } from "../../deps/std_assert.ts";
import { ImportGraph, modulePaths, sourcePaths, textOf } from "../helpers/source_files.ts";
import { GROUND, roomOf, ROOMS } from "../helpers/source_rooms.ts";

const graph = await ImportGraph.load();

/** What a module, or anything that it imports, imports of what a pattern matches. */
function reaches(path: string, pattern: RegExp): string[] {
  assert(modulePaths.includes(path), `There is no ${path}`);
  assert(modulePaths.some((path) => pattern.test(path)), `No module matches ${pattern}`);
  return [...graph.closureOf(path)].filter((imported) => pattern.test(imported));
}

/** The modules that a pattern matches. A rule about files that do not exist would hold for ever. */
function modulesLike(pattern: RegExp): string[] {
  const paths = modulePaths.filter((path) => pattern.test(path));
  assert(paths.length > 0, `No module matches ${pattern}`);
  return paths;
}

Deno.test("The import graph knows the modules of this repository", () => {
  for (const path of ["mod.ts", "client.ts", "server.ts", "workers/runtime.ts"]) {
    assert(sourcePaths.includes(path), path);
    assert(graph.importsOf(path).length > 0, path);
  }
  assert(graph.closureOf("mod.ts").has("internal/broker/amqp.ts"));
  // This import is of a type only.
  assert(graph.importsOf("internal/protocol/envelope.ts").includes("internal/broker/amqp.ts"));
});

Deno.test("Every module of the product is in one room, and no room is empty", () => {
  for (const path of sourcePaths) {
    const rooms = ROOMS.filter(({ files }) => files.test(path)).map(({ name }) => name);
    assertEquals(rooms.length, 1, `${path} is in: ${rooms}`);
  }
  for (const { files } of ROOMS) modulesLike(files);
});

Deno.test("The arrows between rooms lead down", () => {
  const floors = ROOMS.map(({ name }) => name);
  for (const { name, uses } of ROOMS) {
    for (const used of uses) {
      assert(floors.includes(used), `There is no room ${used}`);
      assert(floors.indexOf(used) > floors.indexOf(name), `${name} is not above ${used}`);
    }
  }
});

Deno.test("No module imports another room than its own may", () => {
  const found = sourcePaths.flatMap((path) => {
    const room = roomOf(path);
    return graph.importsOf(path).flatMap((imported) => {
      const other = roomOf(imported);
      const isFree = other === undefined || other === room || room?.uses.includes(other.name);
      return isFree ? [] : [{ path, message: `imports ${other.name}` }];
    });
  });
  assertEquals(found, []);
});

Deno.test("No arrow is allowed that nothing goes", () => {
  const gone = new Set(sourcePaths.flatMap((path) => {
    return graph.importsOf(path).map((imported) =>
      `${roomOf(path)?.name} > ${roomOf(imported)?.name}`
    );
  }));
  const idle = ROOMS.flatMap(({ name, uses }) =>
    uses.map((used) => ({ path: name, message: used }))
  ).filter(({ path, message }) => !GROUND.includes(message) && !gone.has(`${path} > ${message}`));
  assertEquals(idle, []);
});

Deno.test("Calling and serving never meet, by whatever way", () => {
  for (const path of modulesLike(/^client\.ts$|^internal\/calling\//)) {
    assertEquals(reaches(path, /^server\.ts$|^internal\/serving\//), [], path);
  }
  for (const path of modulesLike(/^server\.ts$|^internal\/serving\//)) {
    assertEquals(reaches(path, /^client\.ts$|^internal\/calling\//), [], path);
  }
});

Deno.test("Client and server do not know workers", () => {
  assertEquals(reaches("mod.ts", /^workers\//), []);
});

Deno.test("The pool and its workers do not know AMQP", () => {
  for (const path of modulesLike(/^workers\//)) {
    assertEquals(reaches(path, /^(client|server|mod)\.ts$|^options\/|amqp|^npm:/), [], path);
  }
});

Deno.test("A worker loads no more than it needs to run procedures", () => {
  const needed =
    /^(workers|internal\/(running|streaming))\/|^(codec|contract|errors|internal\/(encoded_reply|error_description|procedure_notes|text|json_text))\.ts$/;
  // Headers, and what a handler's own calls know of it.
  const hooks = /^internal\/(call_scope|message_headers|run_timing)\.ts$|^node:async_hooks$/;
  const loaded = [...graph.closureOf("workers/runtime.ts")];
  assertEquals(loaded.filter((path) => !needed.test(path) && !hooks.test(path)), []);
  assertEquals(reaches("workers/runtime.ts", /^workers\/(pool|host)\//), []);
});

Deno.test("internal/broker/amqp.ts alone imports amqplib", () => {
  const importers = sourcePaths.filter((path) => {
    return path !== "deps/amqplib.ts" &&
      graph.importsOf(path).some((imported) => /^(npm:|deps\/)amqplib/.test(imported));
  });
  assertEquals(importers, ["internal/broker/amqp.ts"]);
});

Deno.test("What a user names imports nothing that does anything", () => {
  for (const path of modulesLike(/^(caller|contract|codec|errors)\.ts$/)) {
    // What they quote is made printable.
    const harmless = /^(caller|contract|codec|errors|internal\/(json_)?text)\.ts$/;
    assertEquals(graph.importsOf(path).filter((imported) => !harmless.test(imported)), [], path);
  }
  assertEquals(graph.importsOf("errors.ts"), []);
  assertEquals(graph.importsOf("internal/text.ts"), []);
});

Deno.test("The envelope takes no more of amqp.ts than types", () => {
  assertMatch(
    textOf("internal/protocol/envelope.ts"),
    /import type \{[^}]*\} from "\.\.\/broker\/amqp\.ts"/,
  );
});

Deno.test("No module imports itself, by whatever way", () => {
  assertEquals(modulePaths.filter((path) => graph.closureOf(path).has(path)), []);
});

Deno.test("What users import does not import what is for this repository", () => {
  const inner = /^(tests|bench|chaos|examples|tools)\/|std_assert|fast_check|typescript/;
  const users = sourcePaths.filter((path) => !/^deps\//.test(path));
  for (const path of users) assertEquals(reaches(path, inner), [], path);
});

Deno.test("The chaos suite needs no tests, and tools need neither", () => {
  for (const path of modulesLike(/^chaos\//)) assertEquals(reaches(path, /^tests\//), [], path);
  for (const path of modulesLike(/^tools\//)) {
    assertEquals(reaches(path, /^(tests|chaos|bench)\//), [], path);
  }
});
