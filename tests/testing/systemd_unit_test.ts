import { assert, assertEquals, assertExists, assertMatch } from "../../deps/std_assert.ts";
import { RpcClient } from "../../mod.ts";
import { TestBroker } from "../../testing/mod.ts";
import { startProgram } from "../helpers/child.ts";
import { docPrograms, programAt } from "../helpers/doc_programs.ts";
import { testUnless } from "../helpers/features.ts";
import { startRegistryProject } from "../helpers/registry_project.ts";
import { ROOT } from "../helpers/source_files.ts";

/** The program and the folder that the unit of docs/operate.md names. */
const PROGRAM = "docs/operate.md 6";
const FOLDER_REGEXP = /\/srv\/greetings/g;

const unit = await readUnit();

function readUnit(): Promise<string> {
  return Deno.readTextFile(new URL("docs/operate.md", ROOT)).then((page) => {
    const [, text] = /^```ini\n(.*?)^```/ms.exec(page) ?? [];
    assertExists(text);
    return text;
  });
}

/** Why the tools of systemd cannot be used here, if so. */
function missing(tool: string): string | undefined {
  try {
    const { success } = new Deno.Command(tool, { args: ["--version"], stdout: "null" })
      .outputSync();
    return success ? undefined : `${tool} does not run`;
  } catch {
    return `${tool} is missing`;
  }
}

Deno.test(testUnless(
  missing("systemd-analyze"),
  "docs/operate.md has a unit that systemd takes",
  async () => {
    const folder = await Deno.makeTempDir();
    try {
      const path = `${folder}/greetings.service`;
      await Deno.writeTextFile(path, unit.replace("/usr/bin/deno", Deno.execPath()));
      const verify = () => new Deno.Command("systemd-analyze", { args: ["verify", path] }).output();
      const { code, stderr } = await verify();
      assertEquals([code, new TextDecoder().decode(stderr)], [0, ""]);
      await Deno.writeTextFile(path, unit.replace("Type=notify", "Type=notifies"));
      const refused = new TextDecoder().decode((await verify()).stderr);
      assertMatch(refused, /notifies|deno/, "it looks at the unit");
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
));

Deno.test(testUnless(
  missing("systemd-notify"),
  "docs/operate.md has a program that tells systemd of its start and its life",
  async () => {
    await using broker = await TestBroker.start();
    const socketFolder = await Deno.makeTempDir();
    await using stack = new AsyncDisposableStack();
    stack.defer(() => Deno.remove(socketFolder, { recursive: true }));
    const socket = `${socketFolder}/notify`;
    const listener = new URL("tests/fixtures/notify_socket.ts", ROOT).pathname;
    const flags = ["--unstable-net", "--no-check", "--quiet", "--allow-all"];
    await using systemd = startProgram([Deno.execPath(), "run", ...flags, listener, socket]);
    await systemd.line("listening");

    await using project = await startRegistryProject({}, { NOTIFY_SOCKET: socket });
    const code = programAt(await docPrograms(), PROGRAM, broker.url);
    // Not to wait for ten seconds.
    await project.write("server.ts", code.replace("10_000", "100"));
    assertEquals((await project.deno("install", "--entrypoint", "server.ts")).code, 0);
    await project.goOffline();
    const server = stack.use(project.start(...execStart(project.folder)));
    await systemd.line("READY=1");
    await systemd.line("WATCHDOG=1");
    await systemd.line("WATCHDOG=1");
    await using client = await RpcClient.connect(broker.url, { queue: "greetings" });
    assertEquals(await client.call("greet", "Ada"), "Hello, Ada");
    server.kill("SIGTERM");
    assertEquals((await server.status).code, 0);
  },
));

/** The arguments of the unit's `deno`, with that folder. */
function execStart(folder: string): readonly string[] {
  const [, command = ""] = /^ExecStart=((?:.*\\\n)*.*)$/m.exec(unit) ?? [];
  const [deno, ...args] = command.replaceAll("\\\n", " ").trim().split(/ +/);
  assertEquals(deno, "/usr/bin/deno");
  assert(unit.match(FOLDER_REGEXP)?.length === 2);
  return args.map((arg) => arg.replace(FOLDER_REGEXP, folder));
}
