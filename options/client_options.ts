/**
 * Options and counts of a client.
 *
 * @module
 */

import type { Codec } from "../codec.ts";
import type { ConnectOptions } from "./connect_options.ts";
import type { CallOptions, CallResult } from "../caller.ts";
import type {
  AnyContract,
  Contract,
  InputOf,
  ItemOf,
  JsonPlain,
  MemberOf,
  OddIn,
  OtherSchema,
  OutputOf,
  ProcedureName,
  StandardSchema,
  StreamsAs,
  Unusable,
} from "../contract.ts";
import type { RpcRemoteError } from "../errors.ts";
import type { RpcClientEvent } from "./events.ts";
import type { ClientInterceptor } from "./interceptors.ts";

/**
 * Where a client's replies go.
 *
 * - `exclusive`: a queue that the broker names and that dies with the connection.
 * - `direct`: RabbitMQ's direct reply-to: no queue and the least latency, but requests that their
 *   queue drops do not come back, so the deadline is the only reason.
 * - a durable queue: replies wait there while the client is away. Only one client may use it.
 */
export type ReplyQueue = "exclusive" | "direct" | DurableReplyQueue;

/**
 * A durable reply queue, which outlives its client and the loss of a node. It delivers at most 256 replies that are not
 * acknowledged: those whose callback by name runs, or is not registered yet. Further replies wait
 * for them. A callback that is not registered within 5 s has its replies treated as
 * `unknownCallbacks` says.
 */
export interface DurableReplyQueue {
  /**
   * Its name, which the next start of the same client uses again: queue `rpc.replies.` and this.
   * From 1 to 231 bytes, and not ending in `.parked` or `.lock`.
   */
  readonly name: string;
  /**
   * How long the queue outlives its client, in milliseconds, from 1 to 4294967295. Not for a client
   * with `declare: false`, whose queue others declare.
   *
   * @default {86_400_000}
   */
  readonly expiresMs?: number | undefined;
}

/** How calls share messages. */
export interface BatchingOptions {
  /**
   * Most calls in a message, from 2 to 1000.
   *
   * @default {256}
   */
  readonly maxCalls?: number | undefined;
  /**
   * Most bytes of inputs in a message. Longer inputs go alone.
   *
   * @default {65_536}
   */
  readonly maxBytes?: number | undefined;
  /**
   * How long a call waits for others, in milliseconds; with 0 only those that are made before the
   * program waits for anything share a message.
   *
   * @default {0}
   */
  readonly maxDelayMs?: number | undefined;
}

