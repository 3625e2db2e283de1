/** Tickets: what a reply says of its callback by name, signed so that only its client can write it. @module */

import { createHmac, timingSafeEqual } from "node:crypto";
import { jsonCodec } from "../../codec.ts";
import { type CallPhase, type CallReport, RpcError } from "../../errors.ts";
import type { MessageHeaders } from "../../contract.ts";
import type { NamedCallbackOptions } from "../../options/client_options.ts";
import { MAX_CALLBACK_CHARS } from "../protocol/envelope.ts";
import { toPrintable } from "../text.ts";
import { checkCallOptions, timeLeftMs } from "../callers/call_options.ts";
import type { ClientSettings } from "./client_settings.ts";
import type { CallSubject } from "./reply_reader.ts";

/** What travels with a request, so that its reply finds the callback again. */
export interface CallbackTicket {
  /** The correlation id of the call: the ticket is for no other reply. */
  readonly id: string;
  readonly name: string;
  readonly context: unknown;
  /** The header `traceparent` of its request; absent if it had none. */
  readonly trace?: unknown;
  readonly procedure: string;
  readonly queue: string;
  readonly immediate: boolean;
  /** Unix milliseconds. */
  readonly startedAt: number;
  /** Unix milliseconds: a reply that comes later runs nothing. */
  readonly expiresAt: number;
}

/** What the tickets of a client depend on. */
export type TicketSettings = Pick<
  ClientSettings,
  "replyQueue" | "timeoutMs"
>;

const encoder = new TextEncoder();

/** Writes and reads the tickets of one client. */
export class CallbackTickets {
  readonly #keys: readonly (string | Uint8Array)[];
  /** Tickets for another reply queue are refused, also if they were signed with the same key. */
  readonly #replyQueue: string;
  readonly #settings: TicketSettings | undefined;

  /**
   * Makes what signs and verifies.
   *
   * @param keys The first one signs; none, if there are no callbacks by name.
   * @param replyQueue The name of the client's durable reply queue; empty without one.
   * @param settings Of the client, for {@linkcode CallbackTickets.writeFor}.
   */
  constructor(
    keys: readonly (string | Uint8Array)[],
    replyQueue: string,
    settings?: TicketSettings,
  ) {
    this.#keys = keys;
    this.#replyQueue = replyQueue;
    this.#settings = settings;
  }

  /** Makes those of a client. */
  static of(settings: ClientSettings): CallbackTickets {
    const { callbackKeys, replyQueue } = settings;
    const name = typeof replyQueue === "object" ? replyQueue.name : "";
    return new CallbackTickets(callbackKeys, name, settings);
  }

  /**
   * Checks that there is a key.
   *
   * @param action What cannot be done otherwise.
   * @throws {TypeError} If there is none; the message says how to get one.
   */
  requireKey(action: string): string | Uint8Array {
    const [key] = this.#keys;
    if (key !== undefined) return key;
    throw new TypeError(
      `Cannot ${action} as option "callbackKeys" is missing, without which anybody could run it: ` +
        'set it to [secret], where secret is what "openssl rand -hex 32" prints, the same at each ' +
        "start and known to this client alone",
    );
  }

  /**
   * Makes what writes tickets for the requests of a call that is made now: nothing for a callback
   * without a name.
   *
   * @returns Given the correlation id of a request, and its headers if interceptors have set them.
   */
  writerFor(
    { name, procedure, queue }: Pick<CallbackTicket, "procedure" | "queue"> & {
      readonly name: unknown;
    },
    options: NamedCallbackOptions,
  ): (id: string, headers?: MessageHeaders) => string | undefined {
    return (id, headers) => {
      if (typeof name !== "string") return undefined;
      const trace = headers?.traceparent;
      return this.writeFor(
        { id, name, procedure, queue, ...(trace !== undefined && { trace }) },
        options,
      );
    };
  }

