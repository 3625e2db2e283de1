/** Declares the request queue, and says in words why the broker would not have it so. @module */

import { RpcError } from "../errors.ts";
import type { AmqpChannel, AmqpQueueOptions } from "./amqp.ts";

/**
 * What the request queue survives.
 *
 * - `replicated`: a durable quorum queue: survives the loss of a node, counts deliveries.
 * - `durable`: a durable classic queue: survives a restart of its node.
 * - `transient`: a classic queue that a restart deletes, as older tutorials declare it. RabbitMQ
 *   from 4.3 on refuses it.
 * - `existing`: whatever is there; nothing is declared.
 */
export type Durability = "replicated" | "durable" | "transient" | "existing";

/** All values of {@linkcode Durability}. */
export const DURABILITIES: readonly Durability[] = [
  "replicated",
  "durable",
  "transient",
  "existing",
];

const QUEUE_OPTIONS: Readonly<Record<Exclude<Durability, "existing">, AmqpQueueOptions>> = {
  replicated: { durable: true, arguments: { "x-queue-type": "quorum" } },
  durable: { durable: true },
  transient: { durable: false },
};

/**
 * Declares the request queue, or checks that it is there.
 *
 * @throws {RpcError} `misconfigured` or `access-refused`. The channel is closed then.
 */
export async function declareRequestQueue(
  channel: AmqpChannel,
  queue: string,
  durability: Durability,
): Promise<void> {
  try {
    if (durability === "existing") await channel.checkQueue(queue);
    else await channel.declareQueue(queue, QUEUE_OPTIONS[durability]);
  } catch (error) {
    throw explain(error, queue, durability);
  }
}

function explain(error: unknown, queue: string, durability: Durability): unknown {
  if (!(error instanceof Error) || !("code" in error)) return error;
  const subject = `Cannot listen on queue "${queue}" as`;
  switch (error.code) {
    case 403:
      return new RpcError("access-refused", `${subject} the user may not declare it`, {
        cause: error,
      });
    case 404:
      return new RpcError(
        "misconfigured",
        `${subject} it does not exist: declare it, or set "durability" to what it shall be`,
        { cause: error, retryable: true },
      );
    case 405:
      return new RpcError("misconfigured", `${subject} it belongs to another connection alone`, {
        cause: error,
        retryable: true,
      });
    case 406:
      return new RpcError("misconfigured", `${subject} ${explainMismatch(error, durability)}`, {
        cause: error,
      });
    default:
      return error;
  }
}

/** RabbitMQ names the first argument that differs; quotes vary with its version. */
const MISMATCH_REGEXP =
  /inequivalent arg '([^']+)'.*received (.+?) but current is (.+?)(?:$|"|\)| with)/;

function explainMismatch(error: Error, durability: Durability): string {
  const match = MISMATCH_REGEXP.exec(error.message);
  if (match === null) return `the broker refuses "durability: ${durability}": ${error.message}`;
  const [, argument = "", received = "", current = ""] = match;
  return `it exists with other arguments: "${argument}" is ${current} there, and ` +
    `durability "${durability}" means ${received}. Set durability to ${
      advice(argument, current)
    }, ` +
    `or delete the queue`;
}

function advice(argument: string, current: string): string {
  if (argument === "durable" && current.includes("false")) return '"transient"';
  if (argument === "x-queue-type" && current.includes("quorum")) return '"replicated"';
  if (argument === "x-queue-type" && /none|classic/.test(current)) return '"durable"';
  return '"existing" to join it as it is';
}
