/** Functions of the user's around requests. @module */

import { jsonCodec } from "../../codec.ts";
import type { HeaderValue, MessageHeaders } from "../../contract.ts";
import { RpcError } from "../../errors.ts";
import type {
  InterceptedReply,
  InterceptedRequest,
  ServerInterceptor,
  SettledOutcome,
} from "../../options/interceptors.ts";
import type { EncodedReply } from "../encoded_reply.ts";
import { isRedriven } from "../protocol/parked_message.ts";
import { checkMessageHeaders, readMessageHeaders, withHeader } from "../message_headers.ts";
import { encodeError, encodeOutput } from "../running/encode.ts";
import { safeObserver } from "../observer.ts";
import type { ActiveRequest } from "./active_requests.ts";
import type { RequestRunner } from "./request_runner.ts";
import type { SurroundingWork } from "./running_work.ts";
import type { ServerSessions } from "./server_sessions.ts";

/** Of a procedure that has none. */
const NO_META: Readonly<Record<string, unknown>> = Object.freeze({});

/** What a {@linkcode RequestInterception} needs of its server. */
export interface InterceptedServer {
  /** What a request without a name means, if anything. */
  readonly defaultProcedure: string | undefined;
  readonly runner: Pick<RequestRunner, "knows" | "metaOf">;
  readonly sessions: Pick<ServerSessions, "consumer">;
}

/** Options of {@linkcode RequestInterception}. */
export interface InterceptionOptions {
  readonly interceptors: readonly ServerInterceptor[];
  readonly server: InterceptedServer;
  /** Runs the request, as it would be without interceptors. */
  readonly run: () => Promise<EncodedReply | RpcError>;
}

/** One request on its way through the interceptors, the first one outermost. */
export class RequestInterception implements SurroundingWork {
  readonly #active: ActiveRequest;
  readonly #options: InterceptionOptions;
  #reject: (reason: unknown) => void = () => {};
  #isOver = false;
  readonly #onSettled: ((outcome: SettledOutcome) => void)[] = [];
  #replyHeaders: MessageHeaders | undefined;

  constructor(active: ActiveRequest, options: InterceptionOptions) {
    this.#active = active;
    this.#options = options;
  }

  /**
   * Runs the request. Never rejects.
   *
   * @returns As the server's own way does: the reply, or the error of a worker that died.
   */
  async reply(): Promise<EncodedReply | RpcError> {
    const { request } = this.#active;
    this.#active.surround(this);
    try {
      // A race of promises would cost more than all else here.
      const reply = await new Promise<InterceptedReply>((resolve, reject) => {
        this.#reject = reject;
        this.#pass(0, readMessageHeaders(request.table)).then(resolve, reject);
      });
      return this.#finish(reply);
    } catch (error) {
      if (error instanceof RpcError && error.code === "worker-crashed") return error;
      return this.#finish(encodeError(error));
    } finally {
      this.#isOver = true;
    }
  }

  /** An interceptor that never settles takes its place of the server no longer than a handler. */
  abandon(reason: RpcError): boolean {
    if (this.#isOver) return false;
    this.#reject(reason);
    return true;
  }

  settled(outcome: SettledOutcome): void {
    for (const told of this.#onSettled) told(outcome);
  }

  #pass(index: number, headers: MessageHeaders): Promise<InterceptedReply> {
    const interceptor = this.#options.interceptors[index];
    if (interceptor === undefined) return this.#run(headers);
    return Promise.try(() =>
      interceptor(this.#describe(headers), (changes) => {
        if (changes === undefined) return this.#pass(index + 1, headers);
        return this.#pass(index + 1, checkMessageHeaders("go on", changes.headers));
      })
    );
  }

  async #run(headers: MessageHeaders): Promise<InterceptedReply> {
    const { dropReason, stopReason = dropReason } = this.#active;
    // Interceptors may have taken their time.
    if (stopReason !== undefined) throw stopReason;
    this.#active.setHeaders(headers);
    const reply = await this.#options.run();
    if (reply instanceof RpcError) throw reply;
    return reply;
  }

  #describe(headers: MessageHeaders): InterceptedRequest {
    const active = this.#active;
    const { request, delivery } = active;
    const { defaultProcedure, runner, sessions } = this.#options.server;
    const procedure = request.procedure ?? defaultProcedure;
    return {
      procedure,
      isKnown: runner.knows(request),
      meta: runner.metaOf(request) ?? NO_META,
      correlationId: request.correlationId,
      deadline: request.deadline,
      redeliveries: delivery.redeliveries,
      isRedriven: isRedriven(delivery.properties),
      headers,
      wantsReply: request.replyTo !== undefined,
      bytes: delivery.body.length,
      broker: sessions.consumer?.session?.broker,
      get isReused() {
        return active.isReused;
      },
      onSettled: (told) => void this.#onSettled.push(safeObserver(told)),
      setReplyHeader: (name, value) => this.#setReplyHeader(name, value),
      answer: (output) => encodeOutput(output, procedure ?? "", jsonCodec),
    };
  }

  #setReplyHeader(name: string, value: HeaderValue): void {
    const action = "set a header of the reply";
    this.#replyHeaders = withHeader(action, this.#replyHeaders, [name, value]);
  }

  /** Interceptors in plain JavaScript may give anything. */
  #finish(reply: EncodedReply): EncodedReply {
    const isReply = typeof reply === "object" && reply !== null && "body" in reply;
    if (!isReply) {
      return encodeError(new TypeError("Cannot reply as an interceptor has given no reply"));
    }
    const headers = this.#replyHeaders;
    return headers === undefined ? reply : { ...reply, headers: { ...reply.headers, ...headers } };
  }
}
