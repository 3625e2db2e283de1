/**
 * What clients and servers tell their `onEvent` observer.
 *
 * @module
 */

import type { CallTiming, RpcError, RpcErrorCode } from "../errors.ts";

/**
 * What a client or a server is at.
 *
 * @typeParam Working What it is called if nothing is wrong.
 */
export interface RpcState<Working extends string = "serving" | "connected"> {
  /**
   * - `starting`: it has not been connected yet.
   * - `serving`: a server that takes requests.
   * - `connected`: a client whose calls go out.
   * - `reconnecting`: a connection is lost, or refused since then; attempts go on.
   * - `blocked`: the broker takes no messages for now.
   * - `paused`: a server that takes no requests, as an administrator has told it.
   * - `draining`: it was closed, and finishes what it has in hand.
   * - `failed`: it has ended, as the connection that it shares was closed.
   * - `closed`: it has ended.
   */
  readonly name:
    | "starting"
    | Working
    | "reconnecting"
    | "blocked"
    | "paused"
    | "draining"
    | "failed"
    | "closed";
  /** When it came to that. */
  readonly since: Date;
  /** Why it is reconnecting, blocked or failed, in words: the latest that is known. */
  readonly reason?: string;
}

/** What happens to a connection to the broker. */
export type ConnectionEvent =
  /** Connected, or connected again; calls and requests flow. */
  | { readonly type: "connected" }
  /** The connection, or a channel on it, was lost. */
  | { readonly type: "disconnected"; readonly error: Error }
  /**
   * The next attempt to connect comes after `delayMs` milliseconds. `error` is why the one before
   * failed, or why the connection was lost. If the broker refuses (`access-refused` or
   * `misconfigured` in its `code`: a changed password, an expired certificate, a limit of connections),
   * attempts come less and less often, up to 30 s apart, until it does no longer.
   */
  | {
    readonly type: "reconnecting";
    readonly attempt: number;
    readonly delayMs: number;
    readonly error: Error;
  }
  /** No other attempt is made: the connection that it shares with others was closed. */
  | { readonly type: "failed"; readonly error: RpcError }
  /** The broker takes no messages for now, for example because its memory or disk is full. */
  | { readonly type: "blocked"; readonly reason: string }
  /** The broker takes messages again. */
  | { readonly type: "unblocked" };

/** What a client tells its `onEvent` observer. */
export type RpcClientEvent =
  | ConnectionEvent
  /**
   * The exchanges for returned requests and cancellation cannot be used: most likely the user may not,
   * or somebody has deleted or replaced them. Calls work; their deadline is the only reason for some
   * failures. They are tried again every 5 s.
   */
  | { readonly type: "returns-unavailable"; readonly error: unknown }
  /**
   * The durable reply queue exists as a classic queue, which lives on one node, as version 0.1.0
   * declared it. It is used as it is; to have it replicated, delete it while the client is closed and
   * the queue is empty.
   */
  | { readonly type: "reply-queue-unreplicated"; readonly queue: string }
  /**
   * A stream was begun anew, by another server or after a lost connection, when so many items had
   * come: these are left out the second time. With `idempotent: false` the stream ends with
   * `disconnected` instead.
   */
  | {
    readonly type: "stream-restarted";
    readonly correlationId: string;
    readonly procedure: string;
    readonly items: number;
  }
  /**
   * A call, a stream or a notification that was started has its outcome. Whoever observes a client
   * has its servers tell where the time of each call went.
   */
  | {
    readonly type: "call-settled";
    readonly kind: "call" | "stream" | "notify";
    readonly procedure: string;
    readonly correlationId: string;
    /** How often its request was published. */
    readonly attempts: number;
    /** Where its time went. */
    readonly timing: CallTiming;
    /** Why it has no output: what its caller gets; absent if it has one. */
    readonly error?: unknown;
  }
  /** A callback of `callAsync()` threw, or its promise rejected. */
  | { readonly type: "callback-failed"; readonly correlationId: string; readonly error: unknown }
  /**
   * A reply was dropped as what it says of its callback by name was not signed with one of the
   * `callbackKeys`, is for another reply, or has expired: `protocol` or `expired` in `error`.
   */
  | {
    readonly type: "callback-refused";
    /** What a terminal would act on is written as its code. */
    readonly correlationId: string;
    readonly error: RpcError;
  }
  /** A reply came for a callback by name that is not registered. */
  | {
    readonly type: "callback-unknown";
    /** The name. */
    readonly name: string;
    readonly correlationId: string;
    /** Its id in the parking queue; `undefined` if it was dropped. */
    readonly parkedId: string | undefined;
    /** Why it could not be parked, if it was to be. */
    readonly error?: unknown;
  };

