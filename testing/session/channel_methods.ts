/** The way of each method of a channel to the function that handles it. @module */

import { AmqpError } from "../wire/amqp_error.ts";
import type { Channel } from "./channel.ts";
import { cancel, consume, setQos } from "./consumer_methods.ts";
import type { Command } from "./content_assembler.ts";
import {
  bindExchange,
  declareExchange,
  deleteExchange,
  unbindExchange,
} from "./exchange_methods.ts";
import { commit, rollback, selectConfirms, selectTransactions } from "./mode_methods.ts";
import { publish } from "./publish.ts";
import { bindQueue, declareQueue, deleteQueue, purgeQueue, unbindQueue } from "./queue_methods.ts";
import { ack, get, nack, recover, reject } from "./settlement_methods.ts";

/**
 * Handles a method of an open channel.
 *
 * @throws {AmqpError} If the method breaks a rule.
 */
export function handleChannelMethod(channel: Channel, { method, content }: Command): void {
  if (content !== undefined) {
    if (method.name === "basic.publish") publish(channel, method.arguments, content);
    return;
  }
  switch (method.name) {
    case "basic.ack":
      return ack(channel, method.arguments);
    case "basic.nack":
      return nack(channel, method.arguments);
    case "basic.reject":
      return reject(channel, method.arguments);
    case "basic.get":
      return get(channel, method.arguments);
    case "basic.consume":
      return consume(channel, method.arguments);
    case "basic.cancel":
      return cancel(channel, method.arguments);
    case "basic.cancel-ok":
      return refuseCancelOk(channel);
    case "basic.qos":
      return setQos(channel, method.arguments);
    case "basic.recover-async":
      return recover(channel, { ...method.arguments, hasAnswer: false });
    case "basic.recover":
      return recover(channel, { ...method.arguments, hasAnswer: true });
    default:
      return handleTopologyMethod(channel, method);
  }
}

/** RabbitMQ asks for no answer when it tells of a cancelled consumer. */
function refuseCancelOk({ host: { context: { rules } } }: Channel): never {
  throw rules.explainsCancelOk
    ? new AmqpError("command-invalid", "unimplemented method")
    : new AmqpError("internal-error");
}

function handleTopologyMethod(channel: Channel, method: Command["method"]): void {
  switch (method.name) {
    case "queue.declare":
      return declareQueue(channel, method.arguments);
    case "queue.delete":
      return deleteQueue(channel, method.arguments);
    case "queue.bind":
      return bindQueue(channel, method.arguments);
    case "queue.unbind":
      return unbindQueue(channel, method.arguments);
    case "queue.purge":
      return purgeQueue(channel, method.arguments);
    case "exchange.declare":
      return declareExchange(channel, method.arguments);
    case "exchange.delete":
      return deleteExchange(channel, method.arguments);
    case "exchange.bind":
      return bindExchange(channel, method.arguments);
    case "exchange.unbind":
      return unbindExchange(channel, method.arguments);
    default:
      return handleModeMethod(channel, method);
  }
}

function handleModeMethod(channel: Channel, method: Command["method"]): void {
  switch (method.name) {
    case "confirm.select":
      return selectConfirms(channel, method.arguments);
    case "tx.select":
      return selectTransactions(channel);
    case "tx.commit":
      return commit(channel);
    case "tx.rollback":
      return rollback(channel);
    case "access.request":
      return channel.send("access.request-ok", { ticket: 1 });
    case "channel.flow":
      if (!method.arguments.active) throw new AmqpError("not-implemented", "active=false");
      return channel.send("channel.flow-ok", { active: true });
    case "channel.open":
      throw new AmqpError("channel-error", "second 'channel.open' seen");
    default:
      throw new AmqpError("command-invalid", "unimplemented method");
  }
}
