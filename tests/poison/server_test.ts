import { assertEquals, assertGreater } from "../../deps/std_assert.ts";
import { AmqpPeer } from "../helpers/amqp_peer.ts";
import { brokerUrl } from "../helpers/broker.ts";
import { eventually, within } from "../helpers/eventually.ts";
import { startPair } from "../helpers/pair.ts";
import { type Poison, POISON_MAX_BODY_BYTES, poisonCorpus } from "../../tools/raw/poison.ts";
import { RawPublisher } from "../../tools/raw/raw_publisher.ts";

const LIMIT_MS = 60_000;

/** RabbitMQ 3.10's quorum queues take seconds for headers that are 20,000 levels deep. */
const MAX_NESTING = { replicated: 5_000, durable: 20_000 };

/** Counts how often each innocent request is run. */
class Ledger {
  readonly runs = new Map<number, number>();
  readonly handlers = {
    echo: (input: unknown) => {
      const id = innocentId(input);
      if (id !== undefined) this.runs.set(id, (this.runs.get(id) ?? 0) + 1);
      return input;
    },
  };
}

function innocentId(input: unknown): number | undefined {
  if (typeof input !== "object" || input === null || !("innocent" in input)) return undefined;
  return typeof input.innocent === "number" ? input.innocent : undefined;
}

for (const durability of ["replicated", "durable"] as const) {
  Deno.test(`RpcServer takes poison from a ${durability} queue at nobody's cost`, async () => {
    const ledger = new Ledger();
    const server = { durability, maxBodyBytes: POISON_MAX_BODY_BYTES };
    const client = { timeoutMs: 20_000 };
    await using pair = await startPair(ledger.handlers, { server, client });
    await using peer = await AmqpPeer.open();
    using publisher = await RawPublisher.open(brokerUrl());
    const bait = { replyTo: peer.replyQueue, correlationId: "poison" };
    const corpus = poisonCorpus(bait, { maxNesting: MAX_NESTING[durability] });
    let taken = 0;
    async function poisonAndCall(poison: Poison, innocent: number): Promise<void> {
      const [outcome, output] = await within(
        LIMIT_MS,
        `"${poison.name}"`,
        Promise.all([
          publisher.publish(pair.queue, poison),
          pair.client.call("echo", { innocent }),
        ]),
      );
      if (outcome === "confirmed") taken++;
      assertEquals(output, { innocent }, poison.name);
    }
    for (const [index, poison] of corpus.entries()) await poisonAndCall(poison, index);
    await eventually(() => assertEquals(pair.server.stats().active, 0));
    await assertNothingLost(taken);
    assertEquals([...ledger.runs], corpus.map((_, index) => [index, 1]));

    async function assertNothingLost(taken: number) {
      assertGreater(taken, 0.8 * corpus.length);
      const types = (events: readonly { type: string }[]) => events.map(({ type }) => type);
      const serverTypes = new Set(types(pair.serverEvents));
      assertEquals(serverTypes, new Set(["connected", "served", "parked"]));
      assertEquals(types(pair.clientEvents), ["connected"]);
      await eventually(() => {
        const served = pair.serverEvents.filter(({ type }) => type === "served");
        assertEquals(served.length, taken + corpus.length);
      });
      await pair.server.close();
      assertEquals(await peer.countMessages(pair.queue), 0);
    }
  });
}
