import { fileURLToPath } from "node:url";
import config from "../../deno.json" with { type: "json" };
import { assertEquals, assertMatch, assertStringIncludes } from "../../deps/std_assert.ts";
import { RpcClient, RpcServer } from "../../mod.ts";
import { TestBroker } from "../../testing/mod.ts";
import { freePorts } from "../../tools/brokers/free_ports.ts";
import { commandOf } from "../helpers/doc_commands.ts";
import { docPrograms, programAt } from "../helpers/doc_programs.ts";
import { ROOT } from "../helpers/source_files.ts";
import { startRegistryProject } from "../helpers/registry_project.ts";

Deno.test("README's commands lead to an answered call in an empty folder", async () => {
  await using project = await startRegistryProject();
  await Deno.remove(`${project.folder}/deno.json`);
  const add = await project.shell(await commandOf("README.md", "deno add"));
  assertEquals(add.code, 0, add.stderr);
  const [port = 0] = freePorts(1);
  const url = `amqp://127.0.0.1:${port}`;
  const programs = await docPrograms();
  await project.write("server.ts", programAt(programs, "README.md 1", url));
  await project.write("client.ts", programAt(programs, "README.md 2", url));
  const start = await commandOf("README.md", "deno run");
  await using broker = project.startShell(start.replace("5672", `${port}`));
  assertStringIncludes(await broker.nextLine(), url.replace("//", "//guest:guest@"));
  // What stands in the text.
  await using server = project.startShell("deno run -A server.ts 2>&1");
  await server.line('Server of "math": serving');
  const { code, stdout, stderr } = await project.shell("deno run -A client.ts");
  assertEquals([code, stdout], [0, "3\n{ ok: true, output: 7 }\n"], stderr);
  server.kill("SIGINT");
  assertEquals((await server.status).code, 0);
  broker.kill("SIGINT");
  await broker.status;
});

Deno.test("docs/cli.md installs warren, which lists what is there", async () => {
  await using broker = await TestBroker.start();
  await using _server = await RpcServer.listen(broker.url, {
    queue: "math",
    handlers: { echo: (value: unknown) => value },
    log: false,
  });
  await using project = await startRegistryProject();
  const install = await commandOf("docs/cli.md", "deno install");
  // Not into the home of whoever runs the tests.
  const added = await project.shell(install.replace("--global", "--global --root ."));
  assertEquals(added.code, 0, added.stderr);
  const variable = await commandOf("docs/cli.md", "export AMQP_URL=");
  const set = variable.replace("amqp://broker.example", `'${broker.url}'`);
  const { code, stdout, stderr } = await project.shell(
    `${set}; ${await commandOf("docs/cli.md", "warren ls")}`,
  );
  assertEquals(code, 0, stderr);
  assertMatch(stdout, /\bmath\b/);
});

Deno.test("README's deno.json links a checkout, which works without JSR", async () => {
  const readme = await Deno.readTextFile(new URL("README.md", ROOT));
  const [, text = ""] = /`(\{ "links".*\})`/.exec(readme) ?? [];
  assertStringIncludes(text, `@^${config.version}"`);
  await using project = await startRegistryProject();
  await project.goOffline();
  await project.write("deno.json", text.replace("../rpc", fileURLToPath(ROOT)));
  await using broker = await TestBroker.start();
  await project.write("fibonacci_worker.ts", programAt(await docPrograms(), "README.md 3"));
  await project.write("server.ts", programAt(await docPrograms(), "README.md 4", broker.url));
  await using server = project.startShell("deno run -A server.ts 2>&1");
  await server.line('Server of "fibonacci": serving');
  await using client = await RpcClient.connect(broker.url, { queue: "fibonacci" });
  assertEquals(await client.call("slowFibonacci", 20), 6765);
  server.kill("SIGTERM");
  assertEquals((await server.status).code, 0);
});

Deno.test("docs/permissions.md names JSR beside other hosts that programs import from", async () => {
  const text = await Deno.readTextFile(new URL("docs/permissions.md", ROOT));
  const [flag = ""] = /--allow-import=jsr\.io,[\w.]+/.exec(text) ?? [];
  await using project = await startRegistryProject();
  await project.write("main.ts", 'import { RpcError } from "@warren/rpc";\nvoid RpcError;\n');
  const run = (allowed: string) => {
    return project.shell(`h=\${JSR_URL#http://}; deno run --reload ${allowed} main.ts`);
  };
  const { code, stderr } = await run(flag.replace("jsr.io", "${h%/}"));
  assertEquals(code, 0, stderr);
  const without = await run(flag.replace("jsr.io,", ""));
  assertEquals(without.code, 1);
  assertStringIncludes(without.stderr, "--allow-import");
});
