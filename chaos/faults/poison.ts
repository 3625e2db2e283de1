/** R9: strangers publish what nobody of good will sends, to every queue that they can name. @module */

import type { RpcClient, RpcClientEvent } from "../../mod.ts";
import { POISON_MAX_BODY_BYTES } from "../../tools/raw/poison.ts";
import { PoisonFuzzer } from "../../tools/raw/poison_fuzz.ts";
import type { Fault, RowFigures } from "../fault.ts";
import { atLeast, atMost } from "../limits.ts";
import { type Ctl, queueDepth } from "../checking/queue_depth.ts";
import type { Scene } from "../scene.ts";
import { Stranger } from "../load/stranger.ts";

/** RabbitMQ 3.10's quorum queues take seconds for headers that are 20,000 levels deep. */
const MAX_NESTING = 5_000;
const DURABLE_PREFIX = "rpc.replies.";
const FUZZED_AT_A_TIME = 50;
/** Of the corpus alone: what amqplib cannot read, and what names a queue that is not for replies. */
const LEAST_UNDECODABLE = 2;
const LEAST_REFUSED = 4;
const SETTLE_LIMIT_MS = 20_000;

/** Requests, replies and control messages that are broken, among good ones. */
export const poison: Fault = {
  id: "R9",
  title: "poison among the calls",
  seconds: 30,
  run,
};

async function run(scene: Scene): Promise<RowFigures> {
  const { queue } = scene;
  const node = await scene.node();
  const server = { urls: [node.url], maxBodyBytes: POISON_MAX_BODY_BYTES };
  const earlier = await brokerNamedQueues(node);
  const servers = await Promise.all([scene.startServer(server), scene.startServer(server)]);
  const controlQueues = (await brokerNamedQueues(node)).difference(earlier);
  const victims = new Victims();
  await victims.connect(scene, node.url);
  const exclusive = (await brokerNamedQueues(node)).difference(earlier).difference(controlQueues);
  await scene.startLoad(victims.clients, { lanes: 4 });
  const open = async (name: string) => scene.use(await Stranger.open(node.url, name));
  const stranger = await open(queue);
  const repliers = await Promise.all([...exclusive, `${DURABLE_PREFIX}${queue}`].map(open));
  const controllers = await Promise.all([...controlQueues].map(open));
  await publishAll(scene, stranger, [...repliers, ...controllers]);
  const told = (what: string) => sum(servers, (one) => one.told(what));
  const taken = (strangers: readonly Stranger[]) => sum(strangers, (one) => one.taken);
  const isAllSeen = () =>
    told("served") >= stranger.taken && victims.unknownReplies >= taken(repliers);
  await scene.until(isAllSeen, SETTLE_LIMIT_MS);
  const dead = servers.filter(({ running }) => !running).length;
  const check = await scene.conclude(node);
  const parked = (await queueDepth(node, `${queue}.parked`))?.ready ?? NaN;
  const strangers = [stranger, ...repliers, ...controllers];
  return {
    injected: sum(strangers, ({ published }) => published),
    check,
    // Nobody may pay for it, be it by another execution or another connection.
    terms: { extraBound: 0, maxExecutions: 1 },
    limits: [
      atMost("processes that died", dead, 0),
      atMost("connections lost by clients", victims.losses, 0),
      atMost("connections lost by servers", told("lost-connection"), 0),
      atMost("poison requests unaccounted for", apart(told("served"), stranger.taken), 0),
      atMost("poison replies unaccounted for", apart(victims.unknownReplies, taken(repliers)), 0),
      atMost("parked and not in the parking queue", apart(parked, told("parked")), 0),
      atMost("given up and not parked", told("not-parked") + told("unserved"), 0),
      atMost("answered twice", stranger.answeredTwice(), 0),
      atLeast("parked as their headers are broken", told("parked undecodable"), LEAST_UNDECODABLE),
      atLeast("parked as nobody may have a reply", told("parked reply-to-refused"), LEAST_REFUSED),
    ],
    notes: {
      "poison requests": stranger.taken,
      "of those, answered": stranger.answered(),
      "of those, parked": told("parked"),
      "poison replies": taken(repliers),
      "poison control messages": taken(controllers),
      ...refusalNotes(strangers),
    },
  };
}

/** The clients that the load has; each has a reply queue that strangers can name. */
class Victims {
  readonly clients: RpcClient[] = [];
  losses = 0;

  async connect(scene: Scene, url: string): Promise<void> {
    const options = {
      maxBodyBytes: POISON_MAX_BODY_BYTES,
      onEvent: ({ type }: RpcClientEvent) => {
        if (type === "disconnected") this.losses++;
      },
    };
    const replyQueue = { name: scene.queue } as const;
    this.clients.push(
      await scene.connect(url, options),
      await scene.connect(url, { ...options, replyQueue }),
    );
  }

  /** Replies that came to calls that were never made. */
  get unknownReplies(): number {
    return sum(this.clients, (client) => {
      const { unknownReplies, duplicateReplies } = client.stats();
      return unknownReplies + duplicateReplies;
    });
  }
}

/** Publishes the corpus to each queue, and then what nobody has thought of. */
async function publishAll(scene: Scene, stranger: Stranger, others: readonly Stranger[]) {
  const { random, budget } = scene;
  const fuzzer = new PoisonFuzzer(random);
  scene.inject();
  const some = budget.isShort ? [random.pick(others)] : others;
  await Promise.all([stranger, ...some].map((one) => one.publishCorpus(MAX_NESTING)));
  for (const round of budget.rounds({ full: 60, short: budget.isShort ? 4 : 20 })) {
    await stranger.publishFuzzed(fuzzer, FUZZED_AT_A_TIME);
    await others[round % others.length]?.publishFuzzed(fuzzer, FUZZED_AT_A_TIME / 5);
    await scene.progress(20);
  }
}

/** Queues that the broker has named: the reply queues of clients and the control queues of servers. */
async function brokerNamedQueues(node: Ctl): Promise<ReadonlySet<string>> {
  const names = await node.ctl("list_queues", "--quiet", "--no-table-headers", "name");
  return new Set(names.split("\n").filter((name) => name.startsWith("amq.gen-")));
}

function refusalNotes(strangers: readonly Stranger[]): Record<string, number> {
  const notes: Record<string, number> = {};
  for (const { refusals } of strangers) {
    for (const [code, count] of refusals) {
      const name = `refused by the broker with ${code}`;
      notes[name] = (notes[name] ?? 0) + count;
    }
  }
  return notes;
}

function sum<Item>(items: readonly Item[], of: (item: Item) => number): number {
  return items.reduce((all, item) => all + of(item), 0);
}

function apart(figure: number, expected: number): number {
  return Math.abs(figure - expected);
}
