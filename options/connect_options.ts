/**
 * What clients and servers have in common when they connect to the broker.
 *
 * @module
 */

/** The broker's URL, or the URLs of a cluster's nodes, tried in turn. */
export type BrokerUrl = string | URL | readonly (string | URL)[];

/**
 * Certificates for `amqps` URLs, as PEM text.
 *
 * @example An authority of one's own, and a certificate for a broker that demands one
 * ```ts ignore because it needs a broker and files
 * import { RpcClient, type TlsOptions } from "@warren/rpc";
 *
 * const tls: TlsOptions = {
 *   ca: await Deno.readTextFile("ca.crt"),
 *   cert: await Deno.readTextFile("client.crt"),
 *   key: await Deno.readTextFile("client.key"),
 * };
 * await using client = await RpcClient.connect("amqps://broker.example", { queue: "math", tls });
 * ```
 */
export interface TlsOptions {
  /**
   * Certificates of the authorities that may have signed the broker's, and of no others.
   *
   * @default {those that Deno trusts; see `--cert` and `DENO_TLS_CA_STORE`}
   */
  readonly ca?: string;
  /**
   * The client's certificate, and after it those of intermediate authorities; together with `key`.
   *
   * @default {none}
   */
  readonly cert?: string;
  /**
   * Private key of `cert`, not encrypted. It never appears in an error or event.
   *
   * @default {none}
   */
  readonly key?: string;
}

/** Options of the connection to the broker. */
export interface ConnectOptions {
  /**
   * Longest time until a node of the broker is connected, in milliseconds: each of several nodes has
   * as much. Setting up the queues has as much again.
   *
   * @default {10_000}
   */
  readonly connectTimeoutMs?: number;
  /**
   * Heartbeat interval, in milliseconds: a multiple of 1000. A dead peer is noticed after two to
   * three of them. RabbitMQ's manual recommends 5 to 20 s.
   *
   * @default {10_000}
   */
  readonly heartbeatMs?: number;
  /**
   * Longest silence of the broker while it has messages to confirm, in milliseconds. After it the
   * connection is left for another one, as the node may hang. Time for which the broker says
   * that it blocks publishers does not count.
   *
   * @default {10_000}
   */
  readonly confirmTimeoutMs?: number;
  /**
   * Name of the connection, as the broker's management interface shows it.
   *
   * @default {"@warren/rpc"}
   */
  readonly connectionName?: string;
  /**
   * Certificates, if all URLs start with `amqps://`. The broker's certificate is always checked,
   * and its host name, too.
   *
   * @default {trusts the authorities that Deno trusts}
   */
  readonly tls?: TlsOptions;
  /** Aborts the attempt to connect. It does not close what is connected. */
  readonly signal?: AbortSignal;
}
