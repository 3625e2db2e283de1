/** Connects an administrator to the broker, alone: one of them at a time sees a parking queue whole. @module */

import { RpcError } from "../../errors.ts";
import { AmqpConnection } from "../../internal/broker/amqp.ts";
import type { BrokerAddress } from "../../internal/broker/broker_address.ts";
import { explainConnectError } from "../../internal/broker/connect_error.ts";
import type { ConnectSettings } from "../../internal/broker/connect_settings.ts";
import { abortable, withTimeout } from "../../internal/time.ts";

/** The queue whose owner may look after a parking queue; it dies with its connection. */
export function lockQueueOf(parkingQueue: string): string {
  return `${parkingQueue}.lock`;
}

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
  const opening = openFirst(settings, parkingQueue);
  try {
    return await abortable(opening, signal);
  } catch (error) {
    // An attempt that nobody waits for any more may succeed all the same.
    opening.then((connection) => connection.close(), () => {});
    throw error;
  }
}

async function openFirst(
  settings: ConnectSettings,
  parkingQueue: string,
): Promise<AmqpConnection> {
  let failure: unknown;
  for (const address of settings.addresses) {
    try {
      return await openAt(address, settings, parkingQueue);
    } catch (error) {
      failure = error;
    }
    if (settings.signal?.aborted || isInUse(failure)) break;
  }
  throw failure;
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
  const channel = await connection.openChannel();
  try {
    await channel.declareQueue(lockQueueOf(parkingQueue), { exclusive: true });
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === 405)) throw error;
    throw new RpcError(
      "in-use",
      `Cannot open the parked requests in queue "${parkingQueue}" as somebody else has them ` +
        "open: try again when they have closed them",
      { cause: error, retryable: true },
    );
  } finally {
    await channel.close();
  }
}

function isInUse(error: unknown): boolean {
  return error instanceof RpcError && error.code === "in-use";
}
