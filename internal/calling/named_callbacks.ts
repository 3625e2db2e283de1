/** Callbacks by name, for replies that may come after a restart. @module */

import { jsonCodec } from "../../codec.ts";
import { type CallPhase, type CallReport, RpcError } from "../../errors.ts";
import type { CallCallback, CallResult } from "./callback_registry.ts";
import type { CallSubject } from "./call_outcome.ts";
import { MAX_CALLBACK_CHARS } from "../protocol/envelope.ts";

/** What a callback by name is told beside the result. */
export interface NamedReply {
  /** The id that `callAsync` returned. */
  readonly correlationId: string;
  /** The procedure that was called. */
  readonly procedure: string;
  /** What `callAsync` was given as `callbackContext`. */
  readonly context: unknown;
}

/** A callback by name. It may return a promise. */
export type NamedCallback = (result: CallResult<unknown>, reply: NamedReply) => unknown;

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

/** The callbacks that were registered, and the results that wait for one. */
export class NamedCallbacks {
  readonly #callbacks = new Map<string, PromiseWithResolvers<NamedCallback>>();
  readonly #registered = new Set<string>();

  /**
   * Registers a callback; results that waited for it are handed to it.
   *
   * @throws {TypeError} If there is one of that name.
   */
  register(name: string, callback: NamedCallback): void {
    const entry = this.#entry(name);
    if (this.#registered.has(name)) {
      throw new TypeError(`Cannot register callback "${name}" as there is one of that name`);
    }
    this.#registered.add(name);
    entry.resolve(callback);
  }

  /**
   * Makes a callback for one call of this process.
   *
   * @throws {TypeError} If none of that name is registered.
   */
  bind(name: string, reply: NamedReply): CallCallback<unknown> {
    if (!this.#registered.has(name)) {
      throw new TypeError(
        `Cannot call "${reply.procedure}" as callback "${name}" is not registered: ` +
          "call registerCallback() first",
      );
    }
    return (result) => this.run(name, result, reply);
  }

  /**
   * Runs a callback, as soon as it is registered.
   *
   * @throws Whatever the callback throws.
   */
  async run(name: string, result: CallResult<unknown>, reply: NamedReply): Promise<void> {
    const callback = await this.#entry(name).promise;
    await callback(result, reply);
  }

  #entry(name: string): PromiseWithResolvers<NamedCallback> {
    const existing = this.#callbacks.get(name);
    if (existing !== undefined) return existing;
    const entry = Promise.withResolvers<NamedCallback>();
    this.#callbacks.set(name, entry);
    return entry;
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
  const { procedure, queue, immediate, startedAt } = ticket;
  return {
    request: { procedure, immediate },
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
