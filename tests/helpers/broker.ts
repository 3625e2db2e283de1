/** The broker that the tests use, and queues on it that nobody else has. @module */

import { connect, type Options } from "../../deps/amqplib.ts";

/**
 * Where the broker is.
 *
 * @throws {Error} If the tests were started without one.
 */
export function brokerUrl(): string {
  const url = Deno.env.get("AMQP_URL");
  if (url) return url;
  throw new Error('Cannot test as AMQP_URL names no broker: run "deno task test", which finds one');
}

/** A queue name that no other test has, nor another run of the same test. */
export function randomQueue(): string {
  return `warren-test-${crypto.randomUUID()}`;
}

/** The URL of the same broker with other parts, to log in differently or to knock elsewhere. */
export function changedUrl(
  parts: Partial<Pick<URL, "username" | "password" | "port" | "pathname">>,
): string {
  return Object.assign(new URL(brokerUrl()), parts).href;
}

/** Declares a queue. */
export async function declareQueue(
  queue: string,
  options: Options.AssertQueue,
  url: string = brokerUrl(),
): Promise<void> {
  const connection = await connect(url, { noDelay: true });
  const channel = await connection.createChannel();
  await channel.assertQueue(queue, options);
  await channel.close();
  await connection.close();
}

/** Removes a queue, its parking queue and its exchange, whether they are there or not. */
export async function deleteQueue(queue: string, url: string = brokerUrl()): Promise<void> {
  const connection = await connect(url, { noDelay: true });
  const channel = await connection.createChannel();
  await channel.deleteQueue(queue);
  if (queue.length <= 248) await channel.deleteQueue(`${queue}.parked`);
  if (queue.length <= 246) await channel.deleteExchange(`${queue}.requests`);
  await channel.close();
  await connection.close();
}
