import config from "../../deno.json" with { type: "json" };
import { assert, assertEquals, assertMatch, assertStringIncludes } from "../../deps/std_assert.ts";
import { TestBroker } from "../../testing/mod.ts";
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
