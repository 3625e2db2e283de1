/** Makes outputs of replies, the way a client was asked to. @module */

import type { RpcClientOptions } from "../../options/client_options.ts";
import { codecFor, jsonCodec } from "../../codec.ts";
import type { StandardSchema } from "../../contract.ts";
import type { EncodedItem } from "../running/encoded_handler.ts";
import { RpcError, RpcRemoteError } from "../../errors.ts";
import { validate } from "../validate.ts";
import { type CallSubject, ended, readReply, type ReplyReader } from "./call_outcome.ts";
import type { CallSettings } from "./call_terms.ts";
import type { IncomingReply } from "./pending_call.ts";

type MakeError = (remote: RpcRemoteError) => Error;

/** Reads replies: decodes, replaces registered errors, checks outputs against schemas. */
export class OutputReader {
  readonly #reader: ReplyReader;
  readonly #schemas: ReadonlyMap<string, StandardSchema>;
  readonly #errors: ReadonlyMap<string, MakeError>;

  constructor(settings: CallSettings, options: Pick<RpcClientOptions, "outputs" | "errors">) {
    const { maxBodyBytes, codec } = settings;
    this.#reader = { maxBodyBytes, codecs: codec === jsonCodec ? [] : [codec] };
    this.#schemas = new Map(Object.entries(options.outputs ?? {}));
    this.#errors = new Map(Object.entries(options.errors ?? {}));
  }

  /**
   * Reads a reply.
   *
   * @returns The output.
   * @throws {RpcError} See {@linkcode readReply}; `invalid-output` if a schema does not hold.
   * @throws What a registered maker of errors makes.
   */
  async read(call: CallSubject, reply: IncomingReply): Promise<unknown> {
    const { procedure } = call.request;
    const schema = this.#schemas.get(procedure);
    const output = this.#readReply(call, reply);
    if (schema === undefined) return output;
    try {
      return await validate(schema, output, { procedure, part: "output" });
    } catch (error) {
      throw error instanceof RpcError ? ended(call.report(), error) : error;
    }
  }

  /**
   * Decodes an item of a stream, or a progress.
   *
   * @throws {RpcError} `undecodable`.
   */
  decodeItem({ body, contentType }: EncodedItem): unknown {
    const codec = codecFor(contentType, this.#reader.codecs);
    if (codec !== undefined) return codec.decode(body);
    throw new RpcError("undecodable", `Cannot decode an item as "${contentType}" is not known`);
  }

  #readReply(call: CallSubject, reply: IncomingReply): unknown {
    try {
      return readReply(call, reply, this.#reader);
    } catch (error) {
      throw this.#replace(error);
    }
  }

  #replace(error: unknown): unknown {
    if (!(error instanceof RpcRemoteError)) return error;
    const make = this.#errors.get(error.remoteName);
    return make === undefined ? error : make(error);
  }
}
