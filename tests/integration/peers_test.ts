import { RpcClient, RpcServer } from "../../mod.ts";
import { assertEquals } from "../../deps/std_assert.ts";
import { AmqpPeer } from "../helpers/amqp_peer.ts";
import { brokerUrl, deleteQueue, randomQueue } from "../helpers/broker.ts";
import { eventually } from "../helpers/eventually.ts";
import { testUnless, whyNoAmqp10 } from "../helpers/features.ts";
import { AMQP_10_PEER, PeerPrograms, PEERS } from "../helpers/peers.ts";

/** Our side of a test, with a queue of its own. */
class Desk implements AsyncDisposable {
  readonly queue = randomQueue();
  /** How often our servers have run. */
  runs = 0;

  /** Starts a server of ours, beside which those that know nothing of it can declare its queue. */
  listen(): Promise<RpcServer> {
    const fibonacci = (n: number): number => n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2);
    const handlers = { fibonacci: (n: number) => (this.runs++, fibonacci(n)) };
    return RpcServer.listen(brokerUrl(), {
      queue: this.queue,
      handlers,
      returns: false,
      log: false,
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return deleteQueue(this.queue);
  }
}

for (const peer of PEERS) {
  const name = `${peer.name} calls and serves, whoever starts first`;
  Deno.test(testUnless(peer.missing, name, async (t) => {
    await using programs = await PeerPrograms.of(peer);
    await t.step("Ours first", () => startAfter(programs));
    await t.step("Theirs first", () => startBefore(programs));
  }));
}

const noAmqp10 = await whyNoAmqp10();
Deno.test(testUnless(noAmqp10, "rhea calls and serves by AMQP 1.0", async () => {
  await using programs = await PeerPrograms.of(AMQP_10_PEER);
  await using desk = new Desk();
  await using admin = await AmqpPeer.open();
  const replyQueue = await admin.declareQueue(`client.gen-${crypto.randomUUID()}`);
  const args = [brokerUrl(), desk.queue] as const;
  await using ours = await desk.listen();
  await using theirClient = programs.startClient(...args, "10", replyQueue);
  assertEquals([await theirClient.nextLine(), desk.runs], ["55", 1]);
  await using _theirs = await programs.startServer(...args);
  await ours.close();
  await using client = await RpcClient.connect(brokerUrl(), { queue: desk.queue, log: false });
  assertEquals([await client.call("fibonacci", 20), desk.runs], [6765, 1]);
}));

async function startAfter(programs: PeerPrograms): Promise<void> {
  await using desk = new Desk();
  await using ours = await desk.listen();
  await using theirClient = programs.startClient(brokerUrl(), desk.queue, "10");
  assertEquals([await theirClient.nextLine(), desk.runs], ["55", 1]);
  await using _theirs = await programs.startServer(brokerUrl(), desk.queue);
  await ours.close();
  await using client = await RpcClient.connect(brokerUrl(), { queue: desk.queue, log: false });
  assertEquals([await client.call("fibonacci", 20), desk.runs], [6765, 1]);
}

async function startBefore(programs: PeerPrograms): Promise<void> {
  await using desk = new Desk();
  await using admin = await AmqpPeer.open();
  await using client = await RpcClient.connect(brokerUrl(), { queue: desk.queue, log: false });
  const theirs = await programs.startServer(brokerUrl(), desk.queue);
  assertEquals([await client.call("fibonacci", 20), desk.runs], [6765, 0]);
  const first = await desk.listen();
  await theirs[Symbol.asyncDispose]();
  // A server that is killed may not have acknowledged what it has answered: it comes again first.
  await eventually(async () => assertEquals(await admin.countConsumers(desk.queue), 1));
  assertEquals(await client.call("fibonacci", 20), 6765);
  await first.close();
  await using theirClient = programs.startClient(brokerUrl(), desk.queue, "10");
  await eventually(async () => assertEquals(await admin.countMessages(desk.queue), 1));
  await using _second = await desk.listen();
  assertEquals(await theirClient.nextLine(), "55");
}
