/** What a call is counted under: a bounded number of labels, whatever strangers send. @module */

import { isRpcError, type KnownErrorCode } from "../../errors.ts";
import type { RpcServerEvent } from "../../options/events.ts";

type ServedEvent = Extract<RpcServerEvent, { readonly type: "served" }>;

/** All procedures that nobody here serves, and all that are too many: strangers choose their names. */
export const OTHER = "_OTHER";

/** What a call without an error is counted under. */
export const OK = "OK";

/** Names that one queue is counted under at most. */
export const MAX_PROCEDURES = 200;

/** All of them, which the compiler checks. */
const KNOWN_CODES: Readonly<Record<KnownErrorCode, true>> = {
  "access-refused": true,
  "circuit-open": true,
  "closed": true,
  "cancelled": true,
  "delivery-limit": true,
  "disconnected": true,
  "expired": true,
  "handler-error": true,
  "idempotency-conflict": true,
  "in-use": true,
  "invalid-input": true,
  "invalid-output": true,
  "misconfigured": true,
  "no-capacity": true,
  "not-a-stream": true,
  "orphaned": true,
  "overloaded": true,
  "protocol": true,
  "queue-full": true,
  "rejected": true,
  "reply-to-refused": true,
  "timeout": true,
  "too-large": true,
  "unavailable": true,
  "undecodable": true,
  "unencodable": true,
  "unknown-callback": true,
  "unknown-procedure": true,
  "unreachable": true,
  "unroutable": true,
  "unwanted-stream": true,
  "worker-crashed": true,
  "worker-not-started": true,
};

/**
 * The label of an error: its code if it is one of this library's, as handlers may give any other.
 *
 * @param code What is called its code.
 */
export function codeLabel(code: unknown): KnownErrorCode {
  return typeof code === "string" && Object.hasOwn(KNOWN_CODES, code)
    ? code as KnownErrorCode // it is one of its keys
    : "handler-error";
}

/** The label of what a caller got: what is no error of this library is why it gave up. */
export function callerLabel(error: unknown): KnownErrorCode | typeof OK {
  if (error === undefined) return OK;
  return isRpcError(error) ? codeLabel(error.code) : "cancelled";
}

/** The label of a request: what its caller got, or why it got nothing. */
export function servedLabel({ outcome, error }: ServedEvent): string {
  switch (outcome) {
    case "output":
    case "notified":
      return OK;
    case "error":
      return codeLabel(error instanceof Error && "code" in error ? error.code : undefined);
    case "crashed":
      return "worker-crashed";
    default:
      return outcome;
  }
}

/** The names that the procedures of one queue are counted under. */
export class ProcedureLabels {
  readonly #names = new Set<string>();

  /**
   * The label of a procedure.
   *
   * @param procedure Its name, which anybody may have chosen.
   * @param isServed Whether that name is known to be of a procedure that there is.
   */
  labelOf(procedure: string | undefined, isServed: boolean): string {
    if (procedure === undefined) return OTHER;
    if (this.#names.has(procedure)) return procedure;
    if (!isServed || this.#names.size >= MAX_PROCEDURES) return OTHER;
    this.#names.add(procedure);
    return procedure;
  }
}

/** The names of one queue among those of several; new ones if it has none yet. */
export function labelsIn(queues: Map<string, ProcedureLabels>, queue: string): ProcedureLabels {
  let labels = queues.get(queue);
  if (labels === undefined) queues.set(queue, labels = new ProcedureLabels());
  return labels;
}
