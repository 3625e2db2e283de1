/** The forms that the data of one call takes on its way. @module */

import type { SourceFunction, SourceType } from "./functions.ts";

/** Types in the signatures on a call's way. */
export interface Shapes {
  /** Those that carry one call's data. */
  readonly names: readonly string[];
  /** Those of which nobody has said whether they do. */
  readonly unknown: readonly string[];
  /** Those that are listed here and not declared any more. */
  readonly gone: readonly string[];
}

/** Types that carry the data of one call, from its caller's options to its outcome. */
const SHAPES: ReadonlySet<string> = new Set([
  // The caller's, to the broker.
  "CallOptions",
  "CallRequest",
  "OutgoingRequest",
  "PendingCall",
  "AmqpPublish",
  // The server's, to the handler.
  "AmqpDelivery",
  "IncomingRequest",
  "ActiveRequest",
  "RequestContext",
  "EncodedRequest",
  "Run",
  // The pool's.
  "Task",
  "HeldTask",
  "Head",
  "RunMessage",
  "ReplyMessage",
  // And back.
  "EncodedReply",
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
  "MessageHeader",
  "MethodFrame",
  "OutgoingReply",
  "OutputOf",
  "Outgoing",
  "PoolMessage",
  "Recipient",
  "PublishingSession",
  "ReadFrame",
  "ReplyAddress",
  "RunParts",
  "RunningWork",
  "Settler",
  "Waiting",
  "WorkKey",
  "WorkerMessage",
  // What has become of it.
  "AmqpConfirm",
  "BodySubject",
  "BrokerNode",
  "CallReport",
  "DeadLetterReason",
  "Outcome",
  "PublishOutcome",
  "Refusal",
  "PersistentOutcome",
  "RpcError",
  "RpcErrorOptions",
  // What observers and interceptors are told, where there are any.
  "CallInstants",
  "CallInterception",
  "CallTiming",
  "ConnectionEvent",
  "ErrorsOf",
  "Numbers",
  "Offset",
  "ReplyOutcome",
  "RpcClientEvent",
  "RpcPromise",
  "RpcServerEvent",
  "RunTiming",
  "ServerClocks",
  "ServerTiming",
  "SettledRequest",
  "WorkerTiming",
  // What lives longer than a call, or belongs to streams only.
  "CacheKey",
  "CheckedOptions",
  "ClientSession",
  "Codec",
  "EncodedHandler",
  "FrameReader",
  "HandlerMeans",
  "HeldTasks",
  "Inside",
  "IntegerBounds",
  "ItemPublisher",
  "KeptReply",
  "ItemSink",
  "ItemSource",
  "KeyedRequest",
  "Lane",
  "Message",
  "PendingCalls",
  "PoolCapacity",
  "RequestRoute",
  "Streamable",
  "PoolEvent",
  "PoolProcedure",
  "ProgressOf",
  "ProgressSink",
  "Replies",
  "ReplyReader",
  "RunnableHandler",
  "Seat",
  "Durations",
  "KnownResult",
  "Served",
  "Waiter",
  "Slot",
  "SlotState",
  "Socket",
  "TaskQueue",
  "TaskOwner",
  "WorkerHost",
]);

/**
 * Finds the shapes that functions take and give. A type that another shape extends is no shape of
 * its own, as one object is both; nor is one that only picks members of others.
 *
 * @param functions The functions on the way.
 * @param ours The types that our sources declare, by name; others are nobody's shapes.
 */
export function findShapes(
  functions: readonly SourceFunction[],
  ours: ReadonlyMap<string, SourceType>,
): Shapes {
  const named = new Set(functions.flatMap(({ types }) => types));
  const types = [...named].filter((name) => ours.get(name)?.isView === false);
  const shapes = types.filter((name) => SHAPES.has(name));
  const extended = new Set(shapes.flatMap((name) => basesOf(name, ours)));
  return {
    names: shapes.filter((name) => !extended.has(name)).sort(),
    unknown: types.filter((name) => !SHAPES.has(name) && !OTHERS.has(name)).sort(),
    gone: [...SHAPES, ...OTHERS].filter((name) => !ours.has(name)),
  };
}

/** What a type extends, directly or not. */
function basesOf(name: string, ours: ReadonlyMap<string, SourceType>): string[] {
  return (ours.get(name)?.bases ?? []).flatMap((base) => [base, ...basesOf(base, ours)]);
}
