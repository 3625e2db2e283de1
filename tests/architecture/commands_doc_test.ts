import { assert, assertEquals, assertStringIncludes } from "../../deps/std_assert.ts";
import { TASKS } from "../../tools/tasks/tasks.ts";
import { docCommands } from "../helpers/doc_commands.ts";
import { ROOT } from "../helpers/source_files.ts";
import { markdownFiles } from "../../tools/tasks/package_files.ts";

/** The test that runs a command: its file, and its name or what stands in it. */
type RunBy = readonly [file: string, name: string];

const PROGRAMS = "tests/testing/doc_programs_test.ts";
const COMMANDS = "tests/testing/doc_commands_test.ts";
const CREATE = "tests/testing/create_test.ts";
const OFFLINE = "tests/unit/pool/offline_test.ts";
const PERMISSIONS = "tests/serial/permissions_test.ts";
const RABBITMQCTL: RunBy = [
  "tests/serial/operators_test.ts",
  "rabbitmqctl takes the commands of docs",
];
const TLS: RunBy = ["tests/serial/tls_test.ts", "and serve with what docs/tls.md makes"];
const GRANTS: RunBy = [PERMISSIONS, "The documented permissions suffice, and each is needed"];

/** By page and beginning: the longest beginning counts. */
const RUN: Readonly<Record<string, RunBy>> = {
  "README.md: deno task demo": ["tests/serial/demo_test.ts", "demo shows calls, a batch"],
  "README.md: deno add ": [COMMANDS, "README's commands lead to an answered call"],
  "README.md: deno run ": [COMMANDS, "README's commands lead to an answered call"],
  "docs/cli.md: ": [COMMANDS, "docs/cli.md installs warren"],
  "docs/interop.md: rabbitmqctl ": RABBITMQCTL,
  "docs/node.md: npm install ": ["tests/helpers/node_project.ts", '"./package.tgz"'],
  "docs/node.md: npx ": ["tests/tools/npm_package_test.ts", '"npx"'],
  "docs/observe.md: OTEL_DENO=true ": [
    "tests/testing/otel_export_test.ts",
    "OTEL_DENO=true shows a call into a thread",
  ],
  "docs/permissions.md: rabbitmqctl ": RABBITMQCTL,
  "docs/permissions.md: rabbitmqctl set_permissions math-": GRANTS,
  "docs/pool.md: deno install --entrypoint ": [OFFLINE, '["install", "--entrypoint"]'],
  "docs/pool.md: deno run --cached-only ": [OFFLINE, '"--cached-only"'],
  "docs/pool.md: deno compile ": [OFFLINE, "deno compile packs what threads load"],
  "docs/start.md: deno create ": [CREATE, "it is written, once"],
  "docs/start.md: cd ": [CREATE, "it is written, once"],
  "docs/start.md: deno task test": [CREATE, "its test passes"],
  "docs/start.md: deno task broker": [CREATE, "its broker starts"],
  "docs/start.md: deno task server": [CREATE, "its server serves its client"],
  "docs/start.md: deno task client": [CREATE, "its server serves its client"],
  "docs/testing.md: deno test ": [PROGRAMS, "docs/testing.md has a test that passes"],
  "docs/testing.md: deno run ": [
    "tests/testing/program_test.ts",
    "testing/main.ts prints its URL and stops when told to",
  ],
  "docs/tls.md: ": TLS,
};

/** What no test runs as it stands, and why. */
const UNTESTED: Readonly<Record<string, string>> = {
  "README.md: npx ":
    "it fetches Deno from npm; tests/tools/launch_test.ts hides the deno of the PATH",
  "docs/chaos.md: deno task chaos":
    "it takes ten minutes and more; tests/unit/chaos/command_line_test.ts reads its options, and " +
    "tests/serial/chaos_test.ts runs its rows",
  "docs/permissions.md: rabbitmqctl set_permissions -p ": "its patterns stand further up",
};

/** What is neither TypeScript nor a command: which test has it, or why none does. */
const OTHERS: Readonly<Record<string, RunBy | string>> = {
  "docs/deploy.md: dockerfile": [PROGRAMS, "docs/deploy.md has an image that starts"],
  "docs/deploy.md: yaml": "no machine of the tests has Compose and KEDA, as the page says",
  "docs/operate.md: yaml": "no machine of the tests has Kubernetes, as docs/deploy.md says",
  "docs/operate.md: ini": [
    "tests/testing/systemd_unit_test.ts",
    "docs/operate.md has a unit that systemd takes",
  ],
  "docs/testing.md: python": [
    "tests/testing/control_test.ts",
    "docs/testing.md shows how Python steers the program",
  ],
  "docs/tls.md: ini": "its paths need root; tools/brokers/tls_node.ts has the same settings",
};

/** What is known of a command. */
function find<Known>(table: Readonly<Record<string, Known>>, text: string): [string, Known][] {
  return Object.entries(table).filter(([beginning]) => text.startsWith(beginning))
    .sort(([a], [b]) => b.length - a.length).slice(0, 1);
}

Deno.test("Every command of README and docs is run by a test, or is listed with the reason", async () => {
  const used = new Set<string>();
  const unknown: string[] = [];
  for (const { page, command } of await docCommands()) {
    const text = `${page}: ${command}`;
    const [run] = find(RUN, text);
    const [untested] = find(UNTESTED, text);
    if (run === undefined && untested === undefined) unknown.push(text);
    for (const found of [run, untested]) if (found !== undefined) used.add(found[0]);
  }
  assertEquals(unknown, []);
  assertEquals([...Object.keys(RUN), ...Object.keys(UNTESTED)].filter((key) => !used.has(key)), []);
  for (const [file, name] of Object.values(RUN)) {
    assertStringIncludes(await Deno.readTextFile(new URL(file, ROOT)), name);
  }
});

Deno.test("What is no command and no TypeScript is tested, or is listed with the reason", async () => {
  const found = new Set<string>();
  for (const path of await markdownFiles()) {
    if (!/^(README\.md$|docs\/)/.test(path)) continue;
    const text = await Deno.readTextFile(new URL(path, ROOT));
    for (const [, language = ""] of text.matchAll(/^```(\w+)[^\n]*\n.*?^```/gms)) {
      if (!["ts", "sh", "text"].includes(language)) found.add(`${path}: ${language}`);
    }
  }
  assertEquals([...found].sort(), Object.keys(OTHERS).sort());
  for (const known of Object.values(OTHERS)) {
    if (typeof known === "string") continue;
    const [file, name] = known;
    assertStringIncludes(await Deno.readTextFile(new URL(file, ROOT)), name);
  }
});

Deno.test("README, docs and CONTRIBUTING name tasks that there are", async () => {
  const created = await Deno.readTextFile(new URL("create/service_files.ts", ROOT));
  const [, written = ""] = /tasks: \{([^]*?)\n {4}\}/.exec(created) ?? [];
  const theirs = new Set([...written.matchAll(/^ {6}(\w+):/gm)].map(([, name]) => name));
  assert(theirs.has("server"));
  let count = 0;
  for (const path of [...await markdownFiles(), "examples/README.md"]) {
    const text = await Deno.readTextFile(new URL(path, ROOT));
    for (const [command, name = ""] of text.matchAll(/deno task ([a-z][\w:-]*)/g)) {
      count++;
      // docs/start.md is about a service that was made.
      const isKnown = TASKS.has(name.replace(/:$/, "")) || name === "bench:" ||
        path === "docs/start.md" && theirs.has(name);
      assert(isKnown, `${path}: ${command}`);
    }
  }
  assert(count > 40);
});
