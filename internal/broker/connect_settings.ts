/** Checks the connection options of clients and servers and fills their defaults in. @module */

import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import { hostname } from "node:os";
import { pid, versions } from "node:process";
import type { BrokerUrl, ConnectOptions, TlsOptions } from "../../options/connect_options.ts";
import type { AskCredentials } from "./login/credentials.ts";
import type { AmqpSources } from "./amqp_source.ts";
import { type BrokerAddress, parseBrokerUrl } from "./broker_address.ts";
import {
  checkInteger,
  checkName,
  checkNumber,
  checkOneOf,
  checkOptions,
  checkSignal,
  checkType,
  wrongValue,
} from "../check.ts";

const CERTIFICATES_REGEXP = /-----BEGIN CERTIFICATE-----[^]*?-----END CERTIFICATE-----/g;

/** {@linkcode ConnectOptions}, complete. */
export interface ConnectSettings {
  readonly addresses: readonly BrokerAddress[];
  readonly connectTimeoutMs: number;
  readonly heartbeatSeconds: number;
  readonly confirmTimeoutMs: number;
  /** How long a broker that cannot be reached is waited for at first. */
  readonly waitForBrokerMs: number;
  readonly connectionName: string;
  readonly clientProperties: Readonly<Record<string, string>>;
  /** Asked at each connect; absent if the URL says it all. */
  readonly credentials: AskCredentials | undefined;
  readonly signal: AbortSignal | undefined;
  /** Absent if connections are not shared. */
  readonly sources?: AmqpSources;
}

/** The version of this package, as deno.json has it. */
export const VERSION = "0.2.0";

/**
 * Checks and completes connection options.
 *
 * @param place The broker's URL, or those of its nodes, or the settings of a shared connection.
 * @param options The options.
 * @param program What connects, such as `math client`.
 * @throws {TypeError} If a URL is not an AMQP URL, or TLS options are no use.
 * @throws {RangeError} If a number is out of bounds.
 */
export function resolveConnectOptions(
  place: BrokerUrl | ConnectSettings,
  options: ConnectOptions,
  program: string,
): ConnectSettings {
  checkOptions("connect", options);
  if (isShared(place)) return shareSettings(place, options);
  const {
    connectTimeoutMs = 10_000,
    heartbeatMs = 10_000,
    confirmTimeoutMs = 10_000,
    waitForBroker = false,
    nodeOrder = "random",
    connectionName = nameProgram(program),
    clientProperties = {},
    tls,
    credentials,
    signal,
  } = options;
  checkInteger("connect", { connectTimeoutMs, confirmTimeoutMs }, { min: 1, max: 600_000 });
  checkInteger("connect", { heartbeatMs }, { min: 1_000, max: 65_535_000 });
  if (heartbeatMs % 1_000 !== 0) {
    throw new RangeError(wrongValue("connect", ["heartbeatMs", heartbeatMs], "a multiple of 1000"));
  }
  if (typeof waitForBroker !== "boolean") checkNumber("connect", { waitForBroker }, { min: 0 });
  checkOneOf("connect", { nodeOrder }, ["random", "given"]);
  if (options.connectionName !== undefined) checkName("connect", { connectionName });
  checkType("connect", { clientProperties }, "object");
  checkType("connect", prefixed("clientProperties", clientProperties), "string");
  checkPropertyBytes(clientProperties);
  checkType("connect", { credentials }, "function");
  checkSignal("connect", { signal });
  const addresses = withTls(urlsOf(place).map(parseBrokerUrl), tls);
  return {
    addresses: nodeOrder === "random" ? shuffled(addresses) : addresses,
    connectTimeoutMs,
    heartbeatSeconds: heartbeatMs / 1_000,
    confirmTimeoutMs,
    waitForBrokerMs: Number(waitForBroker === true ? Infinity : waitForBroker),
    connectionName,
    clientProperties: { ...PRODUCT, ...clientProperties },
    credentials,
    signal,
  };
}

/** Until the size of frames is agreed on they have 4096 bytes, the login and much else included. */
const MAX_PROPERTY_BYTES = 2_048;

function checkPropertyBytes(properties: Readonly<Record<string, string>>): void {
  const bytes = new TextEncoder().encode(Object.entries(properties).flat().join("")).length;
  if (bytes <= MAX_PROPERTY_BYTES) return;
  throw new RangeError(
    `Cannot connect as "clientProperties" has ${bytes} bytes: the limit is ${MAX_PROPERTY_BYTES}`,
  );
}

/** Whatever somebody passes who does not check types. */
function isShared(place: unknown): place is ConnectSettings {
  return typeof place === "object" && place !== null && "sources" in place;
}

/** Options that are the connection's, not those of one who shares it. */
const SHARED_OPTIONS = [
  "connectTimeoutMs",
  "heartbeatMs",
  "confirmTimeoutMs",
  "waitForBroker",
  "nodeOrder",
  "connectionName",
  "clientProperties",
  "tls",
  "credentials",
] as const satisfies readonly (keyof ConnectOptions)[];

function shareSettings(shared: ConnectSettings, options: ConnectOptions): ConnectSettings {
  const { signal } = options;
  const name = SHARED_OPTIONS.find((name) => options[name] !== undefined);
  if (name !== undefined) {
    throw new TypeError(
      `Cannot connect as "${name}" is for all that share the connection: give it to RpcConnection.open()`,
    );
  }
  checkSignal("connect", { signal });
  return { ...shared, signal };
}

