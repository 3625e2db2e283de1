/** Callbacks of fire-and-forget calls: functions, and names that outlive their client. @module */

import { RpcError } from "../../errors.ts";
import type { CallCallback, CallResult } from "../../caller.ts";
import type { NamedCallback, NamedReply } from "../../options/client_options.ts";
import type { InterceptedCall } from "../../options/interceptors.ts";
import type { AmqpDelivery } from "../broker/amqp.ts";
import { checkType, wrongValue } from "../check.ts";
import { readDeadLetterReason } from "../protocol/dead_letter.ts";
import { RecentMap } from "../recent_map.ts";
import { readText } from "../text.ts";
import { type CallbackTicket, type CallbackTickets, ticketSubject } from "./callback_tickets.ts";
import type { CallInterception } from "./call_interception.ts";
import type { PendingCall } from "./pending_calls.ts";
import type { CallSubject, ReplyReader } from "./reply_reader.ts";

/** A call that is under way, or was so in an earlier start. */
type StartedCall = CallSubject & Pick<PendingCall, "reply">;

/** How a call is made whose outcome a callback gets. */
export interface CallStart {
  /** Starts it; as interceptors have changed it, if there are any. */
  readonly start: (changed?: InterceptedCall) => StartedCall;
  /** What is around it; absent without interceptors. */
  readonly around?: CallInterception | undefined;
}

/** What {@linkcode Callbacks} are told of, and tell. */
export interface CallbacksOptions {
  /** Reads the replies of calls. */
  readonly reader: ReplyReader;
  /** Reads what replies say of callbacks by name. */
  readonly tickets: CallbackTickets;
  /** Told of each function of the user's that throws or rejects. */
  readonly onFailure: (correlationId: string, error: unknown) => void;
  /** Told of each reply that is not what it says; it is dropped. */
  readonly onRefused: (correlationId: string, error: RpcError) => void;
  /** Settles a reply whose callback is not registered. */
  readonly onUnknown: (name: string, reply: AmqpDelivery) => Promise<void>;
}

/**
 * How long a reply waits for its callback to be registered, in milliseconds: a program registers it
 * right after it has connected. Replies that wait take places of the reply queue's prefetch.
 */
const REGISTRATION_LIMIT_MS = 5_000;

/** A name that has a reply and no callback yet. */
interface AwaitedName extends PromiseWithResolvers<NamedCallback | undefined> {
  readonly timer: ReturnType<typeof setTimeout>;
}

/** The callbacks of a client: each runs once, or is taken out. */
export class Callbacks {
  readonly #options: CallbacksOptions;
  /** Told of each function of the user's that throws or rejects. */
  readonly onFailure: CallbacksOptions["onFailure"];
  /** Those that wait for the result of their call, by its correlation id. */
  readonly #waiting = new Map<string, CallCallback<unknown>>();
  readonly #named = new Map<string, NamedCallback>();
  readonly #awaited = new Map<string, AwaitedName>();
  /** Names that had a reply and were not registered in time: further replies do not wait. */
  readonly #missing = new Set<string>();
  /** Replies of earlier starts that are or were dealt with, by correlation id. */
  readonly #earlier = new RecentMap<Promise<void>>();

  /** Makes an empty registry. */
  constructor(options: CallbacksOptions) {
    this.#options = options;
    this.onFailure = options.onFailure;
  }

  /**
   * Registers a callback by name; results that waited for it are handed to it.
   *
   * @throws {TypeError} If there is one of that name, it is no function, or there is no key.
   */
  register(name: string, callback: NamedCallback): void {
    checkType("register a callback", { name }, "string");
    if (typeof callback !== "function") {
      throw new TypeError(wrongValue("register a callback", ["callback", callback], "a function"));
    }
    if (this.#named.has(name)) {
      throw new TypeError(`Cannot register callback "${name}" as there is one of that name`);
    }
    this.#options.tickets.requireKey(`register callback "${name}"`);
    this.#named.set(name, callback);
    this.#missing.delete(name);
    this.#settleAwaited(name, callback);
  }

