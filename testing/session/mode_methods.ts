/** The methods of classes confirm and tx, which set the mode of a channel. @module */

import { AmqpError } from "../wire/amqp_error.ts";
import type { MethodArguments } from "../wire/methods.ts";
import type { Channel } from "./channel.ts";
import { Transaction } from "./transaction.ts";

/** Handles `confirm.select`. */
export function selectConfirms(
  channel: Channel,
  { nowait }: MethodArguments<"confirm.select">,
): void {
  if (channel.transaction !== undefined) {
    throw new AmqpError("precondition-failed", "cannot switch from tx to confirm mode");
  }
  channel.selectConfirms();
  if (!nowait) channel.send("confirm.select-ok", {});
}

/** Handles `tx.select`. */
export function selectTransactions(channel: Channel): void {
  if (channel.confirms !== undefined) {
    throw new AmqpError("precondition-failed", "cannot switch from confirm to tx mode");
  }
  channel.transaction ??= new Transaction();
  channel.send("tx.select-ok", {});
}

/**
 * Handles `tx.commit`.
 *
 * @throws {AmqpError} If a full queue has rejected a publish of the transaction.
 */
export function commit(channel: Channel): void {
  const transaction = transactionOf(channel);
  // The answer waits for the publishes, as for confirms, but not for what the settlements cause.
  const deliveries = transaction.hasPublishes ? undefined : channel.holdDeliveries();
  const isComplete = transaction.commit();
  if (isComplete) channel.send("tx.commit-ok", {});
  deliveries?.release();
  if (!isComplete) throw new AmqpError("precondition-failed", "partial tx completion");
}

/** Handles `tx.rollback`. */
export function rollback(channel: Channel): void {
  transactionOf(channel).rollback();
  channel.send("tx.rollback-ok", {});
}

function transactionOf({ transaction }: Channel): Transaction {
  if (transaction !== undefined) return transaction;
  throw new AmqpError("precondition-failed", "channel is not transactional");
}
