/** What makes two requests the same work. @module */

import { createHash } from "node:crypto";
import { RpcError } from "../../../errors.ts";
import type { IncomingRequest } from "../../protocol/envelope.ts";
import { toPrintable } from "../../text.ts";

/** Begins the names of keys that callers set. */
const OWN = "=";
const OTHER = "-";

/** Whose keys are the same. */
export type KeyScope = "caller" | "queue";

/** The request of a key, and its procedure under the name that it was found by. */
interface KeyedRequest {
  readonly procedure: string;
  readonly request: IncomingRequest;
  readonly body: Uint8Array;
  readonly scope: KeyScope;
}

/** The key of a request, with what it was used for. */
export class WorkKey {
  /** Keys of callers, procedures and kinds never have the same. */
  readonly name: string;
  /** A digest of the input, if the caller set the key; else one request is delivered again. */
  readonly input: string | undefined;
  readonly #procedure: string;
  readonly #key: string;

  private constructor(key: string, { procedure, request, body, scope }: KeyedRequest) {
    const { isKeyed, caller = "" } = request;
    this.#procedure = procedure;
    this.#key = key;
    this.name = isKeyed
      ? `${OWN}${scope === "caller" ? caller : ""}\n${procedure}\n${key}`
      : WorkKey.nameOf(procedure, key);
    this.input = isKeyed ? digestOf(request.contentType, body) : undefined;
  }

  /** Finds the key of a request; nobody keeps the items of a stream. */
  static of(keyed: KeyedRequest): WorkKey | undefined {
    const { idempotencyKey, credits } = keyed.request;
    if (idempotencyKey === undefined || credits !== undefined) return undefined;
    return new WorkKey(idempotencyKey, keyed);
  }

  /** The name of a request by its id, which tells its redeliveries. */
  static nameOf(procedure: string, id: string): string {
    return `${OTHER}\n${procedure}\n${id}`;
  }

  /** Whether a name is that of a key that its caller set. */
  static isOwn(name: string): boolean {
    return name.startsWith(OWN);
  }

  /** Reads the procedure, and the key made printable, out of a name. */
  static parse(name: string): readonly [procedure: string, key: string] {
    const [, procedure = "", ...key] = name.split("\n");
    return [procedure, toPrintable(key.join("\n"))];
  }

  /**
   * Checks that earlier work with this key was for the same input.
   *
   * @throws {RpcError} `idempotency-conflict`, if it was not.
   */
  requireSame(input: string | undefined): void {
    if (input === this.input) return;
    throw new RpcError(
      "idempotency-conflict",
      `Cannot run "${this.#procedure}" as its idempotency key "${toPrintable(this.#key)}" stands ` +
        "for another input: other work needs another key",
    );
  }
}

function digestOf(contentType: string | undefined, body: Uint8Array): string {
  return createHash("sha256").update(`${contentType ?? ""}\n`).update(body).digest("base64url");
}
