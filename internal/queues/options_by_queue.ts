/** The options of each queue of a server: its own before those of the server. @module */

import type { QueueOptions, RpcServerOptions } from "../../options/server_options.ts";
import { checkType, wrongValue } from "../check.ts";
import { parkingQueueOf } from "../protocol/parked_message.ts";
import { checkRequestQueueName } from "../protocol/request_queue.ts";

/**
 * Gives the options of each queue, that of the server first.
 *
 * @throws {TypeError} If one is no object, a name cannot be one, or the server's own is named again.
 */
export function optionsByQueue(options: RpcServerOptions): readonly RpcServerOptions[] {
  const { queue, queues = {} } = options;
  checkRequestQueueName(queue);
  checkType("listen", { queues }, "object");
  const parkingQueues = [queue, ...Object.keys(queues)].map(parkingQueueOf);
  const others = Object.entries<QueueOptions>(queues).map(([name, own]) => {
    if (parkingQueues.includes(name)) {
      const kind = "another queue than the parking queue of another";
      throw new TypeError(wrongValue("listen", ["queues", name], kind));
    }
    checkRequestQueueName(name);
    checkType("listen", { [`queues.${name}`]: own ?? null }, "object");
    if (name !== queue) return { ...options, ...ownOptions(own, options), queue: name };
    const kind = 'another queue than "queue"';
    throw new TypeError(wrongValue("listen", ["queues", name], kind));
  });
  return [options, ...others];
}

/** What a queue does not say is as the server has it. */
function ownOptions(own: QueueOptions, of: RpcServerOptions): QueueOptions {
  const { procedures = of.procedures, prefetch = of.prefetch, durability = of.durability } = own;
  const { consumerPriority = of.consumerPriority } = own;
  // A queue without the procedure that the server's requests mean by default has none.
  const { defaultProcedure: inherited = "" } = of;
  const isServed = Array.isArray(procedures) && procedures.includes(inherited);
  const { defaultProcedure = isServed || !procedures ? of.defaultProcedure : undefined } = own;
  return { procedures, defaultProcedure, prefetch, consumerPriority, durability };
}

/** The options that a queue has for itself. */
const OWN_REGEXP =
  /^(.* ")((?:procedures|defaultProcedure|prefetch|consumerPriority|durability)".*)$/s;

/** Says of which of several queues an option is wrong. */
export function ofQueue(queue: string, error: unknown): unknown {
  if (!(error instanceof TypeError || error instanceof RangeError)) return error;
  const [, before, after] = OWN_REGEXP.exec(error.message) ?? [];
  if (before === undefined) return error;
  const message = `${before}queues.${queue}.${after}`;
  return error instanceof TypeError ? new TypeError(message) : new RangeError(message);
}
