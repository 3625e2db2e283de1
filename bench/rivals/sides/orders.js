/**
 * What a client does when it is told to: each line of stdin is an order in JSON, each line of stdout
 * the answer. It is the same code for ours and for all rivals in JavaScript.
 */

import process from "node:process";
import { createInterface } from "node:readline";

/** A text and a number: trivial, and yet an object that both sides have to encode and decode. */
const TEXT = "a short text";

/** Answers orders until stdin ends; `client` has `call(procedure, input)`. */
export async function obeyOrders(client) {
  console.log("ready");
  for await (const line of createInterface({ input: process.stdin })) {
    const order = JSON.parse(line);
    console.log(JSON.stringify(await ORDERS[order.kind](client, order)));
  }
  process.exit();
}

const ORDERS = { calls: makeCalls, mixed: mixCalls, pending: holdCalls };

/** Keeps so many calls in flight; tells the calls per second and how long they took. */
async function makeCalls(client, { procedure, input, count, inFlight }) {
  const durations = new Float64Array(count);
  let next = 0;
  const lane = async () => {
    while (next < count) {
      const number = next++;
      const startedAt = performance.now();
      await client.call(procedure, input ?? { text: TEXT, number });
      durations[number] = performance.now() - startedAt;
    }
  };
  const startedAt = performance.now();
  await Promise.all(Array.from({ length: inFlight }, lane));
  const perSecond = count / (performance.now() - startedAt) * 1_000;
  return { perSecond, ...percentiles(durations) };
}

/**
 * Sends long calls, then makes short ones, one after the other. The short call that is under way when
 * the time is over counts with the time that it has waited: it would have taken longer.
 */
async function mixCalls(client, { long, input, ms }) {
  const ignore = () => {};
  for (let sent = 0; sent < long; sent++) client.call("busy", input).then(ignore, ignore);
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  const durations = [];
  const end = performance.now() + ms;
  let answered = 0;
  while (performance.now() < end) {
    const startedAt = performance.now();
    const isAnswered = await Promise.race([
      client.call("echo", { text: TEXT, number: answered }).then(() => true),
      new Promise((resolve) => setTimeout(resolve, end - startedAt, false)),
    ]);
    if (isAnswered) answered++;
    durations.push(performance.now() - startedAt);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  return { answered, ...percentiles(Float64Array.from(durations)) };
}

/** Makes calls that nobody answers; tells the bytes that each of them holds, its input included. */
async function holdCalls(client, { count }) {
  const hold = async (calls) => {
    for (let sent = 0; sent < calls; sent++) {
      // Nobody waits for it, and none ends before the process does.
      client.call("hang", { text: TEXT, number: sent });
      // The broker's confirms are taken in meanwhile.
      if (sent % 100 === 99) await new Promise((resolve) => setTimeout(resolve, 1));
    }
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    // Twice, as what finalizers let go of is there until the second time.
    for (let round = 0; round < 2; round++) globalThis.gc();
    const { heapUsed, external } = process.memoryUsage();
    return heapUsed + external;
  };
  // So many that tables and buffers have been made before the count begins.
  const before = await hold(1_000);
  return { bytes: (await hold(count) - before) / count };
}

function percentiles(durations) {
  const sorted = durations.toSorted();
  const at = (share) => sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)];
  return { p50: at(0.5), p90: at(0.9), p99: at(0.99), max: sorted.at(-1) };
}
