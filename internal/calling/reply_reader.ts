/** Makes outputs and errors of what arrives at a reply queue. @module */

import { type Body, type Codec, codecFor } from "../../codec.ts";
import type { StandardSchema } from "../../contract.ts";
import { RpcError, RpcRemoteError } from "../../errors.ts";
import { readErrorDescription } from "../error_description.ts";
import type { AmqpDelivery } from "../broker/amqp.ts";
import { checkBodySize } from "../check.ts";
import { readMessageHeaders } from "../message_headers.ts";
import { readAmqpValue } from "../protocol/amqp_value.ts";
import { readDeadLetterReason } from "../protocol/dead_letter.ts";
import {
  isAmqpValue,
  isErrorReply,
  readCompression,
  readContentType,
  readItemCount,
} from "../protocol/envelope.ts";
import type { EncodedItem } from "../encoded_reply.ts";
import { readTiming } from "../protocol/timing_header.ts";
import { toPrintable } from "../text.ts";
import { madeAtOnce, validate } from "../validate.ts";
import { withCallerStack } from "../caller_stack.ts";
import { dropped, ended, undecodable } from "./call_errors.ts";
import type { CallRequest } from "./call_request.ts";
import type { ClientSettings } from "./client_settings.ts";
import type { ObservedReply } from "./call_timing.ts";
import type { PendingCall } from "./pending_calls.ts";

/** The part of a call that matters to its outcome; a reply after a restart has no more. */
export type CallSubject =
  & Pick<PendingCall, "report">
  & {
    readonly request:
      & Pick<CallRequest, "procedure" | "immediate" | "callback">
      & Partial<Pick<CallRequest, "onReply">>;
  }
  & Partial<
    Pick<PendingCall, "isObserved" | "tell" | "observed">
  >;

type MakeError = (remote: RpcRemoteError) => Error;

/** Reads replies: decodes, replaces registered errors, checks outputs against schemas. */
export class ReplyReader {
  readonly #maxBodyBytes: number;
  readonly #codecs: readonly Codec[];
  readonly #schemas: ReadonlyMap<string, StandardSchema>;
  readonly #errors: ReadonlyMap<string, MakeError>;

