import config from "../../deno.json" with { type: "json" };
import { assert, assertEquals } from "../../deps/std_assert.ts";
import { ImportGraph } from "../helpers/source_files.ts";

const graph = await ImportGraph.load();

/** Whether `deno publish` takes a file along. */
function isPublished(path: string): boolean {
  const { include, exclude } = config.publish;
  const isIncluded = include.some((part) =>
    part.endsWith("/") ? path.startsWith(part) : path === part
  );
  return isIncluded && !exclude.includes(path);
}

Deno.test("Whatever an entry of the package imports is published", () => {
  for (const entry of Object.values(config.exports)) {
    const path = entry.replace("./", "");
    const own = [...graph.closureOf(path)].filter((imported) => !/^(npm|jsr|node):/.test(imported));
    assert(isPublished(path), path);
    assertEquals(own.filter((imported) => !isPublished(imported)), [], entry);
  }
});

Deno.test("No package of the tests is published", () => {
  const used = new Set(
    Object.values(config.exports).flatMap((entry) => {
      return [...graph.closureOf(entry.replace("./", ""))];
    }),
  );
  for (const { name } of Deno.readDirSync(new URL("../../deps/", import.meta.url))) {
    assertEquals(isPublished(`deps/${name}`), used.has(`deps/${name}`), name);
  }
});

Deno.test("The package is checked by the strictest options of who imports it by path", () => {
  // What is imported by path is checked by the options of its user, and not by its own.
  const { strict, noImplicitReturns, noImplicitOverride, noUncheckedIndexedAccess } =
    config.compilerOptions;
  const options = { strict, noImplicitReturns, noImplicitOverride, noUncheckedIndexedAccess };
  assertEquals(Object.values(options), [true, true, true, true]);
  assertEquals(config.compilerOptions.exactOptionalPropertyTypes, true);
});
