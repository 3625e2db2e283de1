/** Tests that must hold on the embedded broker and on RabbitMQ. @module */

import { TestBroker } from "../../../testing/mod.ts";
import { textOf } from "../../../testing/wire/field_value.ts";
import { PROTOCOL_HEADER } from "../../../testing/wire/frame.ts";
import {
  RawClient,
  type RawClientOptions,
  type Received,
  type Sparse,
} from "../../../tools/raw/raw_client.ts";

/** The RabbitMQ to compare with, if there is one; `AMQP_URL` may name the embedded broker. */
export const RABBITMQ_URL: string | undefined = await findRabbitmq(Deno.env.get("AMQP_URL"));

/** What a test on both brokers has at hand. */
export interface Bench {
  /** Where the broker listens. */
  readonly url: string;
  /** A name that no other test uses. */
  readonly name: string;
  /** Opens a connection with channel 1; it is closed after the test. */
  open(options?: RawClientOptions): Promise<RawClient>;
}

/** Declares one test for each broker; the one on RabbitMQ is ignored if there is none. */
export function onBothBrokers(name: string, run: (bench: Bench) => Promise<void>): void {
  Deno.test(`${name} (embedded)`, async () => {
    await using broker = await TestBroker.start();
    await runOn(broker.url, run);
  });
  Deno.test({
    name: `${name} (RabbitMQ)`,
    ignore: RABBITMQ_URL === undefined,
    fn: () => runOn(RABBITMQ_URL ?? "", run),
  });
}

async function findRabbitmq(url: string | undefined): Promise<string | undefined> {
  if (url === undefined) return undefined;
  using client = await RawClient.dial(url);
  client.write(PROTOCOL_HEADER);
  const { arguments: { serverProperties } } = await client.next(0, "connection.start");
  return textOf(serverProperties.get("product")) === "RabbitMQ" ? url : undefined;
}

async function runOn(url: string, run: (bench: Bench) => Promise<void>): Promise<void> {
  using clients = new DisposableStack();
  await run({
    url,
    name: `test.${crypto.randomUUID()}`,
    async open(options: RawClientOptions = {}): Promise<RawClient> {
      const client = clients.use(await RawClient.open(url, options));
      await client.openChannel(1);
      return client;
    },
  });
}

/** Declares a queue on channel 1 and returns its name. */
export async function declareQueue(
  client: RawClient,
  values: Sparse<"queue.declare">,
): Promise<string> {
  const answer = await client.call(1, ["queue.declare", "queue.declare-ok"], values);
  return answer.arguments.queue;
}

/** Returns the body of a message as text. */
export function textOfBody(message: Received): string {
  return new TextDecoder().decode(message.body);
}

/** Returns the text with which the broker refuses what `attempt` does. */
export async function refusal(attempt: Promise<unknown>): Promise<string> {
  try {
    await attempt;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
  throw new Error("Cannot tell the refusal as nothing was refused: success");
}
