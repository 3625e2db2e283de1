/** What brokers differ in, for tests that hold only where a broker has it. @module */

import { connect } from "../../deps/amqplib.ts";
import { findRabbitmq } from "../../tools/brokers/rabbitmq_install.ts";
import { compareVersions } from "../../tools/brokers/rabbitmq_versions.ts";
import { brokerUrl, randomQueue } from "./broker.ts";

/** What some releases of RabbitMQ have and others have not. */
export type Feature =
  | "a default queue type"
  | "a default limit of 16 MiB"
  | "transient shared queues"
  | "time limits of single consumers"
  | "a queue that odd deaths end"
  | "a queue that outlives odd deaths"
  | "delayed retry"
  | "a store that nodes learn from late";

const HAS: Readonly<Record<Feature, (version: string) => boolean>> = {
  "a default queue type": (version) => compareVersions(version, "4.0") >= 0,
  "a default limit of 16 MiB": (version) => compareVersions(version, "4.0") >= 0,
  "transient shared queues": (version) => compareVersions(version, "4.3") < 0,
  "time limits of single consumers": (version) => compareVersions(version, "4.3") >= 0,
  "a queue that odd deaths end": (version) => compareVersions(version, "4.0") < 0,
  "a queue that outlives odd deaths": (version) => compareVersions(version, "4.0") >= 0,
  "delayed retry": (version) => compareVersions(version, "4.3.1") >= 0,
  "a store that nodes learn from late": (version) => compareVersions(version, "4.2") >= 0,
};

/** Options of {@linkcode rabbitmqTest}. */
export interface RabbitmqTestOptions {
  /** What the release must have. */
  readonly needs?: Feature;
  /** What else is missing. */
  readonly missing?: string | undefined;
}

/** Makes a test that starts nodes: it is ignored, and its name says why, where it cannot run. */
export function rabbitmqTest(
  name: string,
  fn: (t: Deno.TestContext) => Promise<void>,
  { needs, missing }: RabbitmqTestOptions = {},
): Deno.TestDefinition {
  const install = findRabbitmq();
  const isRequired = Deno.env.get("WARREN_REQUIRE_RABBITMQ") === "1";
  const absent = missing ?? (typeof install === "string" ? install : undefined);
  if (absent !== undefined) return testUnless(isRequired ? undefined : absent, name, fn);
  const version = typeof install === "string" ? "" : install.version;
  const hasIt = needs === undefined || version === "" || HAS[needs](version);
  return testUnless(hasIt ? undefined : `RabbitMQ ${version} does not have ${needs}`, name, fn);
}

/** Makes a test that is ignored if there is a reason, which its name then tells. */
export function testUnless(
  reason: string | undefined,
  name: string,
  fn: (t: Deno.TestContext) => Promise<void>,
): Deno.TestDefinition {
  return reason === undefined
    ? { name, fn }
    : { name: `${name} (ignored: ${reason})`, ignore: true, fn };
}

/**
 * Why the broker of `AMQP_URL` has no transient queue that connections share, if so. It is asked to
 * declare one, as an administrator may deny what a release permits, and the other way round.
 */
export async function whyNoTransientQueues(): Promise<string | undefined> {
  const model = await connect(brokerUrl(), { noDelay: true });
  let refusal: string | undefined;
  // It closes the connection.
  model.on("error", (error: Error) => refusal = error.message);
  try {
    const channel = await model.createChannel();
    const queue = randomQueue();
    await channel.assertQueue(queue, { durable: false });
    await channel.deleteQueue(queue);
    await model.close();
    return undefined;
  } catch (error) {
    refusal ??= `${error}`;
    if (!refusal.includes("transient_nonexcl_queues")) throw error;
    return "the broker denies transient_nonexcl_queues";
  }
}

/**
 * Why a message that came back 20 times is lost with one more return, whatever gives it back, if so.
 * RabbitMQ 3.10 has no limit, 4.0 to 4.2 have one for all returns, and 4.3 for those of a failed
 * attempt only.
 */
export async function whyReturnsAreCounted(): Promise<string | undefined> {
  const version = await brokerVersion();
  const isCounted = compareVersions(version, "4.0") >= 0 && compareVersions(version, "4.3") < 0;
  return isCounted ? `RabbitMQ ${version} counts all that comes back` : undefined;
}

/** Why programs of AMQP 1.0 cannot use the broker of `AMQP_URL`, if so. */
export async function whyNoAmqp10(): Promise<string | undefined> {
  const { hostname, port } = new URL(brokerUrl());
  using socket = await Deno.connect({ hostname, port: Number(port) });
  // "AMQP", SASL, 1.0.0: a broker that has something else says what, or nothing.
  const header = new Uint8Array([0x41, 0x4d, 0x51, 0x50, 3, 1, 0, 0]);
  await socket.write(header);
  const answer = new Uint8Array(header.length);
  const size = await socket.read(answer);
  const isSame = size === header.length && answer.every((byte, index) => byte === header[index]);
  return isSame ? undefined : "the broker does not have AMQP 1.0";
}

/** The version that the broker of `AMQP_URL` says. */
async function brokerVersion(): Promise<string> {
  const model = await connect(brokerUrl(), { noDelay: true });
  const { version } = model.connection.serverProperties;
  await model.close();
  return version;
}