/** Options of {@linkcode RpcClient.connect}. */
export interface RpcClientOptions<C extends Contract = AnyContract> extends ConnectOptions {
  /** The request queue, where servers listen. It is not declared here: that is up to them. */
  readonly queue: string;
  /**
   * Which queue a call takes, if not `queue`: a lane for short calls, or a shard by a key of the input,
   * for which there is {@linkcode shardOf}. It is asked for each call, stream and notification, so it
   * must be quick and always say the same; what it throws is what the call throws. At most 1000 other
   * queues. Servers take them as their `queue` or among their `queues`. See docs/scaling.md.
   *
   * @default {all calls take `queue`}
   */
  readonly route?:
    | ((procedure: ProcedureName<C>, input: unknown) => string | undefined)
    | undefined;
  /**
   * Time that a call has when it does not say so itself, in milliseconds, from 1 to 2147483647.
   *
   * @default {30_000}
   */
  readonly timeoutMs?: number | undefined;
  /**
   * Most calls that wait for their reply at a time, at least 1. Further calls wait for a place,
   * within their own time.
   *
   * @default {10_000}
   */
  readonly maxPending?: number | undefined;
  /**
   * Largest body, in bytes, that is sent or accepted, at least 1. RabbitMQ 4 takes 16 MiB unless
   * told otherwise; a call with an input that the broker refuses rejects with `too-large`, too.
   *
   * @default {16_777_216}
   */
  readonly maxBodyBytes?: number | undefined;
  /**
   * Whether calls that are made at the same time share a message, and so do their replies. Many small
   * calls take a fraction of the time then, for you and for the broker. Each call keeps its deadline,
   * cancellation, key and error. What is no plain call goes alone: streams, notifications, calls with
   * progress, a named callback, `immediate` or `idempotent: false`; and so do all calls until a server
   * has said that it takes batches.
   *
   * A call of a batch costs least if nothing looks at each one: it has an input, `timeoutMs` and `signal`
   * at most, its client has no `onEvent`, interceptors, schemas, codecs, `route` and `forwardHeaders`,
   * and its server runs it as a function, without `onEvent` and interceptors.
   *
   * @default {false}
   */
  readonly batching?: boolean | BatchingOptions | undefined;
  /**
   * Where replies go.
   *
   * @default {"exclusive", or "direct" if `declare` is false}
   */
  readonly replyQueue?: ReplyQueue | undefined;
  /**
   * Secret keys, each a text or bytes and at least 16 long, without which there are no callbacks by
   * name: what a reply says of its callback is signed with the first one, and run only if one of
   * them has signed it, so that nobody else can run it. All starts of a client, and nobody else,
   * have the same key; `openssl rand -hex 32` prints one. To replace a key, put the new one in front
   * of it, and take the old one out when its replies are in.
   *
   * @default {none}
   */
  readonly callbackKeys?: readonly (string | Uint8Array)[] | undefined;
  /**
   * What becomes of a reply in a durable queue whose callback by name is not registered: it is kept
   * in the queue `rpc.replies.<name>.parked`, from which `@warren/rpc/parked` brings it back, or
   * dropped. The event `callback-unknown` tells of either.
   *
   * @default {"park"}
   */
  readonly unknownCallbacks?: "park" | "drop" | undefined;
  /**
   * Whether the client declares what it needs: its reply queue, and what cancellations and returned
   * requests go through. With `false` it declares, binds and deletes nothing, so that its user needs
   * no right to configure: `replyQueue` is `"direct"`, or a durable queue that operators declare, as
   * `@warren/rpc/definitions` gives it.
   *
   * @default {true}
   */
  readonly declare?: boolean | undefined;
  /**
   * Codecs beside JSON. The first one encodes inputs, so the servers must have it, too; each decodes
   * outputs of its content types.
   *
   * @default {[]}
   */
  readonly codecs?: readonly Codec[] | undefined;
  /**
   * Schemas that inputs must fulfil, by procedure, so that a wrong one never leaves: the call rejects
   * with `invalid-input`, as the server would. What the schema makes of an input is dropped, as the
   * server makes it anew. Such a schema is synchronous.
   *
   * @default {none}
   */
  readonly inputs?: {
    readonly [Name in ProcedureName<C>]?:
      | StandardSchema<InputOf<C, Name>, unknown>
      | OtherSchema<"it takes not what the contract says">
      | undefined;
  };
  /**
   * Schemas that outputs must fulfil, by procedure; of a stream, each item, and such a schema is
   * synchronous. What does not fulfil it rejects the call, or ends the stream, with
   * `invalid-output`; otherwise the caller gets what the schema makes of it.
   *
   * @default {none}
   */
  readonly outputs?: {
    readonly [Name in ProcedureName<C>]?:
      | StandardSchema<
        unknown,
        StreamsAs<MemberOf<C, Name>, ItemOf<OutputOf<C, Name>>, OutputOf<C, Name>>
      >
      | OtherSchema<"it gives not what the contract says">
      | undefined;
  };
  /**
   * Makes your own errors from those of handlers, by the `name` that the handler's error had. Only
   * errors named here are replaced, so the other side never chooses what is constructed.
   *
   * @default {none}
   */
  readonly errors?: (Readonly<Record<string, (remote: RpcRemoteError) => Error>>) | undefined;
  /**
   * Whose idempotency keys those of this client are, in 1 to 255 bytes. Clients with the same one
   * share their keys, and so does a client with itself after a restart.
   *
   * @default {an id that the client keeps for its life, through all its connections}
   */
  readonly callerId?: string | undefined;
  /**
   * Whether servers are asked where a request is 100 ms before its call times out, so that the error
   * says it: where it runs and for how long, or how many are before it. It rejects at its deadline all
   * the same. At most 20 calls in a second are asked about, none with less than 300 ms, and none of a
   * client with another `replyQueue` than `"exclusive"`.
   *
   * @default {true}
   */
  readonly explainTimeouts?: boolean | undefined;
  /**
   * Names of headers that a call inherits from the request whose handler makes it, unless it sets
   * them itself: in a server, and in a client of a worker file.
   *
   * @default {[]}
   */
  readonly forwardHeaders?: readonly string[] | undefined;
  /**
   * Functions around each call, the first one outermost. See {@linkcode ClientInterceptor}.
   *
   * @default {[]}
   */
  readonly interceptors?: readonly ClientInterceptor[] | undefined;
  /**
   * Whether standard error gets a line when the client loses its connection, is refused, is blocked,
   * is back, or has failed.
   *
   * @default {true, unless there is an `onEvent`}
   */
  readonly log?: boolean | undefined;
  /** Observes the connection and failing callbacks. What it throws is dropped. */
  readonly onEvent?: ((event: RpcClientEvent) => void) | undefined;
}

/** What a callback by name is told beside the result. */
export interface NamedReply<Context = unknown> {
  /** The id that `callAsync` returned. */
  readonly correlationId: string;
  /** The procedure that was called. */
  readonly procedure: string;
  /** What `callAsync` was given as `callbackContext`. */
  readonly context: Context;
  /**
   * The header `traceparent` of its request, as an interceptor had set it, if the client was started
   * anew since then.
   */
  readonly trace?: string;
}

/** A callback by name. It may return a promise. */
export type NamedCallback<Output = unknown, Context = unknown> = (
  result: CallResult<Output>,
  reply: NamedReply<Context>,
) => unknown;

/** Options of {@linkcode RpcClient.callAsync} with a callback by name. */
export interface NamedCallbackOptions<Context = unknown, Progress = unknown>
  extends CallOptions<Progress> {
  /**
   * Handed to the callback along with the result, also after a restart. It travels with the
   * request, signed but in clear, so anybody who can read the queue can read it. Must be encodable
   * as JSON.
   *
   * @default {undefined}
   */
  readonly callbackContext?:
    | ([Context] extends [JsonPlain] ? Context
      : [OddIn<Context, bigint>] extends [never] ? Context
      : Unusable<"a context travels as JSON">)
    | undefined;
}

/** Options of {@linkcode RpcClient.close}. */
export interface RpcClientCloseOptions {
  /**
   * Time that pending calls have to end by themselves, in milliseconds, at least 0; `Infinity` is as
   * long as they take. After it they reject with `closed`.
   *
   * @default {5_000}
   */
  readonly graceMs?: number | undefined;
}

/** Counts of a client, for dashboards and tests. */
export interface RpcClientStats {
  /** Calls that wait for their reply. */
  readonly pending: number;
  /** Calls that wait for a place among the pending ones. */
  readonly waiting: number;
  /** Replies that were dropped because their call had already failed. */
  readonly lateReplies: number;
  /** Replies that were dropped because their call already had one. */
  readonly duplicateReplies: number;
  /** Replies that were dropped because no such call is known. */
  readonly unknownReplies: number;
}
