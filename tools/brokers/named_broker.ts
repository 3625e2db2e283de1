/** Brokers that a user asks for by name. @module */

import { type Broker, startEmbeddedBroker, startPrivateBroker } from "./broker.ts";
import { isRabbitmqVersion, provideRabbitmq, RABBITMQ_VERSIONS } from "./rabbitmq_versions.ts";
import type { RabbitmqVersion } from "./rabbitmq_versions.ts";

/** The broker of `@warren/rpc/testing`: as the first release that it follows, or as a later one. */
type EmbeddedName = "embedded" | "embedded-4.0" | "embedded-4.3";

/** A release of RabbitMQ, or the embedded broker. */
export type BrokerName = RabbitmqVersion | EmbeddedName;

/** What each of the embedded brokers follows. */
const EMBEDDED: Readonly<Record<EmbeddedName, RabbitmqVersion>> = {
  "embedded": "3.10",
  "embedded-4.0": "4.0",
  "embedded-4.3": "4.3",
};

/** What the arguments of a task ask for. */
export interface BrokerChoice {
  /** The brokers that `--broker` names; none if it is not there. */
  readonly names: readonly BrokerName[];
  /** All other arguments. */
  readonly rest: readonly string[];
}

const FLAG = "--broker";

/**
 * Reads `--broker 4.0,embedded` or `--broker=4.3` out of the arguments of a task.
 *
 * @throws {TypeError} If it names a broker that is not known, or none.
 */
export function takeBrokers(args: readonly string[]): BrokerChoice {
  const index = args.findIndex((arg) => arg === FLAG || arg.startsWith(`${FLAG}=`));
  if (index < 0) return { names: [], rest: args };
  const [given = ""] = args.slice(index);
  const isApart = given === FLAG;
  const text = isApart ? args[index + 1] ?? "" : given.slice(FLAG.length + 1);
  const rest = args.toSpliced(index, isApart ? 2 : 1);
  return { names: [...new Set(text.split(",").map((name) => readName(name.trim())))], rest };
}

/** Starts a broker that ends when it is disposed of. */
export async function startNamedBroker(
  name: BrokerName,
  options: { readonly signal?: AbortSignal } = {},
): Promise<Broker> {
  if (isEmbeddedName(name)) return await startEmbeddedBroker(EMBEDDED[name]);
  return await startPrivateBroker({ ...options, install: await provideRabbitmq(name) });
}

/** Whether it is the embedded broker, as whatever release. */
export function isEmbeddedName(name: string): name is EmbeddedName {
  return Object.hasOwn(EMBEDDED, name);
}

function readName(text: string): BrokerName {
  if (isEmbeddedName(text) || isRabbitmqVersion(text)) return text;
  const known = [...RABBITMQ_VERSIONS, ...Object.keys(EMBEDDED)].join(", ");
  throw new TypeError(`Cannot use the broker "${text}" as there are only: ${known}`);
}
