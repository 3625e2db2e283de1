/**
 * Loaded before the user's worker file in every child process of a pool: makes the process a
 * worker that talks through its standard input and output.
 *
 * @module
 */

import { encodeFrame, FrameReader, joinBytes } from "../wire/frames.ts";
import { giveLastWords } from "./end_report.ts";
import {
  type PoolMessage,
  WORKER_PORT,
  type WorkerGlobal,
  type WorkerMessage,
  type WorkerPort,
} from "../wire/protocol.ts";

const exit = Deno.exit;

class ProcessPort implements WorkerPort {
  readonly control: undefined;
  #pieces: Uint8Array[] = [];

  listen(receive: (message: PoolMessage) => void): void {
    // Reading keeps the process alive: one that never calls `expose()` ends by itself.
    void this.#read(receive);
    // The `ready` message leaves once the worker file has run to its end.
    setTimeout(() => this.flush(), 0);
  }

  send(message: WorkerMessage): void {
    this.#pieces.push(...encodeFrame(message));
  }

  /** Writes at once, because the next task may keep the event loop from turning, or end it. */
  flush(): void {
    let bytes = joinBytes(this.#pieces);
    this.#pieces = [];
    while (bytes.length > 0) bytes = bytes.subarray(Deno.stdout.writeSync(bytes));
  }

  async #read(receive: (message: PoolMessage) => void): Promise<void> {
    const frames = new FrameReader<PoolMessage>();
    try {
      for await (const chunk of Deno.stdin.readable) frames.read(chunk).forEach(receive);
    } finally {
      // The pool is gone, or wants this process to be.
      exit(0);
    }
  }
}

const port = new ProcessPort();
giveLastWords((reason) => {
  port.send({ type: "ending", reason });
  port.flush();
}, () => exit(1));

// Ctrl-C in a terminal reaches every process of the program, and the pool may want to drain.
Deno.addSignalListener("SIGINT", () => {});

// Standard output belongs to the frames.
// deno-lint-ignore no-console -- it is redirected here, not used
console.log = console.info = console.debug = console.error;

(globalThis as WorkerGlobal)[WORKER_PORT] = port;
