import { RpcClient, RpcServer } from "../../mod.ts";
import { assertEquals } from "../../deps/std_assert.ts";
import { AmqpPeer } from "../helpers/amqp_peer.ts";
import { brokerUrl, deleteQueue, randomQueue } from "../helpers/broker.ts";
import type { Child } from "../helpers/child.ts";
import { eventually } from "../helpers/eventually.ts";
import { testUnless, whyNoAmqp10 } from "../helpers/features.ts";
import { inputOf, nestjsCalls } from "../helpers/nestjs.ts";
import { AMQP_10_PEER, type Peer, PeerPrograms, PEERS } from "../helpers/peers.ts";

/** Both sides of a test, with a queue of their own. */
class Desk implements AsyncDisposable {
  readonly queue = randomQueue();
  readonly admin: AmqpPeer;
  /** How often our servers have run. */
  runs = 0;
  readonly #programs: PeerPrograms;

  private constructor(programs: PeerPrograms, admin: AmqpPeer) {
    this.#programs = programs;
    this.admin = admin;
  }

  static async open(programs: PeerPrograms): Promise<Desk> {
    return new Desk(programs, await AmqpPeer.open());
  }

  /** Starts a server of ours, beside which those that know nothing of it can declare its queue. */
  listen(): Promise<RpcServer> {
    const handlers = {
      fibonacci: (request: unknown) => (this.runs++, fibonacci(Number(inputOf(request)))),
    };
    return RpcServer.listen(brokerUrl(), {
      queue: this.queue,
      handlers,
      returns: false,
      log: false,
    });
  }

  /** Opens a client of ours. */
  connect(): Promise<RpcClient> {
    return RpcClient.connect(brokerUrl(), {
      queue: this.queue,
      log: false,
      ...this.#programs.peer.hasEnvelopes && { interceptors: [nestjsCalls] },
    });
  }

  /** Starts a client of theirs, which asks for the tenth. */
  async startTheirClient(): Promise<Child> {
    const replyQueues = this.#programs.peer.declaresNothing
      ? [await this.admin.declareQueue(`client.gen-${crypto.randomUUID()}`)]
      : [];
    return this.#programs.startClient(brokerUrl(), this.queue, "10", ...replyQueues);
  }

  /** Starts a server of theirs and waits until it serves. */
  async startTheirServer(): Promise<Child> {
    if (this.#programs.peer.declaresNothing) {
      const options = { durable: true, arguments: { "x-queue-type": "quorum" } };
      await this.admin.declareQueue(this.queue, options);
    }
    return this.#programs.startServer(brokerUrl(), this.queue);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.admin[Symbol.asyncDispose]();
    await deleteQueue(this.queue);
  }
}

const noAmqp10 = await whyNoAmqp10();
for (const peer of [...PEERS, AMQP_10_PEER]) {
  const name = `${peer.name} calls and serves, whoever starts first`;
  Deno.test(testUnless(whyNot(peer), name, async (t) => {
    await using programs = await PeerPrograms.of(peer);
    await t.step("Ours first", () => startAfter(programs));
    await t.step("Theirs first", () => startBefore(programs));
  }));
}

function whyNot(peer: Peer): string | undefined {
  return peer.missing ?? (peer === AMQP_10_PEER ? noAmqp10 : undefined);
}

async function startAfter(programs: PeerPrograms): Promise<void> {
  await using desk = await Desk.open(programs);
  await using ours = await desk.listen();
  await using theirClient = await desk.startTheirClient();
  assertEquals([await theirClient.nextLine(), desk.runs], ["55", 1]);
  await using _theirs = await desk.startTheirServer();
  await ours.close();
  await using client = await desk.connect();
  assertEquals([await client.call("fibonacci", 20), desk.runs], [6765, 1]);
}

async function startBefore(programs: PeerPrograms): Promise<void> {
  await using desk = await Desk.open(programs);
  const { admin, queue } = desk;
  await using client = await desk.connect();
  const theirs = await desk.startTheirServer();
  assertEquals([await client.call("fibonacci", 20), desk.runs], [6765, 0]);
  const first = await desk.listen();
  await theirs[Symbol.asyncDispose]();
  // A server that is killed may not have acknowledged what it has answered: it comes again first.
  await eventually(async () => assertEquals(await admin.countConsumers(queue), 1));
  assertEquals(await client.call("fibonacci", 20), 6765);
  await first.close();
  await using theirClient = await desk.startTheirClient();
  await eventually(async () => assertEquals(await admin.countMessages(queue), 1));
  await using _second = await desk.listen();
  assertEquals(await theirClient.nextLine(), "55");
}

function fibonacci(n: number): number {
  return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2);
}
