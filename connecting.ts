/**
 * What clients and servers have in common when they connect to the broker.
 *
 * @module
 */

/** The broker's URL, or the URLs of a cluster's nodes, tried in turn. */
export type BrokerUrl = string | URL | readonly (string | URL)[];

/** Options of the connection to the broker. */
export interface ConnectOptions {
  /**
   * Longest silence of the broker while connecting, in milliseconds.
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
   * connection is given up for another one, as the node may hang. Time for which the broker says
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
  /** Gives the attempt to connect up. It does not close what is connected. */
  readonly signal?: AbortSignal;
}
