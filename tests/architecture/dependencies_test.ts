import { assert, assertEquals, assertMatch } from "../../deps/std_assert.ts";
import { ImportGraph, modulePaths } from "../helpers/source_files.ts";

const graph = await ImportGraph.load();

/** What a module imports from registries. */
function packagesOf(path: string): string[] {
  return graph.importsOf(path).filter((name) => /^(?!node:)\w{3,}:/.test(name));
}

const OWN_IMPORTS_REGEXP = /^(tests\/fixtures|tools\/jsr|bench)\//;

Deno.test("Outside packages are named in deps/, in one file each", () => {
  for (const path of modulePaths) {
    if (OWN_IMPORTS_REGEXP.test(path)) continue;
    const names = packagesOf(path);
    if (!path.startsWith("deps/")) assertEquals(names, [], path);
    const packages = names.map((name) => /^\w+:(@\w+\/)?[^@]+/.exec(name)?.[0]);
    assert(new Set(packages).size <= 1, `${path} is about more than one package: ${packages}`);
  }
});

Deno.test("amqplib is pinned, as its inside is patched; others may get their fixes", () => {
  const found = modulePaths.filter((path) => path.startsWith("deps/")).flatMap((path) => {
    return packagesOf(path).map((name) => ({ path, message: name }));
  });
  assert(found.length > 0);
  for (const { path, message } of found) {
    const pattern = path === "deps/amqplib.ts"
      ? /^npm:amqplib@\d+\.\d+\.\d+(\/|$)/
      : /^(npm|jsr):(@\w+\/)?[\w-]+@\^\d+\.\d+\.\d+/;
    assertMatch(message, pattern, path);
  }
});
