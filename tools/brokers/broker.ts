import { answersAmqp } from "./amqp_probe.ts";
import { startBrokerContainer } from "./broker_container.ts";
import { PrivateNode } from "./private_node.ts";
import { findRabbitmq, type RabbitmqInstall } from "./rabbitmq_install.ts";
import type { RabbitmqVersion } from "./rabbitmq_versions.ts";
import { say } from "../tasks/say.ts";

/** Where a broker comes from. */
export type BrokerOrigin =
  | "AMQP_URL"
  | "127.0.0.1:5672"
  | "private node"
  | "container"
  | "embedded broker";

/** A broker to use until disposed of. */
export interface Broker extends AsyncDisposable {
  /** Where clients connect. */
  readonly url: string;
  /** Where it comes from. */
  readonly origin: BrokerOrigin;
  /** The programs that it was started from, if they are on this machine. */
  readonly install?: RabbitmqInstall;
  /** Which release the embedded broker follows. */
  readonly compat?: RabbitmqVersion;
}

/** One place to look for a broker. */
export interface BrokerSource {
  readonly origin: BrokerOrigin;
  /** Whether it gives a real RabbitMQ; `WARREN_REQUIRE_RABBITMQ=1` leaves the others out. */
  readonly isRabbitmq: boolean;
  /**
   * Gives a broker, or the reason why this source has none.
   *
   * @throws {Error} If the search must end here.
   */
  find(options: { readonly signal?: AbortSignal }): Promise<Broker | string>;
}

/** Options of {@linkcode findBroker}. */
export interface FindBrokerOptions {
  /** Gives the search up. */
  readonly signal?: AbortSignal;
  /**
   * Where to look, best first.
   *
   * @default {AMQP_URL, 127.0.0.1:5672, a private node, a container, the embedded broker}
   */
  readonly sources?: readonly BrokerSource[];
  /**
   * Whether only a real RabbitMQ will do.
   *
   * @default {whether WARREN_REQUIRE_RABBITMQ is 1}
   */
  readonly requireRabbitmq?: boolean;
}

const DEFAULT_URL = "amqp://guest:guest@127.0.0.1:5672";

/** The places to look for a broker, best first. */
export const BROKER_SOURCES: readonly BrokerSource[] = [
  { origin: "AMQP_URL", isRabbitmq: true, find: brokerFromEnv },
  { origin: "127.0.0.1:5672", isRabbitmq: true, find: brokerOnDefaultPort },
  { origin: "private node", isRabbitmq: true, find: privateBroker },
  { origin: "container", isRabbitmq: true, find: brokerInContainer },
  { origin: "embedded broker", isRabbitmq: false, find: embeddedBroker },
];

/**
 * Finds a broker, or starts one.
 *
 * @throws {Error} If there is none; the message says what to install.
 */
export async function findBroker(options: FindBrokerOptions = {}): Promise<Broker> {
  const {
    signal,
    sources = BROKER_SOURCES,
    requireRabbitmq = Deno.env.get("WARREN_REQUIRE_RABBITMQ") === "1",
  } = options;
  const reasons: string[] = [];
  for (const source of sources) {
    if (requireRabbitmq && !source.isRabbitmq) continue;
    signal?.throwIfAborted();
    const found = await source.find(signal === undefined ? {} : { signal });
    if (typeof found !== "string") return found;
    reasons.push(`${source.origin}: ${found}`);
  }
  throw new Error(notFoundMessage(reasons));
}

/** Says why there is no broker and what to do about it. */
export function notFoundMessage(reasons: readonly string[]): string {
  return [
    "Cannot find a broker as none runs and none can be started:",
    ...reasons.map((reason) => `  - ${reason}`),
    "Do one of these and try again:",
    "  - Debian, Ubuntu: sudo apt-get install rabbitmq-server",
    "  - macOS: brew install rabbitmq",
    "  - any system: install Docker, and start it",
    "  - use a broker elsewhere: AMQP_URL=amqp://user:password@host:5672",
  ].join("\n");
}

async function brokerFromEnv(): Promise<Broker | string> {
  const url = Deno.env.get("AMQP_URL");
  if (!url) return "not set";
  const { protocol, hostname, port } = parsedUrl(url);
  // Behind TLS there is no header to see before the handshake; the client will tell.
  if (protocol === "amqp:" && !await answersAmqp({ hostname, port }, 5_000)) {
    // Whoever names a broker must not be given another one.
    throw new Error(
      `Cannot use the broker of AMQP_URL as nothing answers AMQP at ${hostname}:${port}: start it, or unset AMQP_URL`,
    );
  }
  return borrowed(url, "AMQP_URL");
}

async function brokerOnDefaultPort(): Promise<Broker | string> {
  // Whoever names a RabbitMQ must not be given another one.
  if (Deno.env.get("WARREN_RABBITMQ")) return "not asked, as WARREN_RABBITMQ names another";
  const answers = await answersAmqp({ hostname: "127.0.0.1", port: 5672 });
  return answers ? borrowed(DEFAULT_URL, "127.0.0.1:5672") : "nothing answers there";
}

async function privateBroker(
  { signal }: { readonly signal?: AbortSignal },
): Promise<Broker | string> {
  const install = findRabbitmq();
  if (typeof install === "string") return install;
  try {
    return await startPrivateBroker({ install, ...signal && { signal } });
  } catch (error) {
    signal?.throwIfAborted();
    return messageOf(error);
  }
}

async function brokerInContainer(
  { signal }: { readonly signal?: AbortSignal },
): Promise<Broker | string> {
  const container = await startBrokerContainer(signal === undefined ? {} : { signal });
  return typeof container === "string" ? container : owned(container, "container");
}

async function embeddedBroker(): Promise<Broker> {
  say("No RabbitMQ is to be had here: using the embedded broker, which is for development only");
  return await startEmbeddedBroker();
}

/**
 * Starts a private node.
 *
 * @throws {Error} If it does not start.
 */
export async function startPrivateBroker(
  options: { readonly install: RabbitmqInstall; readonly signal?: AbortSignal },
): Promise<Broker> {
  const { install } = options;
  say(`Starting a private node of RabbitMQ ${install.version}, which takes about 5 s`);
  return { ...owned(await PrivateNode.start(options), "private node"), install };
}

/**
 * Starts the broker of `@warren/rpc/testing` in this process.
 *
 * @param compat Which release it follows.
 */
export async function startEmbeddedBroker(compat: RabbitmqVersion = "3.10"): Promise<Broker> {
  const { TestBroker } = await import("../../testing/mod.ts");
  return { ...owned(await TestBroker.start({ port: 0, compat }), "embedded broker"), compat };
}

function borrowed(url: string, origin: BrokerOrigin): Broker {
  return { url, origin, [Symbol.asyncDispose]: () => Promise.resolve() };
}

function owned(broker: AsyncDisposable & { readonly url: string }, origin: BrokerOrigin): Broker {
  return { url: broker.url, origin, [Symbol.asyncDispose]: () => broker[Symbol.asyncDispose]() };
}

function parsedUrl(url: string): { protocol: string; hostname: string; port: number } {
  const { protocol, hostname, port } = URL.parse(url) ?? {};
  if ((protocol !== "amqp:" && protocol !== "amqps:") || !hostname) {
    throw new TypeError(
      `Cannot use AMQP_URL as it must look like "amqp://user:password@host:5672": current value is "${
        url.replace(/\/\/.*@/, "//…@")
      }"`,
    );
  }
  return { protocol, hostname, port: Number(port || (protocol === "amqps:" ? 5671 : 5672)) };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
