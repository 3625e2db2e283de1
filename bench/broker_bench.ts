/**
 * Compares the embedded broker with RabbitMQ: echoes over two queues, one at a time and 64 in flight.
 *
 * Both brokers run in processes of their own and take turns, so that what else the machine does hits both.
 * RabbitMQ is the one at `AMQP_URL`.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { type Channel, connect } from "../deps/amqplib.ts";
import { median } from "../tools/measuring/quantile.ts";

const ROUNDS = 5;
const ECHOES = { 1: 3000, 64: 15_000 } as const;
const START_FIXTURE =
  new URL("../tests/testing/fixtures/start_to_delivery.ts", import.meta.url).href;

const rabbitmqUrl = Deno.env.get("AMQP_URL");
if (rabbitmqUrl === undefined) {
  console.log("Cannot compare brokers as AMQP_URL is not set");
  Deno.exit(1);
}
const child = new Deno.Command(Deno.execPath(), {
  args: ["run", "--allow-net", new URL("../testing/main.ts", import.meta.url).href, "--port", "0"],
  stdout: "piped",
}).spawn();
const embeddedUrl = await readUrl(child.stdout);

const results = new Map<string, number[]>();
for (let round = 0; round < ROUNDS; round++) {
  for (const inFlight of [1, 64] as const) {
    for (const [name, url] of [["embedded", embeddedUrl], ["RabbitMQ", rabbitmqUrl]] as const) {
      const key = `${name}, ${inFlight} in flight`;
      const rate = await measure(url, inFlight);
      results.set(key, [...results.get(key) ?? [], rate]);
    }
  }
}
for (const [key, rates] of results) {
  const [low, middle, high] = [Math.min(...rates), median(rates), Math.max(...rates)].map(
    Math.round,
  );
  console.log(`${key}: median ${middle} echoes/s, from ${low} to ${high}`);
}
child.kill("SIGTERM");
await child.status;
const starts: number[] = [];
for (let round = 0; round < ROUNDS; round++) starts.push(await startToDelivery());
console.log(`embedded, start to first delivery: median ${median(starts).toFixed(1)} ms`);

/** Starts a broker in a fresh process and returns the milliseconds to its first delivery. */
async function startToDelivery(): Promise<number> {
  const args = ["run", "--allow-net", START_FIXTURE];
  const { stdout } = await new Deno.Command(Deno.execPath(), { args }).output();
  return Number(new TextDecoder().decode(stdout));
}

/** Returns echoes per second. */
async function measure(url: string, inFlight: 1 | 64): Promise<number> {
  const server = await connect(url, { noDelay: true });
  const client = await connect(url, { noDelay: true });
  const serving = await server.createChannel();
  const calling = await client.createChannel();
  const { queue } = await serving.assertQueue("", { exclusive: true });
  await serving.consume(queue, (message) => {
    if (message === null) throw new Error("Cannot echo as the consumer was cancelled: null");
    const { content, properties: { replyTo, correlationId } } = message;
    serving.sendToQueue(replyTo, content, { correlationId });
  }, { noAck: true });
  const total = ECHOES[inFlight];
  await echo(calling, { queue, inFlight, total: Math.round(total / 5) });
  const start = performance.now();
  await echo(calling, { queue, inFlight, total });
  const seconds = (performance.now() - start) / 1000;
  await client.close();
  await server.close();
  return total / seconds;
}

async function echo(
  channel: Channel,
  { queue, inFlight, total }: {
    readonly queue: string;
    readonly inFlight: number;
    readonly total: number;
  },
): Promise<void> {
  const { queue: replyTo } = await channel.assertQueue("", { exclusive: true });
  const body = Buffer.from("x".repeat(100));
  let sent = 0;
  let received = 0;
  const send = (): void => {
    if (sent < total) channel.sendToQueue(queue, body, { replyTo, correlationId: String(sent++) });
  };
  await new Promise<void>((resolve) => {
    channel.consume(replyTo, () => {
      if (++received === total) resolve();
      else send();
    }, { noAck: true });
    for (let index = 0; index < inFlight; index++) send();
  });
}

async function readUrl(stdout: ReadableStream<Uint8Array>): Promise<string> {
  let text = "";
  for await (const chunk of stdout.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    const [url] = /amqp:\S+/.exec(text) ?? [];
    if (url !== undefined) return url;
  }
  throw new Error(`Cannot measure as the test broker did not start: ${text}`);
}
