/** Replies that callbacks by name take, also those to calls of an earlier start. @module */

import type { CallbackRegistry } from "./callback_registry.ts";
import { readDeadLetterReason } from "../protocol/envelope.ts";
import { type NamedCallbacks, readTicket, ticketSubject } from "./named_callbacks.ts";
import type { OutputReader } from "./output_reader.ts";
import type { IncomingReply, PendingCall } from "./pending_call.ts";

/** A reply and the call that it belongs to. */
export interface Arrival {
  readonly call: PendingCall;
  readonly reply: IncomingReply;
}

/** What is needed to run a callback by name. */
export interface NamedReplyTakers {
  readonly callbacks: CallbackRegistry;
  readonly named: NamedCallbacks;
  readonly reader: OutputReader;
}

/**
 * Runs the callback that a reply was for when its call was made, by an earlier start.
 *
 * @returns Whether it is for one: only then it is acknowledged, after the callback has run.
 */
export function takeEarlierReply(
  { callbacks, named, reader }: NamedReplyTakers,
  callback: string,
  reply: IncomingReply,
): boolean {
  const ticket = readTicket(callback);
  const { correlationId } = reply.properties;
  if (ticket === undefined || correlationId === undefined) return false;
  const { name, procedure, context } = ticket;
  const phase = readDeadLetterReason(reply.properties) === undefined ? "replied" : "queued";
  const outcome = reader.read(ticketSubject(ticket, phase), reply);
  callbacks.add(correlationId, outcome, async (result) => {
    await named.run(name, result, { correlationId, procedure, context });
  }).finally(() => reply.ack());
  return true;
}

/** Removes a reply from its durable queue once its callback has run. */
export function acknowledgeAfter(done: Promise<void>, arrival: Promise<Arrival>): void {
  // A call that failed has no reply to remove.
  done.then(() => arrival).then(({ reply }) => reply.ack(), () => {});
}
