/** Handlers that are functions of the server's own thread. @module */

import { type Codec, codecFor, codecOf } from "../../codec.ts";
import type {
  CallContext,
  EncodedHandler,
  EncodedItem,
  EncodedReply,
  EncodedRequest,
  ItemSink,
  RunningRequest,
} from "../../contract.ts";
import { RpcError } from "../../errors.ts";
import { isGenerator, StreamSender } from "../streaming/stream_sender.ts";

/** A function that runs a procedure, whatever its input is. */
export type InlineHandler = (input: unknown, context: CallContext) => unknown;

/** Puts the codec around a function; one that is a generator streams. */
export function inlineHandler(run: InlineHandler, codecs: readonly Codec[]): EncodedHandler {
  return {
    async handle(request: EncodedRequest): Promise<EncodedReply> {
      const codec = requireCodec(request, codecs);
      const output = await run(codec.decode(request.body), request.context);
      if (isGenerator(output)) throw unwantedStream(request);
      return toReply(codec, output);
    },
    start(request: EncodedRequest, sink: ItemSink): RunningRequest {
      const codec = requireCodec(request, codecs);
      const encode = (value: unknown, seq: number): EncodedItem => ({
        seq,
        ...encodeValue(codec, value),
      });
      const sender = new StreamSender(sink.credits ?? 0, (item, seq) => {
        sink.onItem?.(encode(item, seq));
      });
      const context = withProgress(request.context, (value, seq) => {
        sink.onProgress?.(encode(value, seq));
      });
      const reply = runInto(sender, { ...request, context }, sink, () => {
        return run(codec.decode(request.body), context);
      });
      request.context.signal.addEventListener("abort", () => sender.grant(0));
      return {
        reply: reply.then((output) => toReply(codec, output)),
        grant: (count) => sender.grant(count),
      };
    },
  };
}

async function runInto(
  sender: StreamSender,
  request: EncodedRequest,
  { credits }: ItemSink,
  run: () => unknown,
): Promise<unknown> {
  const output = await run();
  const { procedure, context } = request;
  if (credits === undefined) {
    if (isGenerator(output)) throw unwantedStream(request);
    return output;
  }
  if (!isGenerator(output)) {
    throw new RpcError(
      "not-a-stream",
      `Cannot stream "${procedure}" as it is no generator: use call()`,
    );
  }
  return await sender.sendAll(output, () => context.throwIfCancelled());
}

/** The context of a caller that wants to know how far the work has come. */
function withProgress(
  context: CallContext,
  tell: (value: unknown, seq: number) => void,
): CallContext {
  let seq = 0;
  return {
    procedure: context.procedure,
    correlationId: context.correlationId,
    redeliveries: context.redeliveries,
    get deadline() {
      return context.deadline;
    },
    get signal() {
      return context.signal;
    },
    throwIfCancelled: () => context.throwIfCancelled(),
    progress: (value) => tell(value, seq++),
  };
}

function requireCodec({ contentType }: EncodedRequest, codecs: readonly Codec[]): Codec {
  const codec = codecFor(contentType, codecs);
  if (codec !== undefined) return codec;
  throw new RpcError(
    "undecodable",
    `Cannot decode the input as there is no codec for content type "${contentType}"`,
  );
}

function toReply(codec: Codec, output: unknown): EncodedReply {
  return { type: "output", ...encodeValue(codec, output) };
}

function encodeValue(codec: Codec, value: unknown): Pick<EncodedItem, "body" | "contentType"> {
  const chosen = codecOf(value, codec);
  return { body: chosen.encode(value), contentType: chosen.contentType };
}

function unwantedStream({ procedure }: EncodedRequest): RpcError {
  return new RpcError("unwanted-stream", `Cannot call "${procedure}" as it streams: use stream()`);
}
