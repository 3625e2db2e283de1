import {
  type Broker,
  BROKER_SOURCES,
  type BrokerSource,
  findBroker,
} from "../../tools/brokers/broker.ts";
import {
  assertEquals,
  assertFalse,
  assertRejects,
  assertStrictEquals,
  assertStringIncludes,
} from "../../deps/std_assert.ts";

const ROOT = new URL("../../", import.meta.url);

function broker(): Broker {
  return {
    url: "amqp://test",
    origin: "container",
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

function source(find: BrokerSource["find"], isRabbitmq = true): BrokerSource {
  return { origin: "private node", isRabbitmq, find };
}

Deno.test("findBroker() takes the first source that has one", async () => {
  const expected = broker();
  const sources = [
    source(() => Promise.resolve("none here")),
    source(() => Promise.resolve(expected)),
    source(() => Promise.reject(new Error("asked too far"))),
  ];
  assertStrictEquals(await findBroker({ sources }), expected);
});

Deno.test("findBroker() says why there is none and what to install", async () => {
  const sources = [
    source(() => Promise.resolve("no rabbitmq-server is installed")),
    source(() => Promise.resolve("docker info: not installed")),
  ];
  const { message } = await assertRejects(() => findBroker({ sources }), Error);
  for (
    const text of [
      "Cannot find a broker as ",
      "private node: no rabbitmq-server is installed",
      "docker info: not installed",
      "sudo apt-get install rabbitmq-server",
      "brew install rabbitmq",
      "Docker",
      "AMQP_URL=amqp://",
    ]
  ) assertStringIncludes(message, text);
});

Deno.test("findBroker() ends the search when a source throws", async () => {
  const sources = [
    source(() => Promise.reject(new Error("nothing answers"))),
    source(() => Promise.resolve(broker())),
  ];
  await assertRejects(() => findBroker({ sources }), Error, "nothing answers");
});

Deno.test("findBroker() leaves stand-ins out when RabbitMQ is required", async () => {
  const sources = [source(() => Promise.resolve(broker()), false)];
  await assertRejects(() => findBroker({ sources, requireRabbitmq: true }), Error);
  assertEquals((await findBroker({ sources, requireRabbitmq: false })).url, "amqp://test");
});

Deno.test("findBroker() rejects with the reason of its signal", async () => {
  let asked = false;
  const sources = [source(() => Promise.resolve(`${asked = true}`))];
  const signal = AbortSignal.abort(new Error("stopped by the user"));
  await assertRejects(() => findBroker({ sources, signal }), Error, "stopped by the user");
  assertFalse(asked);
});

Deno.test("BROKER_SOURCES asks the user first and Docker last", () => {
  const origins = BROKER_SOURCES.map(({ origin }) => origin);
  const rabbitmqs = ["AMQP_URL", "127.0.0.1:5672", "private node", "container"];
  assertEquals(origins, [...rabbitmqs, "embedded broker"]);
});

/** Looks for a broker in a process whose variables are only these. */
async function findIn(env: Readonly<Record<string, string>>): Promise<string> {
  const code = `import { findBroker } from "${new URL("tools/brokers/broker.ts", ROOT)}";
    try { await using found = await findBroker(); console.log(found.origin); }
    catch (error) { console.log(error.message); }`;
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", code],
    env: { ...env },
    clearEnv: true,
  }).output();
  return new TextDecoder().decode(stdout).trim();
}

Deno.test("findBroker() never replaces a broker that AMQP_URL names", async () => {
  assertEquals(
    await findIn({ AMQP_URL: "amqp://127.0.0.1:1" }),
    "Cannot use the broker of AMQP_URL as nothing answers AMQP at 127.0.0.1:1: " +
      "start it, or unset AMQP_URL",
  );
});

Deno.test("findBroker() refuses an AMQP_URL of another kind, without its password", async () => {
  assertEquals(
    await findIn({ AMQP_URL: "http://user:secret@host" }),
    'Cannot use AMQP_URL as it must look like "amqp://user:password@host:5672": ' +
      'current value is "http://…@host"',
  );
});
