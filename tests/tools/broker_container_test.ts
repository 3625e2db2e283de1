import { assertEquals, assertMatch, assertStringIncludes } from "../../deps/std_assert.ts";

const MODULE = new URL("../../tools/brokers/broker_container.ts", import.meta.url);

/** Starts a container in a process that has a script of the test's for `docker`. */
async function startWith(
  script: string,
): Promise<{ readonly result: string; readonly calls: string }> {
  const folder = await Deno.makeTempDir();
  try {
    const log = `${folder}/calls`;
    const docker = `#!/bin/sh\necho "$*" >>${log}\n${script}`;
    await Deno.writeTextFile(`${folder}/docker`, docker, { mode: 0o755 });
    const code = `import { startBrokerContainer } from "${MODULE}";
      const container = await startBrokerContainer();
      console.log(container.url ?? container);
      if (container.url) await container[Symbol.asyncDispose]();`;
    const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["eval", code],
      env: { PATH: `${folder}:/usr/bin:/bin` },
    }).output();
    const result = new TextDecoder().decode(stdout.length > 0 ? stdout : stderr).trim();
    return { result, calls: await Deno.readTextFile(log) };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Greets every client as a broker does. */
function fakeBroker(): Deno.TcpListener {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const greet = async () => {
    for await (const connection of listener) {
      await connection.write(new Uint8Array([1, 0, 0, 0, 0, 0, 4, 0, 10, 0, 10]));
      await connection.read(new Uint8Array(8));
      connection.close();
    }
  };
  // Closing the listener is how the test ends.
  greet().catch(() => {});
  return listener;
}

Deno.test("startBrokerContainer() publishes on loopback and removes the container", async () => {
  using broker = fakeBroker();
  const { port } = broker.addr;
  const { result, calls } = await startWith(`[ "$1" != port ] || echo 127.0.0.1:${port}`);
  assertEquals(result, `amqp://guest:guest@127.0.0.1:${port}`);
  const [info, run = "", ...rest] = calls.trim().split("\n");
  assertEquals(info, "info");
  assertMatch(run, /^run --detach --rm --name warren-\S+ --publish 127\.0\.0\.1::5672 rabbitmq:/);
  const name = run.split(" ")[4];
  assertEquals(rest, [
    `port ${name} 5672/tcp`,
    `exec ${name} rabbitmqctl await_startup`,
    `rm --force --volumes ${name}`,
  ]);
});

Deno.test("startBrokerContainer() says why Docker is of no use", async () => {
  const { result, calls } = await startWith("echo 'Cannot connect to the daemon' >&2; exit 1");
  assertEquals(result, "docker info: Cannot connect to the daemon");
  assertEquals(calls, "info\n");
});

Deno.test("startBrokerContainer() removes a container that does not start", async () => {
  const { result, calls } = await startWith(
    '[ "$1" != run ] || { echo "no image" >&2; exit 125; }',
  );
  assertEquals(result, "docker run: no image");
  assertStringIncludes(calls, "rm --force --volumes warren-");
});
