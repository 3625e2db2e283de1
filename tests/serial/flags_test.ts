import { assert, assertEquals, assertStringIncludes } from "../../deps/std_assert.ts";
import { brokerUrl, deleteQueue, randomQueue } from "../helpers/broker.ts";

const FIXTURES = new URL("../fixtures/", import.meta.url);
const PROGRAM = new URL("least_program.ts", FIXTURES).href;
const WORKER = new URL("workers/matrix_worker.ts", FIXTURES);

/** Runs a server and a client with just these flags, in an environment of their own. */
async function runWith(mode: string, flags: readonly string[]) {
  const queue = randomQueue();
  const worker = WORKER.href;
  const command = ["run", "--quiet", "--no-prompt", "--no-check", ...flags, PROGRAM];
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [...command, brokerUrl(), queue, mode, worker],
    stdin: "null",
    signal: AbortSignal.timeout(60_000),
  }).output();
  await deleteQueue(queue);
  const decoder = new TextDecoder();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

const { hostname, port } = new URL(brokerUrl());
const NET = `--allow-net=${hostname}:${port}`;
const READ = `--allow-read=${new URL("../../", import.meta.url).pathname}`;
const RUN = "--allow-run=sh";

/** The documented flags of each program, and what is said without the last one. */
const PROGRAMS = [
  { mode: "inline", flags: [NET], missing: "--allow-net=" },
  { mode: "thread", flags: [NET, READ], missing: "read" },
  { mode: "process", flags: [NET, RUN], missing: "run" },
];

for (const { mode, flags, missing } of PROGRAMS) {
  Deno.test(`A program with ${mode} handlers needs its documented flags alone`, async () => {
    const { code, stdout, stderr } = await runWith(mode, flags);
    assertEquals([code, stdout], [0, "7\n"], stderr);
    const fewer = await runWith(mode, flags.slice(0, -1));
    assert(fewer.code !== 0);
    assertStringIncludes(fewer.stderr, missing);
  });
}

Deno.test("A program needs neither environment nor system nor files", async () => {
  const denied = ["env", "read", "write", "run", "sys", "ffi"].map((name) => `--deny-${name}`);
  const { code, stdout, stderr } = await runWith("inline", [NET, ...denied]);
  assertEquals([code, stdout], [0, "7\n"], stderr);
});

Deno.test("docs/permissions.md names the flags that were tried", async () => {
  const text = await Deno.readTextFile(new URL("../../docs/permissions.md", import.meta.url));
  for (
    const flag of ["`--allow-net=broker.example:5672`", "`--allow-read=`", "`--allow-run=sh`"]
  ) {
    assertStringIncludes(text, flag);
  }
});
