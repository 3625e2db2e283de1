import config from "../../deno.json" with { type: "json" };
import { assert, assertEquals, assertMatch, assertStringIncludes } from "../../deps/std_assert.ts";
import { TestBroker } from "../../testing/mod.ts";
import { docPrograms, programAt } from "../helpers/doc_programs.ts";
import { eventually } from "../helpers/eventually.ts";
import { startRegistryProject } from "../helpers/registry_project.ts";

Deno.test("deno create writes a service that is tested, served, called and deployed", async (t) => {
  await using broker = await TestBroker.start();
  await using project = await startRegistryProject({}, { AMQP_URL: broker.url });
  const consumers = () => broker.queues().find(({ name }) => name === "primes")?.consumers;

  await t.step("it is written, once", async () => {
    const create = ["create", "--yes", `jsr:@warren/rpc@${config.version}`, "--", "."];
    // The folder has a deno.json: nothing is to be lost.
    const refused = await project.deno(...create);
    assertStringIncludes(refused.stderr, 'Cannot create a service in "." as it has a file');
    await Deno.remove(`${project.folder}/deno.json`);
    const { code, stdout, stderr } = await project.deno(...create);
    assertEquals(code, 0, stderr);
    assertStringIncludes(stdout, "service_test.ts");
    assertStringIncludes(await text("deno.json"), `"jsr:@warren/rpc@^${config.version}"`);
  });

  function text(name: string): Promise<string> {
    return Deno.readTextFile(`${project.folder}/${name}`);
  }

  await t.step("it is formatted and checked", async () => {
    for (const args of [["check"], ["lint"], ["fmt", "--check", "--line-width=100"]]) {
      const { code, stdout, stderr } = await project.deno(...args, ...sources());
      assertEquals(code, 0, `${args[0]}: ${stdout}${stderr}`);
    }
  });

  function sources(): string[] {
    const names = [...Deno.readDirSync(project.folder)].map(({ name }) => name);
    return names.filter((name) => name.endsWith(".ts"));
  }

  await t.step("its test passes", async () => {
    const { code, stdout, stderr } = await project.deno("task", "test");
    assertEquals(code, 0, `${stdout}${stderr}`);
    assertMatch(stdout, /1 passed/);
  });

  await t.step("its broker starts", async () => {
    await using running = project.start("task", "--quiet", "broker", "--port", "0");
    assertMatch(await running.nextLine(), /amqp:/);
    running.kill("SIGTERM");
    await running.status;
  });

  await t.step("its server serves its client, and ends in order", async () => {
    await using server = project.start("task", "--quiet", "server");
    await eventually(() => assertEquals(consumers(), 1));
    const { code, stdout, stderr } = await project.deno("task", "--quiet", "client");
    assertEquals([code, stdout], [0, "There are 78498 primes below 1,000,000\n"], stderr);
    server.kill("SIGTERM");
    assertEquals((await server.status).code, 0);
  });

  await t.step("docs/start.md adds a procedure to it", async () => {
    const programs = await docPrograms();
    const write = async (file: string, id: string) => {
      const code = programAt(programs, id);
      assert(code.startsWith(`// ${file}\n`), id);
      await Deno.writeTextFile(`${project.folder}/${file}`, code);
    };
    await write("contract.ts", "docs/start.md 1");
    const { code, stderr } = await project.deno("check", ...sources());
    assertEquals(code, 1, "the handler is missing");
    assertStringIncludes(stderr, "nextReview");
    await write("service.ts", "docs/start.md 2");
    await write("plan.ts", "docs/start.md 3");
    await using server = project.start("run", "--quiet", "--allow-all", "server.ts");
    await eventually(() => assertEquals(consumers(), 1));
    const args = ["run", "--check", "--allow-net", "--allow-env=AMQP_URL", "plan.ts"];
    const { stdout, stderr: errors } = await project.deno(...args);
    const plan = '2026-12-03T00:00:00.000Z\nCannot plan a review as "soon" is no date\n';
    assertEquals(stdout, plan, errors);
    server.kill("SIGTERM");
    assertEquals((await server.status).code, 0);
  });

  await t.step("its image serves without a registry", async () => {
    const dockerfile = await text("Dockerfile");
    const [, build = ""] = /^RUN deno (.*)$/m.exec(dockerfile) ?? [];
    const [, command = "[]"] = /^CMD (\[.*\])$/m.exec(dockerfile) ?? [];
    assertEquals((await project.deno(...build.split(" "))).code, 0);
    await project.goOffline();
    const words: readonly string[] = JSON.parse(command);
    assert(words.length > 3);
    const args = words.slice(1).map((word) => word.replace("=/app", `=${project.folder}`));
    await using server = project.start(...args);
    await eventually(() => assertEquals(consumers(), 1));
    server.kill("SIGTERM");
    assertEquals((await server.status).code, 0);
  });
});