  /**
   * Makes a callback for one call: of a name, or the function that it was given.
   *
   * @throws {TypeError} If none of that name is registered, or it is neither.
   */
  bind(given: CallCallback<unknown> | string, reply: NamedReply): CallCallback<unknown> {
    if (typeof given === "string") return this.#bindNamed(given, reply);
    if (typeof given === "function") return given;
    const kind = "a function or the name of a registered callback";
    throw new TypeError(wrongValue("call", ["callback", given], kind));
  }

  #bindNamed(name: string, reply: NamedReply): CallCallback<unknown> {
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
    start: CallStart,
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
   * @param signed What the reply says of its callback; anybody may have written it.
   * @param reply The reply, which is acknowledged after the callback has run.
   * @returns Whether it is for one.
   */
  acceptEarlier(signed: string, reply: AmqpDelivery): boolean {
    const { correlationId } = reply.properties;
    if (correlationId === undefined) return false;
    try {
      const ticket = this.#options.tickets.read(signed, correlationId);
      // It never rejects.
      void this.#runEarlier(ticket, reply);
      return true;
    } catch (error) {
      if (error instanceof RpcError) this.#options.onRefused(correlationId, error);
      return false;
    }
  }

  /** Stops to wait for callbacks: the replies stay in their queue. */
  close(): void {
    for (const { timer } of this.#awaited.values()) clearTimeout(timer);
  }

  /** Runs a callback once for two deliveries of one reply, and acknowledges both after it. */
  async #runEarlier(ticket: CallbackTicket, reply: AmqpDelivery): Promise<void> {
    const { id, name } = ticket;
    const before = this.#earlier.get(id);
    if (before !== undefined) {
      await before;
      return reply.ack();
    }
    const callback = this.#find(name);
    const done = callback.then((callback) => {
      if (callback !== undefined) return this.#runTicket(ticket, callback, reply);
      // Brought back from its parking queue, it comes once more.
      this.#earlier.delete(id);
      return this.#options.onUnknown(name, reply);
    });
    this.#earlier.set(id, done);
    await done;
  }

  #runTicket(ticket: CallbackTicket, callback: NamedCallback, reply: AmqpDelivery): Promise<void> {
    const { id: correlationId, procedure, context } = ticket;
    const trace = readText(ticket.trace);
    const isReturned = readDeadLetterReason(reply.properties) !== undefined;
    const subject = ticketSubject(ticket, isReturned ? "queued" : "replied");
    return this.run(
      correlationId,
      (result) => callback(result, { correlationId, procedure, context, ...(trace && { trace }) }),
      { start: () => ({ ...subject, reply: Promise.resolve(reply) }) },
    );
  }

  async #complete(
    { start, around }: CallStart,
  ): Promise<{ readonly result: CallResult<unknown>; readonly reply: AmqpDelivery | undefined }> {
    let reply: AmqpDelivery | undefined;
    const make = async (changed?: InterceptedCall) => {
      const call = start(changed);
      const arrived = await call.reply;
      // Of an attempt that an interceptor makes again.
      reply?.ack();
      // The replies of other callbacks were acknowledged when they arrived.
      if (call.request.callback !== undefined) reply = arrived;
      return await this.#options.reader.read(call, arrived);
    };
    try {
      const output = await (around === undefined ? make() : around(make));
      return { result: { ok: true, output }, reply };
    } catch (error) {
      return { result: { ok: false, error }, reply };
    }
  }

  async #find(name: string): Promise<NamedCallback | undefined> {
    const callback = this.#named.get(name);
    if (callback !== undefined || this.#missing.has(name)) return callback;
    return await this.#awaited.getOrInsertComputed(name, () => ({
      ...Promise.withResolvers<NamedCallback | undefined>(),
      timer: setTimeout(() => {
        this.#missing.add(name);
        this.#settleAwaited(name, undefined);
      }, REGISTRATION_LIMIT_MS),
    })).promise;
  }

  #settleAwaited(name: string, callback: NamedCallback | undefined): void {
    const awaited = this.#awaited.get(name);
    if (awaited === undefined) return;
    this.#awaited.delete(name);
    clearTimeout(awaited.timer);
    awaited.resolve(callback);
  }
}
