/** The forms that the data of one call takes on its way. @module */

import type { SourceFunction } from "./functions.ts";

/** Types in the signatures on a call's way. */
export interface Shapes {
  /** Those that carry one call's data. */
  readonly names: readonly string[];
  /** Those of which nobody has said whether they do. */
  readonly unknown: readonly string[];
}

/** Types that carry the data of one call, from its caller's options to its outcome. */
const SHAPES: ReadonlySet<string> = new Set([
  // The caller's, to the broker.
  "CallOptions",
  "CallTerms",
  "CallDraft",
  "CallRequest",
  "OutgoingRequest",
  "PendingCall",
  "Attempt",
  "AmqpPublish",
  "WaitingPublish",
  // The server's, to the handler.
  "AmqpDelivery",
  "Delivery",
  "IncomingRequest",
  "ActiveRequest",
  "RequestContext",
  "EncodedRequest",
  "HandlerInput",
  // The pool's.
  "TaskRequest",
  "Task",
  "HeldTask",
  "Head",
  "RunMessage",
  "ReplyMessage",
  // And back.
  "EncodedReply",
  "FinalReply",
  "OutgoingReply",
  "IncomingReply",
  "Arrival",
  "CallSubject",
]);

/** Types that live longer than a call, or that are about errors, counts and events. */
const OTHERS: ReadonlySet<string> = new Set([
  // Parts of a shape, its other names, and unions of shapes.
  "AmqpProperties",
  "Body",
  "CallArguments",
  "CallContext",
  "EncodedItem",
  "IncomingItem",
  "InputOf",
  "OutputOf",
  "PoolMessage",
  "Recipient",
  "ReplyAddress",
  "Run",
  "RunningWork",
  "Settler",
  "WorkerMessage",
  // What has become of it.
  "AmqpConfirm",
  "BodySubject",
  "CallReport",
  "DeadLetterReason",
  "Outcome",
  "PublishOutcome",
  "Refusal",
  "ReplyOutcome",
  "RpcError",
  "RpcErrorOptions",
  // What lives longer than a call, or belongs to streams only.
  "AnyGenerator",
  "CallOwner",
  "CallSettings",
  "CheckedOptions",
  "ClientSession",
  "Codec",
  "EncodedHandler",
  "FrameReader",
  "HeldTasks",
  "IntegerBounds",
  "ItemPublisher",
  "ItemSink",
  "ItemSource",
  "Lane",
  "Message",
  "PoolEvent",
  "ProgressSink",
  "Replies",
  "ReplyReader",
  "RunnableHandler",
  "Seat",
  "Slot",
  "SlotState",
  "Socket",
  "TaskQueue",
  "WorkerHost",
]);

/**
 * Finds the shapes that functions take and give.
 *
 * @param functions The functions on the way.
 * @param ours The types that our sources declare; others are nobody's shapes.
 */
export function findShapes(
  functions: readonly SourceFunction[],
  ours: ReadonlySet<string>,
): Shapes {
  const named = new Set(functions.flatMap(({ types }) => types).filter((type) => ours.has(type)));
  const names = [...named].filter((type) => SHAPES.has(type)).sort();
  const unknown = [...named].filter((type) => !SHAPES.has(type) && !OTHERS.has(type)).sort();
  return { names, unknown };
}
