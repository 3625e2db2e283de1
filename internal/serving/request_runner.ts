/** Runs requests: finds the handler, and runs requests with the same key once. @module */

import { RpcError } from "../../errors.ts";
import type { ActiveRequest } from "./active_requests.ts";
import { checkBodySize } from "../body_size.ts";
import type { AmqpDelivery } from "../broker/amqp.ts";
import type { IncomingRequest } from "../protocol/envelope.ts";
import { encodeError } from "../running/encode_reply.ts";
import type { EncodedHandler, EncodedReply, ItemSink } from "../running/encoded_handler.ts";
import type { Procedures } from "./procedures.ts";
import type { ReplyCache } from "./reply_cache.ts";
import { RequestContext } from "./request_context.ts";
import { isShortText, MAX_SHORT_TEXT_BYTES } from "../short_text.ts";

/** What a {@linkcode RequestRunner} needs of its server. */
export interface RunnerOptions {
  readonly procedures: Procedures;
  readonly maxBodyBytes: number;
  /** Absent if every request is to be run anew. */
  readonly cache: ReplyCache | undefined;
  readonly includeStack: boolean;
}

/** A handler that runs, for all requests with one key. */
interface Flight {
  readonly context: RequestContext;
  readonly reply: Promise<EncodedReply>;
  /** How many requests still want the reply. */
  members: number;
}

/** How the error of a body that is too large begins. */
const SUBJECT = "Cannot serve the request as";

/** Runs the requests of one server. */
export class RequestRunner {
  readonly #options: RunnerOptions;
  readonly #flights = new Map<string, Flight>();
  #reused = 0;

  constructor(options: RunnerOptions) {
    this.#options = options;
  }

  /** Requests that were answered with the output of another one. */
  get reused(): number {
    return this.#reused;
  }

  /**
   * Runs a request, or finds what it would give. Whatever goes wrong is an error reply, but for one
   * thing.
   *
   * @param active The request.
   * @param delivery Its body.
   * @param sink Takes what the handler tells before its end, if the caller wants it. Such a request
   * is always run for itself.
   * @throws {RpcError} `worker-crashed`: whether to try again is not for the runner to say.
   */
  async run(active: ActiveRequest, delivery: AmqpDelivery, sink?: ItemSink): Promise<EncodedReply> {
    const { procedures, maxBodyBytes, cache, includeStack } = this.#options;
    try {
      checkBodySize(delivery.body, maxBodyBytes, `${SUBJECT} its input`);
      const { name, handler } = procedures.find(active.request.procedure);
      if (sink !== undefined) {
        return checkReply(await this.#runInto(sink, name, handler, active, delivery), maxBodyBytes);
      }
      const key = this.#key(name, active.request);
      const kept = key === undefined ? undefined : cache?.get(key);
      if (kept !== undefined) return this.#reuse(kept);
      return await this.#join(name, handler, key, active, delivery);
    } catch (error) {
      if (error instanceof RpcError && error.code === "worker-crashed") throw error;
      return encodeError(error, { includeStack });
    }
  }

  async #runInto(
    sink: ItemSink,
    name: string,
    handler: EncodedHandler,
    active: ActiveRequest,
    { body, redeliveries }: AmqpDelivery,
  ): Promise<EncodedReply> {
    using context = new RequestContext(name, active.request, redeliveries);
    active.onUnwanted = (reason) => context.abort(reason);
    const { contentType, priority } = active.request;
    const request = { procedure: name, body, contentType, priority, context };
    const running = handler.start?.(request, sink);
    if (running === undefined) throw noStream(name);
    active.onCredit = (count) => running.grant(count);
    return await running.reply;
  }

  #reuse(reply: EncodedReply): EncodedReply {
    this.#reused++;
    return reply;
  }

  #join(
    name: string,
    handler: EncodedHandler,
    key: string | undefined,
    active: ActiveRequest,
    delivery: AmqpDelivery,
  ): Promise<EncodedReply> {
    const running = key === undefined ? undefined : this.#flights.get(key);
    if (running !== undefined) {
      this.#reused++;
      running.context.prolong(active.request);
    }
    const flight = running ?? this.#start(name, handler, key, active.request, delivery);
    flight.members++;
    const { promise, resolve, reject } = Promise.withResolvers<EncodedReply>();
    flight.reply.then(resolve, reject);
    active.onUnwanted = (reason) => {
      // The handler goes on for others; this request makes room for the next.
      if (--flight.members > 0) return reject(reason);
      // Whoever comes now must not join what is about to fail.
      this.#forget(key, flight);
      flight.context.abort(reason);
    };
    return promise;
  }

  #start(
    name: string,
    handler: EncodedHandler,
    key: string | undefined,
    request: IncomingRequest,
    { body, redeliveries }: AmqpDelivery,
  ): Flight {
    const context = new RequestContext(name, request, redeliveries);
    const { contentType, priority } = request;
    const encoded = { procedure: name, body, contentType, priority, context };
    const reply = handle(handler, encoded, this.#options.maxBodyBytes);
    const flight: Flight = { context, reply, members: 0 };
    if (key !== undefined) this.#keep(key, flight);
    return flight;
  }

  #keep(key: string, flight: Flight): void {
    this.#flights.set(key, flight);
    flight.reply.then(
      (reply) => {
        this.#options.cache?.keep(key, reply);
        this.#forget(key, flight);
      },
      () => this.#forget(key, flight),
    );
  }

  #forget(key: string | undefined, flight: Flight): void {
    if (key !== undefined && this.#flights.get(key) === flight) this.#flights.delete(key);
  }

  #key(name: string, { idempotencyKey, replyTo = "" }: IncomingRequest): string | undefined {
    const { cache } = this.#options;
    if (cache === undefined || idempotencyKey === undefined) return undefined;
    return `${cache.isPerCaller ? replyTo : ""}\n${name}\n${idempotencyKey}`;
  }
}

/** Checks what a handler has encoded itself, while there is somebody to tell. */
function checkReply(reply: EncodedReply, maxBodyBytes: number): EncodedReply {
  const { body, contentType } = reply;
  checkBodySize(body, maxBodyBytes, `${SUBJECT} its output`);
  if (typeof contentType === "string" && isShortText(contentType)) return reply;
  throw new RpcError(
    "unencodable",
    `${SUBJECT} the content type of its output must be a string of at most ` +
      `${MAX_SHORT_TEXT_BYTES} bytes: current value is ${String(contentType).slice(0, 80)}`,
  );
}

function noStream(name: string): RpcError {
  return new RpcError("not-a-stream", `Cannot stream "${name}" as its handler cannot`);
}

async function handle(
  handler: EncodedHandler,
  request: Parameters<EncodedHandler["handle"]>[0] & { readonly context: RequestContext },
  maxBodyBytes: number,
): Promise<EncodedReply> {
  using _ = request.context;
  return checkReply(await handler.handle(request), maxBodyBytes);
}
