/**
 * Loaded before the user's worker file in every child process of a pool: makes the process a
 * worker that talks through its standard input and output.
 *
 * @module
 */

import { RpcError } from "../../errors.ts";
import { encodeError, reportError } from "../../internal/running/encode.ts";
import { encodeFrame, FrameReader, joinBytes, MAX_FRAME_BODY_BYTES } from "../wire/frames.ts";
import {
  type PoolMessage,
  WORKER_PORT,
  type WorkerGlobal,
  type WorkerMessage,
  type WorkerPort,
} from "../wire/protocol.ts";
import { installEndReport } from "./end_report.ts";
import { takeStandardStreams } from "./standard_streams.ts";

const exit = Deno.exit;
const streams = takeStandardStreams();

class ProcessPort implements WorkerPort {
  readonly control: undefined;
  /** A process has ended before it could begin anything. */
  readonly isEnding = false;
  #pieces: Uint8Array[] = [];
  #isListening = false;

  /** Whether the worker file has called `expose()`. */
  get isListening(): boolean {
    return this.#isListening;
  }

  listen(receive: (message: PoolMessage) => void): void {
    this.#isListening = true;
    void this.#read(receive);
  }

  send(message: WorkerMessage): void {
    const pieces = encodeFrame(message);
    const bodyBytes = pieces[2]?.length ?? 0;
    if (bodyBytes <= MAX_FRAME_BODY_BYTES) this.#pieces.push(...pieces);
    else if (message.type === "output") {
      const { thrown, ...reply } = encodeError(tooLarge(bodyBytes));
      this.send({ ...message, ...reply, report: reportError(thrown) });
    } else throw tooLarge(bodyBytes);
  }

  /** Writes at once, because the next task may keep the event loop from turning, or end it. */
  flush(): void {
    let bytes = joinBytes(this.#pieces);
    this.#pieces = [];
    while (bytes.length > 0) bytes = bytes.subarray(streams.write(bytes));
  }

  /** Tells that the worker file cannot be used, whatever it has exposed. */
  refuse(reason: string): void {
    this.#pieces = encodeFrame({ type: "unusable", reason });
    this.flush();
  }

  async #read(receive: (message: PoolMessage) => void): Promise<void> {
    const frames = new FrameReader<PoolMessage>();
    try {
      for await (const chunk of streams.input) frames.read(chunk).forEach(receive);
    } finally {
      // The pool is gone, or wants this process to be.
      exit(0);
    }
  }
}

function tooLarge(bytes: number): RpcError {
  return new RpcError(
    "too-large",
    `Cannot send an output from a worker process as it is too large: it has ${bytes} bytes of ` +
      `at most ${MAX_FRAME_BODY_BYTES}`,
  );
}

const port = new ProcessPort();
let isLoaded = false;
installEndReport((reason) => {
  if (!isLoaded) return port.refuse(reason);
  port.send({ type: "ending", reason });
  port.flush();
}, () => exit(1));

// Ctrl-C in a terminal reaches every process of the program, and the pool may want to drain.
Deno.addSignalListener("SIGINT", () => {});

(globalThis as WorkerGlobal)[WORKER_PORT] = port;

// What the worker file throws after `expose()` counts, too. It comes between the two, as a rejection
// that nobody handles.
addEventListener("load", () => setImmediate(onLoaded));

function onLoaded(): void {
  isLoaded = true;
  if (port.isListening) port.flush();
  else port.refuse("the file never calls expose()");
}
