import { assert, assertEquals, assertMatch, assertStringIncludes } from "../../deps/std_assert.ts";
import { RpcControl } from "../../extras/control/rpc_control.ts";
import { RpcClient, RpcServer } from "../../mod.ts";
import { TestBroker } from "../../testing/mod.ts";
import { PrivateNode } from "../../tools/brokers/private_node.ts";
import { eventually } from "../helpers/eventually.ts";
import { rabbitmqTest, testUnless } from "../helpers/features.ts";
import { gatedWork } from "../helpers/gated_work.ts";
import { Tmux, whyNoTmux } from "../helpers/tmux.ts";

const MAIN = new URL("../../cli/main.ts", import.meta.url).href;
const TOP = `"${Deno.execPath()}" run --allow-all --no-check --quiet ${MAIN} top`;
const missing = await whyNoTmux();

/** A broker that can go away and come back. */
interface Broker {
  readonly url: string;
  readonly stop: () => Promise<unknown>;
  readonly start: () => Promise<unknown>;
}

/** A server as the screen shows it: by its id, the slots and how many requests it has in hand. */
function serversOn(screen: string): Record<string, string> {
  const rows = screen.matchAll(/^[> ] math\/([\da-f]{12}) .*\] (\d+\/\d+) +(\d+) /gm);
  return Object.fromEntries(
    [...rows].map(([, id = "", slots, inHand]) => [id, `${slots} ${inHand}`]),
  );
}

async function watchServers({ url, stop, start }: Broker): Promise<void> {
  const work = gatedWork();
  const options = {
    queue: "math",
    handlers: { ...work.handlers, echo: (value: unknown) => value },
    prefetch: 4,
    control: "admin",
    log: false,
  } as const;
  await using _one = await RpcServer.listen(url, options);
  await using _other = await RpcServer.listen(url, options);
  await using client = await RpcClient.connect(url, { queue: "math", log: false });
  await using control = await RpcControl.connect(url);
  const waiting = [1, 2, 3, 4, 5].map((n) => client.call("wait", n, { idempotent: true }));
  await eventually(() => assertEquals(work.runs, 5));
  await using tmux = await Tmux.open({ columns: 100, rows: 24, env: { AMQP_URL: url } });
  // A shell that has not begun to read shows what is typed twice.
  await eventually(async () => assertMatch(await tmux.screen(), /^[$#] *$/m));
  await tmux.type(`echo before; ${TOP} math`);
  const stats = await control.stats({ queue: "math", expect: 2 });
  const told = stats.map(({ id, inHand, prefetch }) => [id, `${inHand}/${prefetch} ${inHand}`]);
  await eventually(async () => {
    assertEquals(serversOn(await tmux.screen()), Object.fromEntries(told));
  });
  // Another size, and a broker that goes and comes back.
  await tmux.resize(60, 15);
  await eventually(async () => {
    const lines = (await tmux.screen()).split("\n");
    assertMatch(lines[0] ?? "", /^warren top .* 2 servers$/);
    assertMatch(lines[14] ?? "", /^\? help/);
    assert(lines.every((line) => line.length <= 60));
  });
  await stop();
  await eventually(async () => assertStringIncludes(await tmux.screen(), "The broker is away"));
  await start();
  await eventually(async () => {
    const screen = await tmux.screen();
    assert(!screen.includes("away") && !screen.includes("silent"), screen);
  }, 60_000);
  work.open();
  await Promise.all(waiting);
  await tmux.resize(100, 24);
  await eventually(async () => {
    const shown = serversOn(await tmux.screen());
    assertEquals(Object.values(shown), ["0/4 0", "0/4 0"]);
  });
  // A key, its question, and what came of it.
  await tmux.keys("j");
  await tmux.keys("p");
  await eventually(async () => assertMatch(await tmux.screen(), /pause math\/[\da-f]{12}\? y\/n/));
  await tmux.keys("y");
  await eventually(async () => assertMatch(await tmux.screen(), /^> math\/\S+ .* paused /m));
  const states = (await control.ping({ queue: "math", expect: 2 })).length;
  assertEquals(states, 2);
  await tmux.keys("C-c");
  // What was there before is there again, and the shell reads what is typed.
  await eventually(async () => assertMatch(await tmux.screen(), /^before\n[$#] *$/m));
  await tmux.type('echo "code $?"; stty -a | tr " " "\\n" | grep -x -e "-\\?echo"');
  await eventually(async () => {
    const screen = await tmux.screen();
    assertMatch(screen, /^code 130\necho$/m);
    assert(/^before$/m.test(screen) && !screen.includes("SERVER"), screen);
  });
}

Deno.test(testUnless(
  missing,
  "warren top shows two servers truthfully, and leaves the terminal clean",
  async () => {
    await using broker = await TestBroker.start();
    const { url } = broker;
    await watchServers({
      url,
      stop: () => broker.stopApp(),
      start: () => broker.startApp(),
    });
  },
));

Deno.test(rabbitmqTest("warren top does so on RabbitMQ", async () => {
  await using node = await PrivateNode.start();
  await watchServers({ url: node.url, stop: () => node.stop(), start: () => node.restart() });
}, { missing }));
