/**
 * `deno task outdated`: which packages of npm have a newer version than the one that we ask for, and
 * whether the tests pass with it. It needs the registry, so that it is no part of `deno task ok`.
 *
 * @module
 */

import { type Dependency, newerVersions, readDependencies } from "./newer_versions.ts";

const ROOT = new URL("../../", import.meta.url);
/** The tests of those that are loaded by who uses the package; others are for tests and benchmarks. */
const TESTS: Readonly<Record<string, readonly string[]>> = {
  "amqplib": ["tests/unit", "tests/integration", "tests/testing/heartbeats_test.ts"],
  "commander": ["tests/unit/cli", "tests/integration/warren_commands_test.ts"],
  "@opentelemetry/api": ["tests/testing/otel_test.ts", "tests/testing/otel_services_test.ts"],
};

const dependencies = await readDependencies(new URL("deps/", ROOT));
const newer = await newerVersions(dependencies);
for (const { name, asked, latest } of newer) console.log(`${name}: ${latest}, we ask for ${asked}`);
if (newer.length === 0) console.log(`All ${dependencies.length} packages are the latest`);
for (const dependency of newer) {
  const { name, latest } = dependency;
  const tests = TESTS[name];
  if (tests === undefined) continue;
  const passed = await passes(dependency, tests);
  console.log(`${name} ${latest}: the tests ${passed ? "pass" : "FAIL"}`);
  if (!passed) Deno.exitCode = 1;
}

/** Runs tests with the latest version in the place of ours. */
async function passes(
  { name, asked, latest }: Dependency & { readonly latest: string },
  tests: readonly string[],
): Promise<boolean> {
  const map = await Deno.makeTempFile({ suffix: ".json" });
  try {
    const imports = { [`npm:${name}@${asked}`]: `npm:${name}@${latest}` };
    await Deno.writeTextFile(map, JSON.stringify({ imports }));
    const options = ["--no-check", `--import-map=${map}`];
    const { success } = await new Deno.Command(Deno.execPath(), {
      args: ["task", "test", "--broker", "embedded", ...options, ...tests],
      cwd: ROOT,
    }).spawn().status;
    return success;
  } finally {
    await Deno.remove(map);
  }
}