/** What runs the program, and which version of it. */
export const PLATFORM: string = platform();

/** What the management interface shows of this package. */
const PRODUCT: Readonly<Record<string, string>> = {
  product: "@warren/rpc",
  version: VERSION,
  platform: PLATFORM,
};

function platform(): string {
  const { deno, bun, node } = versions;
  return deno ? `Deno ${deno}` : bun ? `Bun ${bun}` : `Node.js ${node}`;
}

/** Names a program so that an operator finds it: what it is, and where it runs. */
export function nameProgram(program: string): string {
  const host = hostIfAllowed();
  return `${program} ${host === undefined ? `pid ${pid}` : `${host}:${pid}`}`;
}

/** The name of the host. Deno would ask its user, or refuse, if the program may not know where it runs. */
export function hostIfAllowed(): string | undefined {
  try {
    const state = globalThis.Deno?.permissions.querySync({ name: "sys", kind: "hostname" }).state;
    return state === undefined || state === "granted" ? hostname() : undefined;
  } catch {
    return undefined;
  }
}

/** A copy in random order: each is as likely as the others. */
function shuffled<T>(items: readonly T[]): T[] {
  const copy = [...items];
  for (let last = copy.length - 1; last > 0; last--) {
    const [item] = copy.splice(Math.floor(Math.random() * (last + 1)), 1);
    if (item !== undefined) copy.push(item);
  }
  return copy;
}

function prefixed(prefix: string, values: object): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(values).map(([name, value]) => [`${prefix}.${name}`, value ?? null]),
  );
}

/** Whatever somebody passes who does not check types is told, but for a text: it may have a password. */
function urlsOf(url: unknown): (string | URL)[] {
  const urls: unknown[] = Array.isArray(url) ? url : [url];
  if (urls.length === 0) throw new TypeError("Cannot connect as the list of URLs is empty");
  return urls.map((url) => {
    if (typeof url === "string" || url instanceof URL) return url;
    throw new TypeError(wrongValue("connect", ["url", url], "a text, a URL or a list of them"));
  });
}

/**
 * Adds TLS options to the addresses that they are for. What they hold is checked here, as Deno
 * ignores certificates and keys that it cannot read.
 *
 * @param addresses Where to connect.
 * @param tls The options, if there are any.
 * @returns The addresses, complete.
 * @throws {TypeError} If the options are no use; the message does not repeat them.
 */
export function withTls(
  addresses: readonly BrokerAddress[],
  tls: TlsOptions | undefined,
): readonly BrokerAddress[] {
  if (tls === undefined) return addresses;
  if (typeof tls !== "object" || tls === null) {
    // Its value may be a key.
    throw new TypeError('Cannot connect as "tls" must be an object with "ca", "cert" or "key"');
  }
  if (addresses.some(({ protocol }) => protocol !== "amqps")) {
    throw new TypeError(
      'Cannot connect as "tls" is for TLS and the URL starts with "amqp://": write "amqps://", ' +
        "with the port of the broker's TLS listener",
    );
  }
  checkTls(tls);
  // Nothing else is let through: an option that turns the checks off would pass unnoticed.
  const { ca, cert, key } = tls;
  return addresses.map((address) => ({ ...address, tls: { ca, cert, key } }));
}

function checkTls({ ca, cert, key }: TlsOptions): void {
  if (ca !== undefined) readCertificates("tls.ca", ca);
  if ((cert === undefined) !== (key === undefined)) {
    const [given, absent] = cert === undefined ? ["key", "cert"] : ["cert", "key"];
    throw new TypeError(
      `Cannot connect as "tls.${given}" comes without "tls.${absent}": give both or neither`,
    );
  }
  if (cert === undefined || key === undefined) return;
  // Those of intermediate authorities may follow the client's own.
  const [own] = readCertificates("tls.cert", cert);
  if (own?.checkPrivateKey(readKey(key))) return;
  throw new TypeError(
    'Cannot connect as "tls.key" is not the key of "tls.cert": give the pair, the client\'s own ' +
      "certificate first",
  );
}

function readCertificates(name: string, pem: unknown): X509Certificate[] {
  const texts = typeof pem === "string" ? pem.match(CERTIFICATES_REGEXP) ?? [] : [];
  try {
    if (texts.length > 0) return texts.map((text) => new X509Certificate(text));
  } catch {
    // The parser's words are about ASN.1.
  }
  throw unreadable(name, "certificate", pem);
}

function readKey(pem: unknown): KeyObject {
  if (typeof pem === "string" && /BEGIN ENCRYPTED|Proc-Type: 4,ENCRYPTED/.test(pem)) {
    throw new TypeError(
      'Cannot connect as "tls.key" is encrypted: decrypt it with "openssl pkey" when you deploy it',
    );
  }
  try {
    if (typeof pem === "string") return createPrivateKey(pem);
  } catch {
    // What a parser says of a key may repeat parts of it.
  }
  throw unreadable("tls.key", "private key", pem);
}

function unreadable(name: string, what: string, pem: unknown): TypeError {
  const isPem = typeof pem === "string" && pem.includes("-----BEGIN ");
  return new TypeError(
    `Cannot connect as "${name}" is not a ${what} in PEM: ` +
      (isPem
        ? "the text between its BEGIN and END is something else, or damaged"
        : "give the text of the file, such as Deno.readTextFile() reads it, and not its path"),
  );
}
