/** `warren parked replay`: a parked request, run here. @module */

import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { type Codec, codecFor } from "../../codec.ts";
import { msgpackCodec } from "../../extras/msgpack/codec.ts";
import type { ParkedDetails } from "../../extras/parked/parked_requests.ts";
import { RpcError, RpcRemoteError } from "../../mod.ts";
import { WorkerPool } from "../../workers/mod.ts";
import { formatDuration } from "../duration.ts";
import { CommandError, EXIT_CODE } from "../exit_code.ts";
import { jsonText, type Output } from "../output.ts";

/** How a request is run again. */
export interface ReplayOptions {
  readonly file: string;
  readonly timeoutMs: number;
  /** Where the worker waits for a debugger before it begins; absent: it does not. */
  readonly inspectBrk: string | undefined;
  readonly output: Output;
}

/** Longer than anybody looks at one line. */
const DEBUGGING_MS = 86_400_000;

const ALL_PERMISSIONS = {
  env: true,
  ffi: true,
  import: true,
  net: true,
  read: true,
  run: true,
  sys: true,
  write: true,
};

/**
 * Runs a request in a worker of this machine, with the very bytes that came. Nothing is published, and
 * nothing is taken from its queue.
 *
 * @returns The exit code.
 */
export async function replay(request: ParkedDetails, options: ReplayOptions): Promise<number> {
  const { file, inspectBrk, output } = options;
  const { procedure, contentType } = request;
  if (procedure === undefined) {
    throw new CommandError(EXIT_CODE.data, "Cannot run the request as it names no procedure");
  }
  if (inspectBrk !== undefined) {
    output.say(`The worker waits for a debugger at ${inspectBrk}: chrome://inspect, or an editor`);
  }
  await using pool = await WorkerPool.open(pathToFileURL(resolve(file)), {
    maxWorkers: 1,
    codecs: [bodyOf(request, contentType)],
    ...(inspectBrk !== undefined && {
      isolation: "process" as const,
      process: { permissions: ALL_PERMISSIONS, denoArgs: [`--inspect-brk=${inspectBrk}`] },
      startTimeoutMs: DEBUGGING_MS,
    }),
  });
  const caller = pool.caller();
  const startedAt = performance.now();
  const timeoutMs = inspectBrk !== undefined ? DEBUGGING_MS : options.timeoutMs;
  const headers = ownHeaders(request.headers);
  try {
    if (request.isStream) {
      const items = caller.stream(procedure, null, { headers, idleTimeoutMs: timeoutMs });
      for await (const item of items) print(item, output);
    } else print(await caller.call(procedure, null, { headers, timeoutMs }), output);
    return EXIT_CODE.ok;
  } catch (error) {
    if (error instanceof RpcRemoteError && error.remoteStack) output.say(error.remoteStack);
    throw error;
  } finally {
    output.say(`${procedure} ran for ${formatDuration(performance.now() - startedAt)}`);
  }
}

/** Encodes whatever it is given as the body that came. */
function bodyOf({ body }: ParkedDetails, contentType: string | undefined): Codec {
  const codec = codecFor(contentType, [msgpackCodec]);
  if (codec === undefined) {
    const reason = `nothing here reads its type "${contentType}"`;
    throw new RpcError("undecodable", `Cannot encode the body as ${reason}`);
  }
  return {
    contentType: contentType ?? codec.contentType,
    encode: () => body,
    decode: (bytes) => codec.decode(bytes),
  };
}

/** Those of the caller: not of the protocol, and not of the broker. */
function ownHeaders(headers: ParkedDetails["headers"]): Record<string, string | number | boolean> {
  return Object.fromEntries(
    Object.entries(headers).flatMap(([name, value]) => {
      const isOwn = !/^(rpc|x)-/i.test(name) && /^(string|number|boolean)$/.test(typeof value);
      // Of these three kinds, as was just looked at.
      return isOwn ? [[name, value as string | number | boolean]] : [];
    }),
  );
}

function print(value: unknown, output: Output): void {
  if (value instanceof Uint8Array) output.raw(value);
  else output.raw(`${value === undefined ? "null" : jsonText(value)}\n`);
}
