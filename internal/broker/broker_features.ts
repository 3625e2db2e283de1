/**
 * What a broker is, and what it can do that others cannot: the only place that knows releases.
 *
 * It belongs to a connection, as the nodes of a cluster differ while it is upgraded.
 *
 * @module
 */

/** A broker as one connection has met it. */
export interface BrokerFeatures {
  /** Such as `RabbitMQ`; empty if it does not say. */
  readonly product: string;
  /** Such as `4.3.6`; empty if it does not say. */
  readonly version: string;
  /**
   * Whether each consumer of a quorum queue may have its own `x-consumer-timeout`. For consumers of
   * classic queues RabbitMQ then refuses that argument, and older releases ignore it.
   */
  readonly hasConsumerTimeouts: boolean;
  /**
   * Whether a node may learn of a queue later than others do: with Khepri, which 4.0 and 4.1 may have
   * and later releases always have, only the node that declared it knows of it at once.
   */
  readonly mayLag: boolean;
  /** Whether it confirms direct replies, and drops them, until its start has ended. */
  readonly dropsEarlyReplies: boolean;
}

/**
 * Reads what a broker is.
 *
 * @param properties Those of `connection.start`, which may be whatever the broker likes.
 */
export function brokerFeaturesOf(properties: Readonly<Record<string, unknown>>): BrokerFeatures {
  const [product = "", version = ""] = [properties.product, properties.version].map((value) =>
    typeof value === "string" ? value : ""
  );
  const isRabbitmqSince = (major: number, minor: number) =>
    product === "RabbitMQ" && isSince(version, [major, minor]);
  return {
    product,
    version,
    hasConsumerTimeouts: isRabbitmqSince(4, 3),
    mayLag: isRabbitmqSince(4, 0),
    dropsEarlyReplies: isRabbitmqSince(3, 12) && !isRabbitmqSince(4, 2),
  };
}

/** Whether a version such as `4.3.0-rc.1` is that release or a later one. */
function isSince(version: string, [major, minor]: readonly [number, number]): boolean {
  const [, theirMajor, theirMinor] = /^(\d+)\.(\d+)/.exec(version) ?? [];
  if (theirMajor === undefined || theirMinor === undefined) return false;
  return Number(theirMajor) > major ||
    (Number(theirMajor) === major && Number(theirMinor) >= minor);
}
