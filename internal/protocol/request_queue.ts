/** Declares the request queue, and says in words why the broker would not have it so. @module */

import { RpcError } from "../../errors.ts";
import type { Durability } from "../../options/server_options.ts";
import type { AmqpLink, AmqpQueueOptions } from "../broker/amqp.ts";
import { amqpCodeOf, namesInError, readDeniedFeature, readMismatch } from "../broker/amqp_error.ts";
import { checkName, checkOneOf, wrongValue } from "../check.ts";
import { isShortText, MAX_SHORT_TEXT_BYTES, toPrintable } from "../text.ts";
import { lockQueueOf, parkingQueueOf } from "./parked_message.ts";
import {
  canHaveExchange,
  requestQueueOptions,
  RETURNS_ARGUMENT,
  RETURNS_EXCHANGE,
  type ReturnsPath,
} from "./topology.ts";

/** The request queue as a server wants it. */
export interface RequestQueue {
  readonly queue: string;
  readonly durability: Durability;
  /** Whether what the queue drops shall come back to its caller. */
  readonly returns: boolean;
  /** Whether the server declares anything at all. */
  readonly declare: boolean;
}

/** The default exchange, as the broker names it in its refusals. */
const DEFAULT_EXCHANGE = "amq.default";

/**
 * Checks the name of a request queue. What kills its servers is parked beside it: a name that has no
 * room for that would lose it.
 *
 * @param queue The name.
 * @throws {TypeError} If it is empty, no text, or too long.
 */
export function checkRequestQueueName(queue: string): void {
  checkName("listen", { queue });
  if (isShortText(lockQueueOf(parkingQueueOf(queue)))) return;
  const maxBytes = MAX_SHORT_TEXT_BYTES - lockQueueOf(parkingQueueOf("")).length;
  const kind = `a text of at most ${maxBytes} bytes, as its parking queue has a longer name`;
  throw new TypeError(wrongValue("listen", ["queue", queue], kind));
}

const DURABILITIES: readonly Durability[] = ["replicated", "durable", "transient", "existing"];

/**
 * Checks the option.
 *
 * @param durability The option.
 * @param declare Whether the server may declare the queue.
 * @throws {TypeError} If there is no such durability, or it says how to declare what is not declared.
 */
export function checkDurability(durability: string, declare: boolean): void {
  checkOneOf("listen", { durability }, DURABILITIES);
  if (declare || durability === "existing") return;
  const kind = '"existing" as "declare" is false';
  throw new TypeError(wrongValue("listen", ["durability", durability], kind));
}

/** Queues that exist are taken as they are: their arguments cannot be changed. */
const RETURNS_PATHS: readonly ReturnsPath[] = ["caller", "shared", "none"];

/**
 * Declares the request queue, or checks that it is there. A queue that was declared by others in
 * the same way but with the dead letter exchange of version 0.1.0, or with none, is taken as it is.
 *
 * @returns What becomes of what it drops; `undefined` if that is not known.
 * @throws {RpcError} `misconfigured` or `access-refused`.
 */
export async function declareRequestQueue(
  connection: AmqpLink,
  request: RequestQueue,
): Promise<ReturnsPath | undefined> {
  const { durability, returns } = request;
  if (durability === "existing") {
    await checkQueues(connection, request);
    return undefined;
  }
  for (const path of RETURNS_PATHS) {
    if (path !== "none" && (!returns || durability === "transient")) continue;
    if (path === "caller" && !canHaveExchange(request.queue)) continue;
    try {
      await attempt(connection, request, requestQueueOptions(durability, path));
      return path;
    } catch (error) {
      if (path === "none" || !hasOtherReturns(error)) throw error;
    }
  }
  return undefined;
}

/** Where nothing is declared, the parking queue cannot be had later either. */
async function checkQueues(connection: AmqpLink, request: RequestQueue): Promise<void> {
  const { queue, declare } = request;
  for (const name of declare ? [queue] : [queue, parkingQueueOf(queue)]) {
    try {
      await connection.onOwnChannel((channel) => channel.checkQueue(name));
    } catch (error) {
      // Who may not look may consume all the same. It depends on the release what looking takes.
      if (amqpCodeOf(error) === 403) continue;
      if (amqpCodeOf(error) === 404) throw missingError(name, request, error);
      throw explain(error, request);
    }
  }
}

/** Whether the queue differs from ours in its dead letter exchange, if not in more. */
function hasOtherReturns(error: unknown): boolean {
  return error instanceof RpcError && namesInError(error.cause, RETURNS_ARGUMENT);
}

/** Uses a channel of its own, as a refusal closes it. */
async function attempt(
  connection: AmqpLink,
  request: RequestQueue,
  options: AmqpQueueOptions,
): Promise<void> {
  try {
    await connection.onOwnChannel((channel) => channel.declareQueue(request.queue, options));
  } catch (error) {
    const feature = readDeniedFeature(await connection.endReason());
    if (feature !== undefined) throw deniedError(feature, request);
    throw explain(error, request);
  }
}

/**
 * Says that a queue is missing that others are to declare.
 *
 * @param name The queue.
 * @param request What was to be served.
 * @param cause The broker's words.
 */
export function missingError(name: string, request: RequestQueue, cause: unknown): RpcError {
  const { queue, declare } = request;
  const step = declare
    ? 'declare it, or set "durability" to what it shall be'
    : 'declare it as "@warren/rpc/definitions" has it, as "declare" is false';
  return new RpcError(
    "misconfigured",
    `Cannot listen on queue "${queue}" as queue "${name}" does not exist: ${step}`,
    { cause, retryable: true },
  );
}

/** From RabbitMQ 4.3 on, unless configured otherwise. It closes the connection, not the channel. */
function deniedError(feature: string, { queue, durability }: RequestQueue): RpcError {
  return new RpcError(
    "misconfigured",
    `Cannot listen on queue "${queue}" as the broker denies durability "${durability}": set ` +
      `"replicated" or "durable", or permit it in rabbitmq.conf by ` +
      `"deprecated_features.permit.${feature} = true"`,
  );
}

function explain(error: unknown, { queue, durability }: RequestQueue): unknown {
  const subject = `Cannot listen on queue "${queue}" as`;
  switch (amqpCodeOf(error)) {
    case 403:
      return new RpcError("access-refused", `${subject} ${explainRefusal(error)}`, {
        cause: error,
      });
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
  const exchange = [RETURNS_EXCHANGE, DEFAULT_EXCHANGE].find((name) => namesInError(error, name));
  return exchange === undefined
    ? "the user may not declare it"
    : `the user may not use exchange "${exchange}": grant it, or set "returns" to false`;
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
