import {
  assertEquals,
  assertGreater,
  assertGreaterOrEqual,
  assertLess,
} from "../../deps/std_assert.ts";
import { TestBroker } from "../../testing/mod.ts";
import { brokerUrl, deleteQueue, randomQueue } from "../helpers/broker.ts";
import { runChild } from "../helpers/child.ts";

/** 200,000 search far: 20 GB, at least 200 bodies over the limit. */
const MESSAGES = Number(Deno.env.get("FUZZ_BODIES") ?? 10_000);
const SEED = Deno.env.get("FUZZ_SEED") ?? `${Math.floor(Math.random() * 2 ** 32)}`;
const LIMIT_MS = 60_000 + 60 * MESSAGES;

/** The largest body for each of the four ends that may hold the last one; a leak has no end. */
const MAX_GROWTH_BYTES = 80 * 2 ** 20;

async function sendAll(url: string): Promise<void> {
  const queue = randomQueue();
  await using stack = new AsyncDisposableStack();
  for (const name of ["default", "raised"]) stack.defer(() => deleteQueue(`${queue}-${name}`, url));
  const { code, stdout, stderr } = await runChild(
    new URL("../fixtures/sized_bodies.ts", import.meta.url),
    {
      flags: ["--v8-flags=--expose-gc"],
      args: [url, queue, `${MESSAGES}`, SEED],
      limitMs: LIMIT_MS,
    },
  );
  assertEquals([code, stderr], [0, ""]);
  const { sent, innocent, wrong, events, pending, over, refused, bytes, growthBytes } = JSON.parse(
    stdout,
  );
  assertEquals({ innocent, wrong, events, pending }, {
    innocent: sent,
    wrong: [],
    events: [],
    pending: 0,
  });
  assertGreaterOrEqual(over, MESSAGES >= 200_000 ? MESSAGES / 1_000 : MESSAGES / 1_500);
  assertGreater(bytes, MESSAGES * 50_000);
  assertGreater(refused, 0);
  assertLess(growthBytes, MAX_GROWTH_BYTES);
}

const title = `${MESSAGES} bodies of all sizes harm nobody, seed ${SEED}`;

Deno.test(`${title}: on the broker`, () => sendAll(brokerUrl()));

Deno.test(`${title}: on the embedded broker`, async () => {
  await using broker = await TestBroker.start({ compat: "4.3" });
  await sendAll(broker.url);
});
