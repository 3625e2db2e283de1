/** Handlers that are functions of the server's own thread. @module */

import { type Codec, codecFor, jsonCodec } from "../../codec.ts";
import type { CallContext } from "../../contract.ts";
import { encodeItem } from "../running/encode.ts";
import { describeValue } from "../check.ts";
import {
  type EncodedHandler,
  type EncodedRequest,
  openHandler,
  type RunningRequest,
} from "../running/encoded_handler.ts";
import type { EncodedReply, ItemSink } from "../encoded_reply.ts";
import { ProgressGate } from "../running/progress_gate.ts";
import { requireCodec, runHandler, type RunnableHandler } from "../running/run_handler.ts";
import { GeneratorPump } from "../streaming/generator_pump.ts";

/**
 * Makes a handler of what a user gives as one: a function, or one of a pool's handlers.
 *
 * @param action What cannot be done with anything else, for the error.
 * @throws {TypeError} If it is neither.
 */
export function toEncodedHandler(
  name: string,
  handler: unknown,
  { action, codecs }: { readonly action: string; readonly codecs: readonly Codec[] },
): EncodedHandler {
  const inside = openHandler(handler);
  if (inside !== undefined) return inside;
  // A handler's input type is a promise of its contract: whoever calls must keep it.
  if (typeof handler === "function") return inlineHandler(handler as RunnableHandler, codecs);
  throw new TypeError(
    `Cannot ${action} as the handler of "${name}" must be a function: ` +
      `current value is ${describeValue(handler)}`,
  );
}

/** Puts the codec around a function; one that is a generator streams. */
export function inlineHandler(run: RunnableHandler, codecs: readonly Codec[]): EncodedHandler {
  const codec = codecFor(undefined, codecs) ?? jsonCodec;
  return {
    runText: (body, context) => runHandler(run, body, { context, codec }),
    handle(request: EncodedRequest): Promise<EncodedReply> | EncodedReply {
      const { body, context, timing } = request;
      return runHandler(run, body, { context, codec: requireCodec(request, codecs), timing });
    },
    start(request: EncodedRequest, sink: ItemSink): RunningRequest {
      const { procedure, body, timing } = request;
      const source = { procedure, codec: requireCodec(request, codecs) };
      const { onProgress } = sink;
      const gate = onProgress === undefined
        ? undefined
        : new ProgressGate(source, (progress) => sink.onProgress?.(progress));
      const context = gate === undefined ? request.context : withProgress(request.context, gate);
      const pump = sink.credits === undefined ? undefined : new GeneratorPump(
        sink.credits,
        (item, seq) => sink.onItem?.(encodeItem(item, seq, source)),
      );
      if (pump !== undefined) {
        request.context.signal.addEventListener("abort", () => pump.grant(0));
      }
      return {
        reply: startNow(() => {
          return runHandler(run, body, { context, codec: source.codec, pump, gate, timing });
        }),
        grant: (count) => pump?.grant(count),
      };
    },
  };
}

/** What is thrown at once rejects the promise as well. */
// deno-lint-ignore require-await -- it turns a throw into a rejection
async function startNow<Result>(start: () => Result | Promise<Result>): Promise<Result> {
  return start();
}

/** The context of a caller that wants to know how far the work has come. */
function withProgress(context: CallContext, gate: ProgressGate): CallContext {
  return {
    procedure: context.procedure,
    correlationId: context.correlationId,
    redeliveries: context.redeliveries,
    get headers() {
      return context.headers;
    },
    setReplyHeader: (name, value) => context.setReplyHeader(name, value),
    get deadline() {
      return context.deadline;
    },
    get signal() {
      return context.signal;
    },
    throwIfCancelled: () => context.throwIfCancelled(),
    progress: (value) => gate.tell(value),
  };
}