/** What a server tells its `onEvent` observer. */
export type RpcServerEvent =
  & (
    | ServerConnectionEvent
    /** A request was settled. */
    | {
      readonly type: "served";
      /** The procedure; `undefined` if the request names none and there is no default. */
      readonly procedure: string | undefined;
      /** What `meta` the procedure has; absent if none. */
      readonly meta?: Readonly<Record<string, unknown>>;
      /** The id that ties the reply to its call, if the request has one; printable. */
      readonly correlationId: string | undefined;
      /** How long its parts took. */
      readonly timing?: ServedTiming;
      /**
       * How it ended.
       *
       * - `output`, `error`: its caller has the reply.
       * - `notified`: it was run, and wanted no reply.
       * - `orphaned`: its caller's reply queue does not exist; if it is a durable one, the request is
       *   parked.
       * - `cancelled`: its caller has cancelled it.
       * - `expired`: its deadline had passed: it was not run, or its handler was abandoned.
       * - `crashed`: its worker died of it; it is back in its queue.
       * - `unpublished`: it was run, and its reply could not be published.
       * - `reply-to-refused`: its reply queue is not allowed; it was not run.
       */
      readonly outcome:
        | "output"
        | "error"
        | "notified"
        | "orphaned"
        | "cancelled"
        | "expired"
        | "crashed"
        | "unpublished"
        | "reply-to-refused";
      /**
       * What its handler threw, or why it was not run, with stack and causes; absent if it has an output.
       * Of a handler in a thread or a process it is an {@linkcode RpcRemoteError}, with both in
       * `remoteStack`.
       */
      readonly error?: unknown;
    }
    /**
     * A handler goes on although nobody waits for its output: its request is settled and its place is
     * free. It comes 500 ms after the deadline, the cancellation, the time limit or the loss of the
     * caller. What the handler still does goes nowhere; one that comes often should heed
     * `context.signal`.
     */
    | {
      readonly type: "abandoned";
      /** The procedure; `undefined` if the request names none and there is no default. */
      readonly procedure: string | undefined;
      /** Why nobody waits: `expired`, `cancelled`, `orphaned`, `timeout` for its limit, `disconnected`. */
      readonly code: RpcErrorCode;
      /** How long the request has been in hand, in whole milliseconds. */
      readonly runMs: number;
    }
    /**
     * All places of the `prefetch` are taken, and none of these requests has ended for a minute: their
     * handlers wait for what does not come, or the work is long. Told once until something moves.
     * `handlerTimeLimitMs`, or the limits of a pool, end what hangs.
     */
    | {
      readonly type: "stalled";
      /** How many requests are in hand. */
      readonly active: number;
      /** How long the oldest of them has been in hand, in whole milliseconds. */
      readonly oldestMs: number;
    }
    /**
     * The output of a request whose caller set an `idempotencyKey` is not kept as long as
     * `replyCache.maxAgeMs` or its store says: another request with that key runs again.
     */
    | {
      readonly type: "key-forgotten";
      readonly procedure: string;
      /** The key, printable. */
      readonly key: string;
      /**
       * `too-large`: the output exceeds `replyCache.maxBytes`; `full`: newer ones took its place;
       * `store-failed`: the store of `idempotency` did not take it.
       */
      readonly reason: "too-large" | "full" | "store-failed";
    }
    /** A request was parked: it is kept in the parking queue `<queue>.parked`. */
    | {
      readonly type: "parked";
      /** The procedure; `undefined` if the request names none and there is no default. */
      readonly procedure: string | undefined;
      /** Why it was parked. */
      readonly code: RpcErrorCode;
      /** Its id in the parking queue. */
      readonly id: string;
    }
    /**
     * A request cannot be parked for the time being, for example as the parking queue is full: the
     * server holds it and tries again, with pauses that grow up to a minute. Told once per request.
     */
    | {
      readonly type: "parking-delayed";
      /** The procedure; `undefined` if the request names none and there is no default. */
      readonly procedure: string | undefined;
      /** Why it is to be parked. */
      readonly code: RpcErrorCode;
      /** Why it could not be parked yet. */
      readonly error: RpcError;
    }
    /** A request was to be parked, and is lost as it could not be, for the reason in `error`. */
    | {
      readonly type: "not-parked";
      /** The procedure; `undefined` if the request names none and there is no default. */
      readonly procedure: string | undefined;
      /** Why it was to be parked. */
      readonly code: RpcErrorCode;
      /** Why it is not kept, most likely for lack of permission. */
      readonly error: unknown;
    }
    /**
     * A request was not settled, as the server was closed or lost its connection before, or could not
     * park it for as long as it may hold it: the broker delivers it again.
     */
    | { readonly type: "unserved"; readonly error: unknown }
    /**
     * Requests that the queue drops do not come back to their callers, and cancellations may not
     * arrive: the queue exists without our dead letter exchange, the user may not declare it, or
     * somebody has deleted or replaced a shared exchange, which is looked at again every 5 s.
     */
    | { readonly type: "returns-unavailable"; readonly error: unknown }
    /**
     * The clock of this server and that of a caller differ by so much at least: ours is ahead if it is
     * positive. Deadlines are taken from the time limit that the broker keeps, then, and no request is
     * lost. Told once.
     */
    | { readonly type: "clocks-differ"; readonly aheadMs: number }
    /** An administrator has told this server to change what it does, or tried to: see `control`. */
    | {
      readonly type: "controlled";
      /** What was to be done. */
      readonly change: "pause" | "resume" | "drain" | "cancel" | "scale";
      /** The user of the broker who asked, which the broker has checked; `undefined` if they did not say. */
      readonly user: string | undefined;
      /** How many requests were cancelled. */
      readonly cancelled?: number;
      /** How many workers the pools have from now on. */
      readonly workers?: number;
      /** Why it was not done, if it was not. */
      readonly refused?: string;
    }
    /** The broker cancelled the consumer, for example because the queue was deleted. */
    | { readonly type: "consumer-cancelled" }
  )
  & {
    /** Which of its queues it happened to; absent if the server has but one. */
    readonly queue?: string;
  };

/** How long the parts of a request took in a server, in milliseconds. */
export interface ServedTiming {
  /** It waited for its handler or a worker. */
  readonly backlogMs: number;
  /** The handler ran. */
  readonly runMs: number;
  /** Its input was decoded and its output encoded. */
  readonly encodeMs: number;
  /** The broker took so long to confirm the reply. */
  readonly confirmMs: number;
  /** All of it, from its delivery until it was settled. */
  readonly totalMs: number;
}

/** What happens to one of the two connections of a server. */
export type ServerConnectionEvent = ConnectionEvent & {
  /** The one that takes requests, or the one that publishes replies. */
  readonly connection: "consumer" | "publisher";
};
