/** Callbacks of fire-and-forget calls: functions, and names that outlive their client. @module */

import { jsonCodec } from "../../codec.ts";
import { type CallPhase, type CallReport, RpcError } from "../../errors.ts";
import type {
  CallCallback,
  CallResult,
  NamedCallback,
  NamedReply,
} from "../../options/client_options.ts";
import type { AmqpDelivery } from "../broker/amqp.ts";
import { checkType, wrongValue } from "../check.ts";
import { MAX_CALLBACK_CHARS, readDeadLetterReason } from "../protocol/envelope.ts";
import type { PendingCall } from "./pending_calls.ts";
import type { CallSubject, ReplyReader } from "./reply_reader.ts";

/** What travels with a request, so that its reply finds the callback again. */
export interface CallbackTicket {
  readonly name: string;
  readonly context: unknown;
  readonly procedure: string;
  readonly queue: string;
  readonly immediate: boolean;
  /** Unix milliseconds. */
  readonly startedAt: number;
}

/** A call that is under way, or was so in an earlier start. */
type StartedCall = CallSubject & Pick<PendingCall, "reply">;

/** The callbacks of a client: each runs once, or is taken out. */
export class Callbacks {
  readonly #reader: ReplyReader;
  /** Told of each function of the user's that throws or rejects. */
  readonly onFailure: (correlationId: string, error: unknown) => void;
  /** Those that wait for the result of their call, by its correlation id. */
  readonly #waiting = new Map<string, CallCallback<unknown>>();
  readonly #named = new Map<string, NamedCallback>();
  /** Names that have a result and no callback yet. */
  readonly #awaited = new Map<string, PromiseWithResolvers<NamedCallback>>();

  /**
   * Makes an empty registry.
   *
   * @param reader Reads the replies of calls.
   * @param onFailure Told of each callback that throws or rejects.
   */
  constructor(reader: ReplyReader, onFailure: (correlationId: string, error: unknown) => void) {
    this.#reader = reader;
    this.onFailure = onFailure;
  }

  /**
   * Registers a callback by name; results that waited for it are handed to it.
   *
   * @throws {TypeError} If there is one of that name, or it is no function.
   */
  register(name: string, callback: NamedCallback): void {
    checkType("register a callback", { name }, "string");
    if (typeof callback !== "function") {
      throw new TypeError(wrongValue("register a callback", ["callback", callback], "a function"));
    }
    if (this.#named.has(name)) {
      throw new TypeError(`Cannot register callback "${name}" as there is one of that name`);
    }
    this.#named.set(name, callback);
    this.#awaited.get(name)?.resolve(callback);
    this.#awaited.delete(name);
  }

  /**
   * Makes a callback for one call of a name.
   *
   * @throws {TypeError} If none of that name is registered.
   */
  bind(name: string, reply: NamedReply): CallCallback<unknown> {
    const callback = this.#named.get(name);
    if (callback !== undefined) return (result) => callback(result, reply);
    throw new TypeError(
      `Cannot call "${reply.procedure}" as callback "${name}" is not registered: ` +
        "call registerCallback() first",
    );
  }

  /**
   * Starts a call at once, and runs a callback with its outcome. Whatever goes wrong, the start
   * included, is the outcome. The reply of a durable queue is acknowledged once the callback has run.
   *
   * @returns When it has run, or was taken out; never rejects.
   */
  async run(
    correlationId: string,
    callback: CallCallback<unknown>,
    start: () => StartedCall,
  ): Promise<void> {
    this.#waiting.set(correlationId, callback);
    const { result, reply } = await this.#complete(start);
    if (this.#waiting.delete(correlationId)) {
      try {
        await callback(result);
      } catch (error) {
        this.onFailure(correlationId, error);
      }
    }
    reply?.ack();
  }

  /** Takes a callback out, so that it is not run; tells whether it was still there. */
  remove(correlationId: string): boolean {
    return this.#waiting.delete(correlationId);
  }

  /**
   * Runs the callback by name that a reply was for when its call was made, by an earlier start, as
   * soon as there is one of that name.
   *
   * @param ticketText What the reply says of its callback.
   * @param reply The reply, which is acknowledged after the callback has run.
   * @returns Whether it is for one.
   */
  acceptEarlier(ticketText: string, reply: AmqpDelivery): boolean {
    const ticket = readTicket(ticketText);
    const { correlationId } = reply.properties;
    if (ticket === undefined || correlationId === undefined) return false;
    const { name, procedure, context } = ticket;
    const isReturned = readDeadLetterReason(reply.properties) !== undefined;
    const subject = ticketSubject(ticket, isReturned ? "queued" : "replied");
    // It never rejects.
    void this.run(correlationId, async (result) => {
      const callback = await this.#find(name);
      await callback(result, { correlationId, procedure, context });
    }, () => ({ ...subject, reply: Promise.resolve(reply) }));
    return true;
  }

  async #complete(
    start: () => StartedCall,
  ): Promise<{ readonly result: CallResult<unknown>; readonly reply: AmqpDelivery | undefined }> {
    let reply: AmqpDelivery | undefined;
    try {
      const call = start();
      const arrived = await call.reply;
      // The replies of other callbacks were acknowledged when they arrived.
      if (call.request.callback !== undefined) reply = arrived;
      return { result: { ok: true, output: await this.#reader.read(call, arrived) }, reply };
    } catch (error) {
      return { result: { ok: false, error }, reply };
    }
  }

  async #find(name: string): Promise<NamedCallback> {
    const callback = this.#named.get(name);
    if (callback !== undefined) return callback;
    return await this.#awaited.getOrInsertComputed(name, () => Promise.withResolvers()).promise;
  }
}

/**
 * Writes a ticket as the text of a header.
 *
 * @throws {RpcError} `unencodable` or `too-large`, for the context.
 */
export function writeTicket(ticket: CallbackTicket): string {
  const text = String(jsonCodec.encode(ticket));
  if (text.length <= MAX_CALLBACK_CHARS) return text;
  throw new RpcError(
    "too-large",
    `Cannot call "${ticket.procedure}" as its "callbackContext" travels with the request and makes ` +
      `${text.length} characters of it: the limit is ${MAX_CALLBACK_CHARS}`,
  );
}

/** Reads a ticket; `undefined` if it is not one of ours. */
export function readTicket(text: string): CallbackTicket | undefined {
  try {
    const ticket = jsonCodec.decode(text);
    return isTicket(ticket) ? ticket : undefined;
  } catch {
    return undefined;
  }
}

/** The call of a ticket, as far as an error has to tell of it. */
export function ticketSubject(ticket: CallbackTicket, phase: CallPhase = "replied"): CallSubject {
  const { name, procedure, queue, immediate, startedAt } = ticket;
  return {
    request: { procedure, immediate, callback: name },
    report: (): CallReport => ({
      procedure,
      queue,
      elapsedMs: Date.now() - startedAt,
      phase,
    }),
  };
}

function isTicket(value: unknown): value is CallbackTicket {
  return typeof value === "object" && value !== null &&
    "name" in value && typeof value.name === "string" &&
    "procedure" in value && typeof value.procedure === "string" &&
    "immediate" in value && typeof value.immediate === "boolean" &&
    "queue" in value && typeof value.queue === "string" &&
    "startedAt" in value && typeof value.startedAt === "number";
}
