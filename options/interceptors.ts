/**
 * Functions around calls and around requests.
 *
 * @module
 */

import type { Body } from "../codec.ts";
import type { HeaderValue, MessageHeaders } from "../contract.ts";
import type { RpcServerEvent } from "./events.ts";

/** Where a message goes, or comes from: a node of the broker. */
export interface BrokerNode {
  /** Host name or IP address, as the URL has it. */
  readonly hostname: string;
  /** TCP port. */
  readonly port: number;
}

/** What a client tells of a call that it makes. */
export type CallStep =
  /** Its request goes to the broker, for the first time or again. */
  | {
    readonly type: "published";
    /** How often it was published, with this time. */
    readonly attempt: number;
    readonly broker: BrokerNode;
  }
  /** The broker has it. */
  | { readonly type: "confirmed" };

/** A call, as an interceptor of its client sees it. */
export interface InterceptedCall {
  /** By which method of the client it was made: `callAsync()`, `map()` and `callAll()` make calls. */
  readonly kind: "call" | "stream" | "notify";
  /** The procedure that is called. */
  readonly procedure: string;
  /** The request queue. */
  readonly queue: string;
  /** The id of its first request. */
  readonly correlationId: string;
  /** The input. */
  readonly input: unknown;
  /** The headers that it was given. */
  readonly headers: MessageHeaders;
  /** Told how far it has come. Who passes another one on to `next()` calls this one, too. */
  readonly onStep?: ((step: CallStep) => void) | undefined;
}

/**
 * A function around each call of a client. What it resolves with is the output of the call, what it
 * throws its error.
 *
 * - `next()` makes the call and settles with its outcome; with an input or headers, with these instead.
 *   With `onStep`, it tells how far the call has come.
 *   Whoever calls it again makes the call again, with the whole time that a call has. Whoever does not
 *   call it answers itself.
 * - Of a stream, `next()` settles at its end, and gives nothing: what the interceptor resolves with is
 *   dropped.
 */
export type ClientInterceptor = (
  call: InterceptedCall,
  next: (
    changes?: Partial<Pick<InterceptedCall, "input" | "headers" | "onStep">>,
  ) => Promise<unknown>,
) => unknown;

/** How a request was settled: as the event `served` has it, or `unserved`. */
export type SettledOutcome =
  | Extract<RpcServerEvent, { readonly type: "served" }>["outcome"]
  | "unserved";

/** A request, as an interceptor of its server sees it. Anybody may have sent it. */
export interface InterceptedRequest {
  /** The procedure that it names; `undefined` if it names none and there is no default. */
  readonly procedure: string | undefined;
  /** Whether the server has that procedure: any other name is its caller's, and may be anything. */
  readonly isKnown: boolean;
  /** What `meta` the procedure has, if the server runs it itself and `procedure()` made it. */
  readonly meta: Readonly<Record<string, unknown>>;
  /** The id that ties the reply to its call, if the request has one. */
  readonly correlationId: string | undefined;
  /** When the caller stops waiting, in Unix milliseconds, if the request says so. */
  readonly deadline: number | undefined;
  /** How often this request was delivered before: 0 the first time. */
  readonly redeliveries: number;
  /** Whether it was parked before, and somebody has it run again. Its caller says so. */
  readonly isRedriven: boolean;
  /** The headers that the caller has set. */
  readonly headers: MessageHeaders;
  /** Whether the caller waits for a reply. */
  readonly wantsReply: boolean;
  /** Size of the body, in bytes. */
  readonly bytes: number;
  /** Where it comes from; `undefined` while there is no connection. */
  readonly broker: BrokerNode | undefined;
  /** Whether its reply is that of another request of the same key; known once `next()` has settled. */
  readonly isReused: boolean;
  /**
   * Has a function told when the request is settled: the broker has the reply, and the request is
   * acknowledged or back in its queue. Once for each request, whatever becomes of it. What the function
   * throws is dropped.
   */
  onSettled(told: (outcome: SettledOutcome) => void): void;
  /**
   * Sets a header of the reply, whatever it is.
   *
   * @throws {TypeError} If the name or the value cannot be a header.
   * @throws {RangeError} If the headers take too many bytes.
   */
  setReplyHeader(name: string, value: HeaderValue): void;
  /**
   * Makes a reply of an output, instead of running the handler: as JSON, or as bytes.
   *
   * @throws {RpcError} `unencodable`.
   */
  answer(output: unknown): InterceptedReply;
}

/** A reply, as an interceptor sees it. */
export interface InterceptedReply {
  /** Whether the body is an output or the description of an error. */
  readonly type: "output" | "error";
  /** The output, or what is told of the error, encoded. */
  readonly body: Body;
  /** The content type of the body. That of an error is JSON. */
  readonly contentType: string;
}

/**
 * A function around each request that a server runs or has a kept reply for. What it resolves with is
 * the reply, what it throws is told to the caller as what a handler throws.
 *
 * - `next()` runs the handler and gives its reply, an error of the handler's too; with headers, the
 *   handler sees these instead. It rejects only if a worker died: throw that on, as the request is
 *   tried again.
 * - Whoever does not call it answers with `request.answer()`, or by throwing an `RpcError`.
 */
export type ServerInterceptor = (
  request: InterceptedRequest,
  next: (changes?: Pick<InterceptedRequest, "headers">) => Promise<InterceptedReply>,
) => InterceptedReply | Promise<InterceptedReply>;
