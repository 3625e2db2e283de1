/**
 * Options and counts of a server.
 *
 * @module
 */

import type { Codec } from "../codec.ts";
import type { ConnectOptions } from "./connect_options.ts";
import type { AnyHandlers, ProcedureName } from "../contract.ts";
import type { RpcServerEvent } from "./events.ts";
import type { IdempotencyOptions } from "./idempotency_options.ts";
import type { ServerInterceptor } from "./interceptors.ts";

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

/** One of several queues of a server: what differs from the server's own options. */
export type QueueOptions<H extends object = AnyHandlers> = Pick<
  RpcServerOptions<H>,
  "procedures" | "defaultProcedure" | "prefetch" | "consumerPriority" | "durability"
>;

/** Options of {@linkcode RpcServer.listen}. */
export interface RpcServerOptions<H extends object = AnyHandlers> extends ConnectOptions {
  /** The request queue. Several servers on one queue share its requests. */
  readonly queue: string;
  /**
   * More request queues that the server takes from, by name: a lane for short calls beside long ones,
   * or shards. A request of one never waits behind those of another. What a queue does not say
   * itself is as the server's own options have it; the reply cache and what waits in `prefetch` are
   * each queue's own, and so is its parking queue. All share the server's connections, and an operator
   * asks and commands each by its name. Clients choose by their `route`. See docs/scaling.md.
   *
   * @default {{}}
   */
  readonly queues?: Readonly<Record<string, QueueOptions<NoInfer<H>>>> | undefined;
  /**
   * The procedures: functions that run on this thread, or a pool's handlers, by name. Objects among
   * them are part of the name: `{ users: { get } }` has the procedure `users.get`. An instance of a
   * class offers all its methods, also those that are `private` to TypeScript alone.
   */
  readonly handlers: H;
  /**
   * The names of the procedures that are served, if not all: who calls another one of the handlers
   * is told `unknown-procedure`. What a contract does not have is served all the same unless it is
   * left out here.
   *
   * @default {all}
   */
  readonly procedures?: readonly ProcedureName<NoInfer<H>>[] | undefined;
  /**
   * The procedure of requests that name none, such as those of RabbitMQ's tutorial.
   *
   * @default {the only procedure, if there is but one}
   */
  readonly defaultProcedure?: ProcedureName<NoInfer<H>> | undefined;
  /**
   * What the request queue survives. A queue that exists must have been declared alike.
   *
   * @default {"replicated", or "existing" if `declare` is false}
   */
  readonly durability?: Durability | undefined;
  /**
   * Whether the server declares what it needs: its queue, its parking queue, and what cancellations
   * come through. With `false` it declares, binds and deletes nothing, so that its user needs no
   * right to configure: operators declare the queues, as `@warren/rpc/definitions` gives them. A queue
   * that is missing is `misconfigured`. `durability` is `"existing"` then, cancellations do not reach
   * the server, and streams go at the pace of the broker's confirms.
   *
   * @default {true}
   */
  readonly declare?: boolean | undefined;
  /**
   * Whether requests that the queue drops (expired, rejected, too many) come back to their callers
   * with the reason, for which the queue is declared with a dead letter exchange, and an exchange for
   * it, `<queue>.requests`. Set it to `false` if others must be able to declare the same queue without
   * one, or if strangers may publish to it: see docs/chaos.md. A queue that exists without one, or with
   * that of version 0.1.0, is joined as it is, and a transient queue never has one.
   *
   * @default {true}
   */
  readonly returns?: boolean | undefined;
  /**
   * Most requests that this server has in hand at a time, from 1 to 2000. Fewer share the load
   * more evenly with other servers; a pool needs a few more than it has workers. While a pool can
   * take fewer, as its workers are lost or others fill its backlog, the broker is asked for fewer.
   *
   * @default {8 for each worker of a pool that is free for this server; 16 if a handler is a function}
   */
  readonly prefetch?: number | undefined;
  /**
   * How long a handler that is a function may run, in milliseconds, from 1 to 2147483647. Then its
   * signal aborts, and 500 ms later at the latest its caller gets the error `timeout` and its place is
   * free, whatever it does. The pauses of a stream's reader do not count. A function that computes
   * and never awaits cannot be interrupted: that is what a pool is for, which has `limits` of its own.
   *
   * @default {none}
   */
  readonly handlerTimeLimitMs?: number | undefined;
  /**
   * Which of several servers on the queue gets a request first, an integer from -1000 to 1000: those
   * with a lower number get one only while all with a higher one have `prefetch` in hand, or are gone.
   * Negative for a standby, positive for the machine with the fast GPU. It is the server's; `priority`
   * is the request's.
   *
   * @default {0}
   */
  readonly consumerPriority?: number | undefined;
  /**
   * Largest body, in bytes: of an input, an output, an error, an item of a stream, progress. Instead
   * of a larger one the caller gets the error `too-large`, as it does if the broker refuses a body:
   * RabbitMQ 4 takes 16 MiB unless told otherwise.
   *
   * @default {16_777_216}
   */
  readonly maxBodyBytes?: number | undefined;
  /**
   * How often a request is tried whose worker dies of it, before its caller gets `worker-crashed` and
   * the request is parked, in queue `<queue>.parked`. A request that its caller declared not
   * `idempotent` is tried once. A replicated queue counts for all its servers, and also counts what
   * was lost on its way to one: such a request is tried less often.
   *
   * @default {3}
   */
  readonly maxDeliveries?: number | undefined;
  /**
   * Names of reply queues that are served beside those of our clients: queues that the broker names
   * (`amq.gen-…`, `client.gen-…`), direct reply-to, `rpc.replies.…`, and `rpc.reply.` with a UUID. A
   * request with another `replyTo` is not run but parked, as its reply could go to anybody's queue;
   * without `onEvent`, the first one is told on standard error. For clients by other hands whose reply
   * queues have names of their own, such as `/^replies\./`. Names that begin with
   * `amq.rabbitmq.reply-to` are the broker's own, whatever the pattern says.
   *
   * @default {none}
   */
  readonly replyQueues?: RegExp | undefined;
  /**
   * Outputs that are kept for requests that come again, or `false` to run every request anew.
   *
   * @default {{}}
   */
  readonly replyCache?: ReplyCacheOptions | false | undefined;
  /**
   * Whose idempotency keys are the same, and which servers share them.
   *
   * @default {{}}
   */
  readonly idempotency?: IdempotencyOptions | undefined;
  /**
   * Codecs beside JSON for handlers that are functions. A worker gets its own from `expose()`.
   *
   * @default {[]}
   */
  readonly codecs?: readonly Codec[] | undefined;
  /**
   * Whether callers see the stack of what a function throws. It tells strangers how the server is
   * built.
   *
   * @default {false}
   */
  readonly sendStacks?: boolean | undefined;
  /**
   * Functions around each request, the first one outermost. See {@linkcode ServerInterceptor}.
   *
   * @default {[]}
   */
  readonly interceptors?: readonly ServerInterceptor[] | undefined;
  /**
   * Whether SIGTERM and SIGINT, which is Ctrl-C, close the server in order: it takes no more requests,
   * finishes those in hand, for as long as `graceMs` says, and disconnects. A second signal ends the
   * program at once. The program ends by itself if nothing else keeps it running: close that, a pool
   * for example, after `await server.finished`. It is not the default, as signals are the program's:
   * whoever listens to them keeps them from ending it.
   *
   * @default {false}
   */
  readonly closeOnSignals?: boolean | RpcServerCloseOptions | undefined;
  /**
   * Whether standard error gets a line of what an operator must know: that it serves, lost its
   * connection, is refused, is back, parked or abandoned a request, or failed. With it a program that
   * ends after its server has failed ends with exit code 1, unless it asked for
   * {@linkcode RpcServer.finished}.
   *
   * @default {true, unless there is an `onEvent`}
   */
  readonly log?: boolean | undefined;
  /**
   * What operators may do with this server, by `@warren/rpc/control` or the command line, while it
   * runs. With `"read"` whoever may cancel calls can also ask which procedures it has, how they do and
   * what is in hand, without inputs, outputs and secrets. With `"admin"`, whoever may write to the
   * exchange `rpc.admin` can pause and drain it and cancel requests; the event `controlled` tells of
   * each change. With `"none"` nobody gets an answer. It takes a control queue, so `declare` must not
   * be `false`.
   *
   * @default {"read"}
   */
  readonly control?: "none" | "read" | "admin" | undefined;
  /** Observes connections and served requests. What it throws is dropped. */
  readonly onEvent?: ((event: RpcServerEvent) => void) | undefined;
}

