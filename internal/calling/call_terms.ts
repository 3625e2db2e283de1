/** What a call is to be like: its options, checked, with the client's defaults. @module */

import type { CallOptions, RpcClientOptions } from "../../options/client_options.ts";
import { type Codec, codecOf, jsonCodec } from "../../codec.ts";
import { RpcError } from "../../errors.ts";
import {
  checkBodySize,
  checkInteger,
  checkName,
  checkProcedureName,
  DEFAULT_MAX_BODY_BYTES,
} from "../check.ts";
import { MAX_TIMEOUT_MS } from "../time.ts";
import type { CallRequest, CallSink } from "./pending_call.ts";

const TIMEOUT_BOUNDS = { min: 1, max: MAX_TIMEOUT_MS };

/** What all calls of a client have in common. */
export interface CallSettings {
  readonly queue: string;
  readonly timeoutMs: number;
  readonly maxBodyBytes: number;
  readonly codec: Codec;
}

/** {@linkcode CallOptions}, complete. */
export interface CallTerms {
  readonly timeoutMs: number;
  readonly signals: readonly AbortSignal[];
  readonly idempotent: boolean;
  readonly immediate: boolean;
  readonly priority: number | undefined;
  readonly onProgress: ((value: unknown) => void) | undefined;
  readonly idempotencyKey: string | undefined;
}

/** A call before its input is encoded. */
export interface CallDraft {
  readonly awaits: "reply" | "confirm";
  readonly correlationId: string;
  readonly procedure: string;
  readonly input: unknown;
  readonly callback?: string | undefined;
  readonly sink?: CallSink | undefined;
  readonly idleTimeoutMs?: number | undefined;
}

/**
 * Checks and completes the options of a client that concern its calls.
 *
 * @throws {TypeError} If the queue's name cannot be used.
 * @throws {RangeError} If a number is out of its bounds.
 */
export function resolveCallSettings(options: RpcClientOptions): CallSettings {
  const {
    queue,
    timeoutMs = 30_000,
    maxBodyBytes = DEFAULT_MAX_BODY_BYTES,
    codec = jsonCodec,
  } = options;
  checkName("connect", { queue });
  checkInteger("connect", { timeoutMs }, TIMEOUT_BOUNDS);
  checkInteger("connect", { maxBodyBytes }, { min: 1 });
  return { queue, timeoutMs, maxBodyBytes, codec };
}

/**
 * Checks and completes the options of a call.
 *
 * @throws {TypeError} If the idempotency key cannot be used.
 * @throws {RangeError} If a number is out of its bounds.
 */
export function resolveTerms(options: CallOptions, settings: CallSettings): CallTerms {
  const { timeoutMs = settings.timeoutMs, signal, context, idempotencyKey } = options;
  const { idempotent = true, immediate = false, priority, onProgress } = options;
  checkInteger("call", { timeoutMs }, TIMEOUT_BOUNDS);
  if (priority !== undefined) checkInteger("call", { priority }, { min: 0, max: 9 });
  if (idempotencyKey !== undefined) checkName("call", { idempotencyKey });
  const leftMs = context?.deadline === undefined ? Infinity : context.deadline - Date.now();
  const signals = [signal, context?.signal].filter((signal) => signal !== undefined);
  return {
    timeoutMs: Math.max(1, Math.min(timeoutMs, Math.ceil(leftMs))),
    signals,
    idempotent,
    immediate,
    priority,
    onProgress,
    idempotencyKey,
  };
}

/**
 * Encodes a call's input and makes it a request.
 *
 * @throws {RpcError} `unencodable` or `too-large`.
 * @throws The reason of a signal that has aborted.
 */
export function toRequest(
  draft: CallDraft,
  terms: CallTerms,
  settings: CallSettings,
): CallRequest {
  const { awaits, correlationId, procedure, callback, sink, idleTimeoutMs } = draft;
  checkProcedureName("call", procedure);
  for (const signal of terms.signals) signal.throwIfAborted();
  const { queue, maxBodyBytes } = settings;
  const codec = codecOf(draft.input, settings.codec);
  const call = { procedure, queue, elapsedMs: 0, phase: "not-published" } as const;
  const body = encode(draft.input, codec, call);
  checkBodySize(body, maxBodyBytes, { subject: `Cannot call "${procedure}" as its input`, call });
  const { contentType } = codec;
  return {
    ...terms,
    awaits,
    correlationId,
    queue,
    procedure,
    body,
    contentType,
    callback,
    sink,
    idleTimeoutMs,
  };
}

function encode(input: unknown, codec: Codec, call: NonNullable<RpcError["call"]>) {
  try {
    return codec.encode(input);
  } catch (error) {
    if (!(error instanceof RpcError)) throw error;
    const { code, message } = error;
    throw new RpcError(
      code,
      `Cannot call "${call.procedure}" as its input is not fit: ${message}`,
      {
        cause: error,
        call,
      },
    );
  }
}
