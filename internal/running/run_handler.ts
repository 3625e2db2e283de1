/**
 * Runs a handler from its encoded input to its encoded output, in a server's own thread and in
 * workers alike.
 *
 * @module
 */

import { type Body, type Codec, codecFor } from "../../codec.ts";
import type { CallContext } from "../../contract.ts";
import { RpcError } from "../../errors.ts";
import {
  type GeneratorPump,
  isStreamable,
  itemsOf,
  leaveItems,
} from "../streaming/generator_pump.ts";
import { encodeOutput } from "./encode.ts";
import type { EncodedReply } from "../encoded_reply.ts";
import type { RunTiming } from "../run_timing.ts";
import type { ProgressGate } from "./progress_gate.ts";

/** A function that runs a procedure, whatever its input is. */
export type RunnableHandler = (input: unknown, context: CallContext) => unknown;

/** What a handler is run with, beside its input. */
export interface HandlerMeans {
  /** What the handler is told of its call. */
  readonly context: CallContext;
  /** Decodes the input and encodes the output. */
  readonly codec: Codec;
  /** Takes the items of a stream; absent if one output is wanted. */
  readonly pump?: GeneratorPump | undefined;
  /** Takes what the handler tells of its progress; absent if nobody wants to know. */
  readonly gate?: ProgressGate | undefined;
  /** Notes how long it takes; absent if nobody wants to know. */
  readonly timing?: RunTiming | undefined;
}

/**
 * Runs a handler. One that returns at once gives its reply at once, so that short work needs no
 * turn of the loop.
 *
 * @param handler The handler.
 * @param body The encoded input.
 * @param means What it is run with.
 * @returns The output; for a stream what its generator returned, once all items were sent.
 * @throws {unknown} What the handler threw.
 * @throws {RpcError} `undecodable`, `unencodable`, `unwanted-stream` or `not-a-stream`.
 */
export function runHandler(
  handler: RunnableHandler,
  body: Body,
  means: HandlerMeans,
): EncodedReply | Promise<EncodedReply> {
  return means.timing === undefined ? run(handler, body, means) : runTimed(handler, body, means);
}

/** What gives its reply at once does so with a clock, too: a promise would cost each call. */
function runTimed(
  handler: RunnableHandler,
  body: Body,
  means: HandlerMeans,
): EncodedReply | Promise<EncodedReply> {
  const { timing } = means;
  timing?.start();
  let reply: EncodedReply | Promise<EncodedReply> | undefined;
  try {
    reply = run(handler, body, means);
  } finally {
    if (!(reply instanceof Promise)) timing?.end();
  }
  return reply instanceof Promise ? reply.finally(() => timing?.end()) : reply;
}

function run(
  handler: RunnableHandler,
  body: Body,
  means: HandlerMeans,
): EncodedReply | Promise<EncodedReply> {
  if (means.gate !== undefined) return runTelling(handler, body, means);
  const output = handler(decodeInput(body, means), means.context);
  if (isPromiseLike(output) || means.pump !== undefined) return conclude(output, means);
  return encodePlain(output, means);
}

/** What the handler tells last comes before its reply. */
async function runTelling(
  handler: RunnableHandler,
  body: Body,
  means: HandlerMeans,
): Promise<EncodedReply> {
  try {
    return await conclude(handler(decodeInput(body, means), means.context), means);
  } finally {
    means.gate?.end();
  }
}

async function conclude(output: unknown, means: HandlerMeans): Promise<EncodedReply> {
  const { context, codec, pump } = means;
  const result = await output;
  if (pump === undefined) return encodePlain(result, means);
  if (!isStreamable(result)) throw notAStream(context.procedure, result);
  const returned = await pump.sendAll(itemsOf(result), () => context.throwIfCancelled());
  return encodeOutput(returned, context.procedure, codec);
}

function decodeInput(body: Body, { codec, timing }: HandlerMeans): unknown {
  try {
    return codec.decode(body);
  } finally {
    timing?.decoded();
  }
}

function encodePlain(output: unknown, { context, codec, timing }: HandlerMeans): EncodedReply {
  if (isStreamable(output)) {
    void leaveItems(output);
    throw unwantedStream(context.procedure);
  }
  if (timing === undefined) return encodeOutput(output, context.procedure, codec);
  const startedAt = performance.now();
  try {
    return encodeOutput(output, context.procedure, codec);
  } finally {
    timing.encoded(startedAt);
  }
}

/**
 * Finds the codec of a request.
 *
 * @throws {RpcError} `undecodable`, if there is none.
 */
export function requireCodec(
  { procedure, contentType }: {
    readonly procedure: string;
    readonly contentType?: string | undefined;
  },
  codecs: readonly Codec[],
): Codec {
  const codec = codecFor(contentType, codecs);
  if (codec !== undefined) return codec;
  throw new RpcError(
    "undecodable",
    `Cannot decode the input of "${procedure}" as there is no codec for its content type: ` +
      `it is "${contentType}"`,
  );
}

function isPromiseLike(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null && "then" in value &&
    typeof value.then === "function";
}

function notAStream(procedure: string, output: unknown): RpcError {
  return new RpcError(
    "not-a-stream",
    `Cannot stream "${procedure}" as it gave no generator but ${typeof output}: use call()`,
  );
}

function unwantedStream(procedure: string): RpcError {
  return new RpcError(
    "unwanted-stream",
    `Cannot call "${procedure}" as it streams items: use stream()`,
  );
}
