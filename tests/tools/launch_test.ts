import { assertEquals, assertMatch, assertStringIncludes } from "../../deps/std_assert.ts";
import { gone } from "./processes.ts";

const LAUNCH = new URL("../../tools/launch.ts", import.meta.url).pathname;
const ROOT = new URL("../../", import.meta.url);

/** An address that refuses connections, so that JSR is out of reach for sure. */
const NO_JSR = { JSR_URL: "http://127.0.0.1:1/" };

async function launch(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<{ readonly code: number; readonly stdout: string; readonly stderr: string }> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--allow-all", LAUNCH, ...args],
    env: { ...env },
    cwd: ROOT,
  }).output();
  const decoder = new TextDecoder();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

Deno.test("launch names the tasks that there are when it is given another", async () => {
  const { code, stderr } = await launch(["tset"]);
  assertEquals(code, 2);
  assertMatch(stderr, /^Cannot run the task "tset" as there are only: demo, test, /);
});

Deno.test("launch lets jsr imports resolve where JSR is out of reach", async () => {
  const module = new URL("deps/std_uuid.ts", ROOT);
  const code = `import { generate } from "${module}"; console.log(generate());`;
  const { stdout, stderr } = await launch(["deno", "eval", code], NO_JSR);
  assertMatch(stdout, /^[0-9a-f-]{36}\n$/);
  assertMatch(stderr, /^JSR does not answer: using the stand-ins in tools\/jsr [^\n]*\n$/);
});

Deno.test("launch exits with the code of what it has run", async () => {
  const { code } = await launch(["deno", "eval", "Deno.exit(7)"], NO_JSR);
  assertEquals(code, 7);
});

Deno.test("launch runs the Deno that runs it, with no deno on the PATH", async () => {
  const { stdout } = await launch(["deno", "eval", "console.log(Deno.execPath())"], {
    ...NO_JSR,
    PATH: "/nonexistent",
  });
  assertEquals(stdout.trim(), Deno.execPath());
});

Deno.test("launch keeps loopback out of the user's proxy", async () => {
  const code = "console.log(Deno.env.get('NO_PROXY'))";
  const { stdout } = await launch(["deno", "eval", code], { ...NO_JSR, NO_PROXY: "intranet" });
  assertEquals(stdout.trim(), "intranet,127.0.0.1,localhost");
});

Deno.test("launch passes SIGTERM on and ends with what it has started", async () => {
  const program = `Deno.addSignalListener("SIGTERM", () => Deno.exit(5));
    setInterval(() => {}, 1_000);
    console.log(Deno.pid);`;
  const launcher = new Deno.Command(Deno.execPath(), {
    args: ["run", "--allow-all", LAUNCH, "deno", "eval", program],
    env: NO_JSR,
    cwd: ROOT,
    stdin: "null",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const reader = launcher.stdout.pipeThrough(new TextDecoderStream()).getReader();
  const { value = "" } = await reader.read();
  launcher.kill("SIGTERM");
  assertEquals((await launcher.status).code, 5);
  await gone(Number(value));
  await reader.cancel();
});

Deno.test("launch says in one line what is wrong with the broker", async () => {
  const { code, stderr } = await launch(["demo"], { ...NO_JSR, AMQP_URL: "amqp://127.0.0.1:1" });
  assertEquals(code, 1);
  assertStringIncludes(stderr, "\nCannot use the broker of AMQP_URL as nothing answers AMQP");
});
