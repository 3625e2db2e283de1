import { assertEquals, assertMatch, assertStringIncludes } from "../../deps/std_assert.ts";
import { TestBroker } from "../../testing/mod.ts";
import { RawClient } from "../../tools/raw/raw_client.ts";
import { BrokerProgram, endOf } from "./helpers/broker_program.ts";
import { refusal } from "./helpers/both_brokers.ts";

Deno.test("testing/main.ts prints its URL and stops when told to", async () => {
  await using program = await BrokerProgram.start(["--port", "0"]);
  using _client = await RawClient.open(program.url);
  assertEquals(await program.stop(), 0);
});

Deno.test("testing/main.ts --help tells of every option", async () => {
  const { code, stdout, stderr } = await endOf(["--help"]);
  assertEquals([code, stderr], [0, ""]);
  for (const name of ["port", "user", "vhost", "permissions", "heartbeat", "max-message-bytes"]) {
    assertStringIncludes(stdout, `--${name} `);
  }
});

for (
  const [args, text] of [
    [["--prot", "21050"], 'there is no such option, see --help: "--prot"'],
    [["5672"], 'there is no such option, see --help: "5672"'],
    [["--port"], 'an option needs a value: "--port"'],
    [["--port", "--user", "a:b"], 'an option needs a value: "--port"'],
    [["--port", "1", "--port=2"], 'an option is given twice: "--port"'],
    [["--port", "x"], '"--port" must be an integer from 0 to 65535: current value is "x"'],
    [["--port="], '"--port" must be an integer from 0 to 65535: current value is ""'],
    [["--port", "99999"], '"--port" must be an integer from 0 to 65535: current value is 99999'],
    [
      ["--heartbeat", "-1"],
      '"--heartbeat" must be an integer from 0 to 65535: current value is "-1"',
    ],
    [["--compat", "4"], '"--compat" must be one of "3.10", "4.0", "4.3": current value is "4"'],
    [["--compat", "4.3", "--frame-max", "4096"], '"--frame-max" must be an integer from 8192'],
    [["--user", "secret"], '"--user" must be of the form "<name>:<password>": no colon'],
    [["--permissions", "guest / .*"], '"--permissions" must be of the form "<user> <vhost>'],
    [["--permissions", "eve / .* .* .*"], '"--permissions" must be of a user that there is: "eve"'],
    [["--permissions", "guest / .* .* ("], '"read" must be a regular expression'],
  ] as const
) {
  Deno.test(`testing/main.ts ${args.join(" ")} ends with one line`, async () => {
    const { code, stdout, stderr } = await endOf(args);
    assertEquals([code, stdout], [64, ""]);
    assertMatch(stderr, /^Cannot start as [^\n]*\n$/);
    assertStringIncludes(stderr, text);
  });
}

Deno.test("testing/main.ts says that its port is taken", async () => {
  await using broker = await TestBroker.start();
  const { code, stderr } = await endOf(["--port", `${broker.port}`]);
  assertEquals(code, 69);
  assertMatch(stderr, /^Cannot listen as the port is taken: [^\n]*\n$/);
});

Deno.test("testing/main.ts says that it cannot have an address", async () => {
  const { code, stderr } = await endOf(["--port", "0", "--hostname", "192.0.2.1"]);
  assertEquals(code, 71);
  assertMatch(stderr, /^Cannot listen as the system refuses it: [^\n]*\n$/);
});

Deno.test("testing/main.ts says that Deno does not let it listen", async () => {
  const { code, stderr } = await endOf(["--port", "0"], []);
  assertEquals([code, stderr], [77, "Cannot listen as Deno denies it: run with --allow-net\n"]);
});

Deno.test("testing/main.ts takes users, permissions, virtual hosts and limits", async () => {
  await using program = await BrokerProgram.start([
    ...["--port", "0", "--compat", "4.3", "--heartbeat", "7", "--max-message-bytes", "10"],
    ...["--frame-max=9000", "--vhost", "orders", "--user", "ada:a:b", "--user", "bob:c"],
    ...["--permissions", "bob orders ^bob$ .* .*"],
  ]);
  assertMatch(program.url, /^amqp:\/\/ada:a%3Ab@/);
  using ada = await RawClient.open(program.url, { virtualHost: "orders", frameMax: 9000 });
  await ada.openChannel(1);
  ada.send(1, "basic.publish", {}, { body: new Uint8Array(11) });
  assertStringIncludes(
    await refusal(ada.next(1, "basic.ack")),
    "message size 11 is larger than configured max size 10",
  );
  const credentials = { name: "bob", password: "c" };
  const other = RawClient.open(program.url, { credentials, frameMax: 9000 });
  assertStringIncludes(await refusal(other), "access to vhost '/' refused for user 'bob'");
  const values = { virtualHost: "orders", credentials, frameMax: 9000 };
  using bob = await RawClient.open(program.url, values);
  await bob.openChannel(1);
  const declared = bob.call(1, ["queue.declare", "queue.declare-ok"], { queue: "x" });
  assertStringIncludes(await refusal(declared), "access to queue 'x' in vhost 'orders' refused");
});

Deno.test("deno task broker takes options for the embedded broker only", async () => {
  const launch = new URL("../../tools/launch.ts", import.meta.url).href;
  const { code, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--allow-all", "--quiet", "--no-check", launch, "broker", "--prot", "1"],
    stdin: "null",
  }).output();
  assertEquals(code, 1);
  assertStringIncludes(
    new TextDecoder().decode(stderr),
    'Cannot keep a broker as only "--broker embedded" takes options: "--prot 1"',
  );
});
