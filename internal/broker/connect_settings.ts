/** Checks the connection options of clients and servers and fills their defaults in. @module */

import type { BrokerUrl, ConnectOptions } from "../../options/connect_options.ts";
import { type BrokerAddress, parseBrokerUrl } from "./broker_address.ts";
import { checkInteger } from "../check.ts";
import { withTls } from "./tls_settings.ts";

/** {@linkcode ConnectOptions}, complete. */
export interface ConnectSettings {
  readonly addresses: readonly BrokerAddress[];
  readonly connectTimeoutMs: number;
  readonly heartbeatSeconds: number;
  readonly confirmTimeoutMs: number;
  readonly connectionName: string;
  readonly signal: AbortSignal | undefined;
}

/**
 * Checks and completes connection options.
 *
 * @throws {TypeError} If a URL is not an AMQP URL, or TLS options are no use.
 * @throws {RangeError} If a number is out of bounds.
 */
export function resolveConnectOptions(url: BrokerUrl, options: ConnectOptions): ConnectSettings {
  const {
    connectTimeoutMs = 10_000,
    heartbeatMs = 10_000,
    confirmTimeoutMs = 10_000,
    connectionName = "@warren/rpc",
    tls,
    signal,
  } = options;
  checkInteger("connect", { connectTimeoutMs, confirmTimeoutMs }, { min: 1, max: 600_000 });
  checkInteger("connect", { heartbeatMs }, { min: 1_000, max: 65_535_000 });
  if (heartbeatMs % 1_000 !== 0) {
    throw new RangeError(
      `Cannot connect as "heartbeatMs" must be a multiple of 1000: current value is ${heartbeatMs}`,
    );
  }
  const urls = typeof url === "string" || url instanceof URL ? [url] : url;
  if (urls.length === 0) throw new TypeError("Cannot connect as the list of URLs is empty");
  return {
    addresses: withTls(urls.map(parseBrokerUrl), tls),
    connectTimeoutMs,
    heartbeatSeconds: heartbeatMs / 1_000,
    confirmTimeoutMs,
    connectionName,
    signal,
  };
}