/**
 * Options of the reply cache. Requests with the same idempotency key are run once: those that come
 * while it runs get the same reply, those that come later get the output that was kept. Errors are
 * not kept, nor are the items of streams: these run anew each time.
 *
 * Keys that callers set are kept apart from those that every call has in case that it is delivered
 * again. The event `key-forgotten` tells of one of the former whose output cannot be kept.
 */
export interface ReplyCacheOptions {
  /**
   * Most outputs that are kept of keys that callers set, and as many of others; the oldest go first.
   *
   * @default {1_000}
   */
  readonly maxEntries?: number | undefined;
  /**
   * Most bytes of outputs that are kept; those of keys that callers set go last.
   *
   * @default {16_777_216}
   */
  readonly maxBytes?: number | undefined;
  /**
   * How long an output is kept, in milliseconds.
   *
   * @default {60_000}
   */
  readonly maxAgeMs?: number | undefined;
}

/** Options of {@linkcode RpcServer.close}. */
export interface RpcServerCloseOptions {
  /**
   * Time that requests in hand have to be served, in milliseconds, from 0; `Infinity` is as long as
   * they take. After it they go back to the queue, for another server.
   *
   * @default {30_000}
   */
  readonly graceMs?: number | undefined;
}

/** Counts of a server, for dashboards and tests. */
export interface RpcServerStats {
  /** Requests in hand: running, or waiting for a worker or for the confirm of their reply. */
  readonly active: number;
  /** Requests answered with an output, or run as notifications. */
  readonly succeeded: number;
  /** Requests answered with an error. */
  readonly failed: number;
  /** Requests whose caller's reply queue did not exist: answered in vain, or not run any more. */
  readonly orphaned: number;
  /** Requests that were not run because their deadline had passed. */
  readonly expired: number;
  /** Requests that their caller cancelled before they were answered. */
  readonly cancelled: number;
  /** Requests given back to the queue because their worker died of them. */
  readonly crashed: number;
  /** Requests that were run, and whose reply the broker would not take, or that could not be sent. */
  readonly unpublished: number;
  /** Requests that were not run as their reply queue is not allowed. */
  readonly replyToRefused: number;
  /** Requests that were parked: they are kept in the parking queue. */
  readonly parked: number;
  /** Requests answered with the output of an earlier or concurrent request of the same key. */
  readonly reused: number;
}
