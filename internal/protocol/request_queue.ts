/** Declares the request queue, and says in words why the broker would not have it so. @module */

import { RpcError } from "../../errors.ts";
import type { Durability } from "../../options/server_options.ts";
import type { AmqpConnection, AmqpQueueOptions } from "../broker/amqp.ts";
import { amqpCodeOf, namesInError, readDeniedFeature, readMismatch } from "../broker/amqp_error.ts";
import { checkOneOf } from "../check.ts";
import { toPrintable } from "../text.ts";
import { RETURNS_EXCHANGE } from "./topology.ts";

/** The request queue as a server wants it. */
export interface RequestQueue {
  readonly queue: string;
  readonly durability: Durability;
  /** Whether what the queue drops shall come back to its caller. */
  readonly returns: boolean;
}

/** What the declaration came to. */
export interface DeclaredQueue {
  /** Whether what the queue drops comes back to its caller, as far as is known. */
  readonly hasReturns: boolean;
}

/** The argument that says where a queue sends what it drops. */
const RETURNS_ARGUMENT = "x-dead-letter-exchange";

const DURABILITIES: readonly Durability[] = ["replicated", "durable", "transient", "existing"];

/**
 * Checks the option.
 *
 * @throws {TypeError} If there is no such durability.
 */
export function checkDurability(durability: string): void {
  checkOneOf("listen", { durability }, DURABILITIES);
}

const QUEUE_OPTIONS: Readonly<Record<Exclude<Durability, "existing">, AmqpQueueOptions>> = {
  replicated: { durable: true, arguments: { "x-queue-type": "quorum" } },
  // Said where it is the default, as it is not on every virtual host. RabbitMQ takes it as equal.
  durable: { durable: true, arguments: { "x-queue-type": "classic" } },
  transient: { durable: false },
};

/**
 * Declares the request queue, or checks that it is there. A queue that was declared by others in
 * the same way but without our dead letter exchange is taken as it is.
 *
 * @throws {RpcError} `misconfigured` or `access-refused`.
 */
export async function declareRequestQueue(
  connection: AmqpConnection,
  request: RequestQueue,
): Promise<DeclaredQueue> {
  const { durability, returns } = request;
  if (durability === "existing") {
    await attempt(connection, request, undefined);
    return { hasReturns: true };
  }
  const options = QUEUE_OPTIONS[durability];
  // Tutorial peers declare transient queues without arguments, and must be able to join.
  if (!returns || durability === "transient") {
    await attempt(connection, request, options);
    return { hasReturns: false };
  }
  try {
    await attempt(connection, request, withReturns(options));
    return { hasReturns: true };
  } catch (error) {
    if (!lacksReturns(error)) throw error;
    await attempt(connection, request, options);
    return { hasReturns: false };
  }
}

/** Whether the queue differs from ours in its dead letter exchange, if not in more. */
function lacksReturns(error: unknown): boolean {
  return error instanceof RpcError && namesInError(error.cause, RETURNS_ARGUMENT);
}

function withReturns(options: AmqpQueueOptions): AmqpQueueOptions {
  return {
    ...options,
    arguments: { ...options.arguments, [RETURNS_ARGUMENT]: RETURNS_EXCHANGE },
  };
}

/** Uses a channel of its own, as a refusal closes it. */
async function attempt(
  connection: AmqpConnection,
  { queue, durability }: RequestQueue,
  options: AmqpQueueOptions | undefined,
): Promise<void> {
  try {
    await connection.onOwnChannel(async (channel) => {
      if (options === undefined) await channel.checkQueue(queue);
      else await channel.declareQueue(queue, options);
    });
  } catch (error) {
    const feature = readDeniedFeature(await connection.endReason());
    if (feature !== undefined) throw deniedError(feature, queue, durability);
    throw explain(error, queue, durability);
  }
}

/** From RabbitMQ 4.3 on, unless configured otherwise. It closes the connection, not the channel. */
function deniedError(feature: string, queue: string, durability: Durability): RpcError {
  return new RpcError(
    "misconfigured",
    `Cannot listen on queue "${queue}" as the broker denies durability "${durability}": set ` +
      `"replicated" or "durable", or permit it in rabbitmq.conf by ` +
      `"deprecated_features.permit.${feature} = true"`,
  );
}

function explain(error: unknown, queue: string, durability: Durability): unknown {
  const subject = `Cannot listen on queue "${queue}" as`;
  switch (amqpCodeOf(error)) {
    case 403:
      return new RpcError("access-refused", `${subject} ${explainRefusal(error)}`, {
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

/** What the queue needs beside itself is easily forgotten. */
function explainRefusal(error: unknown): string {
  return namesInError(error, RETURNS_EXCHANGE)
    ? `the user may not use exchange "${RETURNS_EXCHANGE}": grant it, or set "returns" to false`
    : "the user may not declare it";
}

function explainMismatch(error: unknown, durability: Durability): string {
  const mismatch = readMismatch(error);
  if (mismatch === undefined) {
    return `the broker refuses "durability: ${durability}": ${
      toPrintable(error instanceof Error ? error.message : String(error))
    }`;
  }
  const { argument, received, current } = mismatch;
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