  constructor(
    settings: Pick<ClientSettings, "maxBodyBytes" | "codecs" | "outputs" | "errors">,
  ) {
    this.#maxBodyBytes = settings.maxBodyBytes;
    this.#codecs = settings.codecs;
    this.#schemas = new Map(
      Object.entries(settings.outputs).flatMap(([name, schema]) =>
        schema === undefined ? [] : [[name, schema] as const]
      ),
    );
    this.#errors = new Map(Object.entries(settings.errors));
  }

  /**
   * Waits for the reply of a call, and reads it. It takes nothing else of the call: an asynchronous
   * function holds its arguments for as long as it waits.
   *
   * @throws Why there is no reply, or what it says; see {@linkcode ReplyReader.read}.
   */
  async outcomeOf(call: PendingCall): Promise<unknown> {
    let reply: AmqpDelivery | undefined;
    try {
      reply = await call.reply;
    } catch (error) {
      throw withCallerStack(error);
    }
    return this.read(call, reply);
  }

  /**
   * Reads the last reply of a call.
   *
   * @returns The output; a promise only if there is a schema for it. A notification has none.
   * @throws {RpcRemoteError} If it is an error reply.
   * @throws {RpcError} If it is the request itself, come back; or `too-large`, `undecodable`, or
   * `invalid-output` if a schema does not hold.
   * @throws What a registered maker of errors makes.
   */
  read(call: CallSubject, reply: AmqpDelivery | undefined): unknown {
    return call.isObserved ? this.#readObserved(call, reply) : this.#read(call, reply);
  }

  /** Without a schema, there is nothing to wait for: a promise would cost each call. */
  #readObserved(call: CallSubject, reply: AmqpDelivery | undefined): unknown {
    const server = readTiming(reply?.properties.headers);
    const receivedAt = performance.now();
    const observed: ObservedReply = { server, receivedAt, settledAt: undefined, decodeMs: 0 };
    call.observed = observed;
    let output: unknown;
    try {
      output = this.#read(call, reply);
    } catch (error) {
      call.tell?.(error);
      throw error;
    }
    // Whoever waits goes on when all that was to be done before is done.
    observed.settledAt = performance.now();
    observed.decodeMs = observed.settledAt - receivedAt;
    if (output instanceof Promise) return tellAfter(output, call, observed);
    call.tell?.(undefined);
    return output;
  }

  #read(call: CallSubject, reply: AmqpDelivery | undefined): unknown {
    if (reply === undefined) return undefined;
    const { properties, body } = reply;
    const reason = readDeadLetterReason(properties);
    const { procedure, immediate } = call.request;
    if (reason !== undefined) throw dropped(call.report(), reason, immediate);
    call.request.onReply?.({ headers: readMessageHeaders(properties.headers) });
    if (body.length > this.#maxBodyBytes) {
      const subject = `Cannot take the reply of "${procedure}" as it`;
      checkBodySize(body, this.#maxBodyBytes, { subject, call: call.report() });
    }
    const value = this.#decode(call, reply);
    if (isErrorReply(properties)) throw this.#remoteError(call, value);
    const schema = this.#schemas.get(procedure);
    // The end of a stream has no output: its schema is for its items.
    if (schema === undefined || readItemCount(properties) !== undefined) return value;
    return check(schema, value, call);
  }

  /** Why an item of a stream, or a progress, is not taken, if so: what waits here is bounded. */
  refuseItem(body: Body): RpcError | undefined {
    if (body.length <= this.#maxBodyBytes) return undefined;
    return new RpcError(
      "too-large",
      `Cannot take what came before the reply as it has ${body.length} bytes: ` +
        `the limit "maxBodyBytes" is ${this.#maxBodyBytes}`,
    );
  }

  /**
   * Decodes an item of a stream, and checks it if there is a schema for its procedure.
   *
   * @throws {RpcError} `too-large`, `undecodable` or `invalid-output`.
   * @throws {TypeError} If the schema is asynchronous: items are read one after the other, at once.
   */
  readItem(procedure: string, item: EncodedItem): unknown {
    const value = this.decodeItem(item);
    const schema = this.#schemas.get(procedure);
    if (schema === undefined) return value;
    const made = validate(schema, value, { procedure, part: "output" });
    const refusal = () => `Cannot stream "${procedure}" as the schema of its items is asynchronous`;
    return madeAtOnce(made, refusal);
  }

  /**
   * Decodes an item of a stream, or a progress.
   *
   * @throws {RpcError} `too-large` or `undecodable`.
   */
  decodeItem({ body, contentType }: EncodedItem): unknown {
    const refusal = this.refuseItem(body);
    if (refusal !== undefined) throw refusal;
    const codec = codecFor(contentType, this.#codecs);
    if (codec !== undefined) return codec.decode(body);
    throw new RpcError("undecodable", `Cannot decode an item as ${unknownType(contentType)}`);
  }

  #decode(call: CallSubject, { properties, body }: AmqpDelivery): unknown {
    const compression = readCompression(properties);
    if (compression !== undefined) {
      throw undecodable(call.report(), `its content encoding is "${compression}"`);
    }
    const value = isAmqpValue(properties) ? readAmqpValue(body) : undefined;
    const contentType = value?.contentType ?? readContentType(properties);
    // Servers write errors as JSON of ours, whatever codec a client has for its outputs.
    const ours = isErrorReply(properties) ? codecFor(contentType) : undefined;
    const codec = ours ?? codecFor(contentType, this.#codecs);
    if (codec === undefined) throw undecodable(call.report(), unknownType(contentType));
    try {
      return codec.decode(value?.body ?? body);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw undecodable(call.report(), toPrintable(reason), error);
    }
  }

  #remoteError(call: CallSubject, value: unknown): Error {
    const description = readErrorDescription(value);
    const error = new RpcRemoteError(call.request.procedure, description, { call: call.report() });
    const make = this.#errors.get(error.remoteName);
    return make === undefined ? error : make(error);
  }
}

/** Tells the outcome of a call whose output is checked against a schema. */
async function tellAfter(
  output: Promise<unknown>,
  call: CallSubject,
  observed: ObservedReply,
): Promise<unknown> {
  try {
    const value = await output;
    observed.settledAt = performance.now();
    call.tell?.(undefined);
    return value;
  } catch (error) {
    call.tell?.(error);
    throw error;
  }
}

async function check(schema: StandardSchema, value: unknown, call: CallSubject): Promise<unknown> {
  try {
    return await validate(schema, value, { procedure: call.request.procedure, part: "output" });
  } catch (error) {
    throw error instanceof RpcError ? ended(call.report(), error) : error;
  }
}

function unknownType(contentType: string | undefined): string {
  return `there is no codec for content type "${toPrintable(contentType ?? "")}"`;
}