  /**
   * Writes the ticket of a call that is made now.
   *
   * @throws {RpcError} `unencodable` or `too-large`, for the context.
   */
  writeFor(
    call: Pick<CallbackTicket, "id" | "name" | "procedure" | "queue" | "trace">,
    options: NamedCallbackOptions,
  ): string {
    const { callbackContext: context, immediate = false } = options;
    const { replyQueue, timeoutMs = 0 } = this.#settings ?? {};
    checkCallOptions("call", options);
    const startedAt = Date.now();
    // A reply comes in time, and its queue keeps it for so long at most.
    const keptMs = typeof replyQueue === "object" ? replyQueue.expiresMs : 0;
    const expiresAt = startedAt + timeLeftMs(options, timeoutMs) + keptMs;
    return this.write({ ...call, context, immediate, startedAt, expiresAt });
  }

  /**
   * Writes a ticket as the text of a header.
   *
   * @throws {RpcError} `unencodable` or `too-large`, for the context.
   */
  write(ticket: CallbackTicket): string {
    const key = this.requireKey(`call "${ticket.procedure}" with a callback by name`);
    const text = String(jsonCodec.encode(ticket));
    const signed = `${this.#sign(text, key)}.${text}`;
    if (signed.length <= MAX_CALLBACK_CHARS) return signed;
    throw new RpcError(
      "too-large",
      `Cannot call "${ticket.procedure}" as its "callbackContext" travels with the request and makes ` +
        `${signed.length} characters of it: the limit is ${MAX_CALLBACK_CHARS}`,
    );
  }

  /**
   * Reads the ticket of a reply.
   *
   * @param signed What the reply carries; anybody may have written it.
   * @param id The correlation id of the reply.
   * @throws {RpcError} `protocol`, if it was not signed by this client for that reply; `expired`.
   */
  read(signed: string, id: string): CallbackTicket {
    const dot = signed.indexOf(".");
    const text = signed.slice(dot + 1);
    if (!this.#isSigned(text, signed.slice(0, Math.max(0, dot)))) {
      throw refused(id, 'it was not signed with one of the "callbackKeys"');
    }
    const ticket: unknown = jsonCodec.decode(text);
    if (!isTicket(ticket) || ticket.id !== id) throw refused(id, "it was signed for another reply");
    if (ticket.expiresAt < Date.now()) {
      const moment = new Date(ticket.expiresAt).toISOString();
      throw new RpcError(
        "expired",
        `Cannot run the callback of reply "${id}" as it expired: ${moment}`,
      );
    }
    return ticket;
  }

  #sign(text: string, key: string | Uint8Array): string {
    const signed = `rpc-callback\n${this.#replyQueue}\n${text}`;
    return createHmac("sha256", key).update(signed).digest("base64url");
  }

  #isSigned(text: string, signature: string): boolean {
    const found = encoder.encode(signature);
    return this.#keys.some((key) => {
      const expected = encoder.encode(this.#sign(text, key));
      return found.length === expected.length && timingSafeEqual(found, expected);
    });
  }
}

/** The call of a ticket, as far as an error has to tell of it. */
export function ticketSubject(ticket: CallbackTicket, phase: CallPhase = "replied"): CallSubject {
  const { name, procedure, queue, immediate, startedAt } = ticket;
  return {
    request: { procedure, immediate, callback: name },
    report: (): CallReport => ({ procedure, queue, elapsedMs: Date.now() - startedAt, phase }),
  };
}

function refused(id: string, reason: string): RpcError {
  const subject = `Cannot run the callback of reply "${toPrintable(id)}"`;
  return new RpcError("protocol", `${subject} as what it says of it is not ours: ${reason}`);
}

/** A ticket of another version of this client may lack something. */
function isTicket(value: unknown): value is CallbackTicket {
  return typeof value === "object" && value !== null &&
    "id" in value && typeof value.id === "string" &&
    "name" in value && typeof value.name === "string" &&
    "procedure" in value && typeof value.procedure === "string" &&
    "immediate" in value && typeof value.immediate === "boolean" &&
    "queue" in value && typeof value.queue === "string" &&
    "startedAt" in value && typeof value.startedAt === "number" &&
    "expiresAt" in value && typeof value.expiresAt === "number";
}
