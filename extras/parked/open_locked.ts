/** Connects an administrator to the broker, alone: one of them at a time sees a parking queue whole. @module */

import { RpcError } from "../../errors.ts";
import { AmqpConnection } from "../../internal/broker/amqp.ts";
import { amqpCodeOf } from "../../internal/broker/amqp_error.ts";
import type { BrokerAddress } from "../../internal/broker/broker_address.ts";
import { BrokerNodes, whenReachable } from "../../internal/broker/broker_nodes.ts";
import { explainConnectError } from "../../internal/broker/connect_error.ts";
import type { ConnectSettings } from "../../internal/broker/connect_settings.ts";
import { lockQueueOf } from "../../internal/protocol/parked_message.ts";
import { abortable, withTimeout } from "../../internal/time.ts";

/**
 * Connects to the first node that answers, and locks the parking queue against other
 * administrators for as long as the connection lives. Servers go on parking.
 *
 * @throws {RpcError} `unreachable`, `access-refused`, `misconfigured` or `in-use`.
 */
export async function openLocked(
  settings: ConnectSettings,
  parkingQueue: string,
): Promise<AmqpConnection> {
  const { signal } = settings;
  signal?.throwIfAborted();
  const nodes = new BrokerNodes(settings.addresses);
  const openOnce = () =>
    nodes.tryEach(
      (address) => openAt(address, settings, parkingQueue),
      (error) => (signal?.aborted ?? false) || isInUse(error),
    );
  const opening = whenReachable(openOnce, {
    waitForBrokerMs: settings.waitForBrokerMs,
    onPause: () => {},
    signal: signal ?? new AbortController().signal,
  });
  try {
    return await abortable(opening, signal);
  } catch (error) {
    // An attempt that nobody waits for any more may succeed all the same.
    opening.then((connection) => connection.close(), () => {});
    throw error;
  }
}

async function openAt(
  address: BrokerAddress,
  settings: ConnectSettings,
  parkingQueue: string,
): Promise<AmqpConnection> {
  let connection: AmqpConnection | undefined;
  try {
    const opened = connection = await AmqpConnection.open(address, settings);
    await withTimeout(settings.connectTimeoutMs, () => lock(opened, parkingQueue));
    return opened;
  } catch (error) {
    await connection?.close();
    throw error instanceof RpcError ? error : explainConnectError(error, address);
  }
}

async function lock(connection: AmqpConnection, parkingQueue: string): Promise<void> {
  try {
    const options = { exclusive: true };
    await connection.onOwnChannel((channel) =>
      channel.declareQueue(lockQueueOf(parkingQueue), options)
    );
  } catch (error) {
    if (amqpCodeOf(error) !== 405) throw error;
    throw new RpcError(
      "in-use",
      `Cannot open the parked requests in queue "${parkingQueue}" as somebody else has them ` +
        "open: try again when they have closed them",
      { cause: error, retryable: true },
    );
  }
}

function isInUse(error: unknown): boolean {
  return error instanceof RpcError && error.code === "in-use";
}
