/** Tests that must hold on the embedded broker, as each version, and on RabbitMQ. @module */

import { testUnless } from "../../helpers/features.ts";
import { type Compat, TestBroker } from "../../../testing/mod.ts";
import { COMPAT_VERSIONS } from "../../../testing/model/version_rules.ts";
import { textOf } from "../../../testing/wire/field_value.ts";
import { PROTOCOL_HEADER } from "../../../testing/wire/frame.ts";
import {
  RawClient,
  type RawClientOptions,
  type Received,
  type Sparse,
} from "../../../tools/raw/raw_client.ts";

/** A RabbitMQ, and what the embedded broker must be like to be compared with it. */
export interface RabbitmqUnderTest {
  readonly url: string;
  readonly compat: Compat;
  /** Whether it denies queues that are neither durable nor exclusive, as its makers deliver 4.3. */
  readonly deniesTransientQueues: boolean;
}

/** The RabbitMQ to compare with, if there is one; `AMQP_URL` may name the embedded broker. */
export const RABBITMQ: RabbitmqUnderTest | undefined = await findRabbitmq(Deno.env.get("AMQP_URL"));

/** Why nothing can be compared, if so. */
export const NO_RABBITMQ: string | undefined = RABBITMQ === undefined
  ? "the broker is not RabbitMQ"
  : undefined;

/** What a test on both brokers has at hand. */
export interface Bench {
  /** Where the broker listens. */
  readonly url: string;
  /** The version that it is, or follows. */
  readonly compat: Compat;
  /** A name that no other test uses; a queue of that name is deleted after the test. */
  readonly name: string;
  /** Opens a connection with channel 1; it is closed after the test. */
  open(options?: RawClientOptions): Promise<RawClient>;
}

/** How a test on both brokers differs from others. */
export interface BenchOptions {
  /** The versions that it is for. @default {all} */
  readonly versions?: readonly Compat[];
  /** Whether it is about what some packages of 4.3 permit against its makers' will. @default {false} */
  readonly needsDenial?: boolean;
}

/** What differs by version. */
export type ByVersion<Value> = Readonly<Record<Compat, Value>>;

const TIME_LIMIT_MS = 15_000;

/**
 * Declares one test for each version of the embedded broker, and one for RabbitMQ.
 *
 * The one on RabbitMQ is ignored if there is none, or if its version is not one that the test is for.
 */
export function onBothBrokers(
  name: string,
  run: (bench: Bench) => Promise<void>,
  { versions = COMPAT_VERSIONS, needsDenial = false }: BenchOptions = {},
): void {
  for (const compat of versions) {
    Deno.test(`${name} (embedded as ${compat})`, async () => {
      await using broker = await TestBroker.start({ compat });
      await runOn({ url: broker.url, compat }, run);
    });
  }
  const isFit = RABBITMQ === undefined || versions.includes(RABBITMQ.compat) &&
      !(needsDenial && !RABBITMQ.deniesTransientQueues);
  const why = NO_RABBITMQ ?? (isFit ? undefined : "it is for another release");
  Deno.test(testUnless(why, `${name} (RabbitMQ)`, async () => {
    if (RABBITMQ !== undefined) await runOn(RABBITMQ, run);
  }));
}

async function findRabbitmq(url: string | undefined): Promise<RabbitmqUnderTest | undefined> {
  if (url === undefined) return undefined;
  using client = await RawClient.dial(url);
  client.write(PROTOCOL_HEADER);
  const { arguments: { serverProperties } } = await client.next(0, "connection.start");
  if (textOf(serverProperties.get("product")) !== "RabbitMQ") return undefined;
  const compat = compatOf(textOf(serverProperties.get("version")) ?? "");
  return { url, compat, deniesTransientQueues: await deniesTransientQueues(url) };
}

/** What came before 4.2 is like 4.0 in all that is compared. */
function compatOf(version: string): Compat {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  if (major < 4) return "3.10";
  return minor < 2 ? "4.0" : "4.3";
}

async function deniesTransientQueues(url: string): Promise<boolean> {
  using client = await RawClient.open(url);
  await client.openChannel(1);
  const queue = `probe.${crypto.randomUUID()}`;
  try {
    await declareQueue(client, { queue, autoDelete: true });
  } catch {
    return true;
  }
  await client.call(1, ["queue.delete", "queue.delete-ok"], { queue });
  return false;
}

async function runOn(
  { url, compat }: { readonly url: string; readonly compat: Compat },
  run: (bench: Bench) => Promise<void>,
): Promise<void> {
  const name = `test.${crypto.randomUUID()}`;
  const clients = new DisposableStack();
  const bench: Bench = {
    url,
    compat,
    name,
    async open(options: RawClientOptions = {}): Promise<RawClient> {
      const client = clients.use(await RawClient.open(url, options));
      await client.openChannel(1);
      return client;
    },
  };
  try {
    await withTimeLimit(run(bench));
  } finally {
    clients.dispose();
    await deleteQueue(url, name);
  }
}

/** A broker that does not do what is waited for must not stop the other tests. */
async function withTimeLimit(running: Promise<void>): Promise<void> {
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    reject(new Error(`Cannot go on as the test has taken too long: ${TIME_LIMIT_MS} ms`));
  }, TIME_LIMIT_MS);
  try {
    await Promise.race([running, promise]);
  } finally {
    clearTimeout(timer);
  }
}

/** An exclusive queue goes by itself, a moment after its connection. */
async function deleteQueue(url: string, queue: string): Promise<void> {
  using client = await RawClient.open(url);
  await client.openChannel(1);
  const deleted = client.call(1, ["queue.delete", "queue.delete-ok"], { queue });
  await deleted.catch((error: Error) => {
    if (!error.message.includes("RESOURCE_LOCKED")) throw error;
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
