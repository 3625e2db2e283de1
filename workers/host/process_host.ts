/**
 * Workers that are processes of their own: each a `deno run`.
 *
 * @module
 */

import { encodeFrame, FrameReader, joinBytes, MAX_FRAME_BODY_BYTES } from "../wire/frames.ts";
import type { PoolMessage, WorkerMessage } from "../wire/protocol.ts";
import type { HostListener, WorkerHost } from "./host.ts";
import type { ProcessCommand } from "./process_options.ts";
import type { Reaper } from "./reaper.ts";

/** So much of the end of standard error is kept, to say why a process died. */
const TAIL_CHARS = 4_000;

/** How processes are started. */
export interface ProcessStart {
  /** What to start. */
  readonly command: ProcessCommand;
  /** Kills the process if this one is killed. */
  readonly reaper: Reaper;
}

/**
 * Starts a child process.
 *
 * @param options How.
 * @param listener Who is told of the worker.
 * @returns The worker, which is not ready yet.
 */
export function startProcessHost(
  { command: { program, args }, reaper }: ProcessStart,
  listener: HostListener,
): WorkerHost {
  reaper.open();
  const command = new Deno.Command(program, {
    args: [...args],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  });
  const host = new ProcessHost(command.spawn(), listener);
  reaper.watch(host.pid);
  host.ended.then(() => reaper.forget(host.pid));
  return host;
}

type ProcessState =
  | { readonly name: "starting" | "ready" }
  /** It has told why it ends, or why it must. */
  | { readonly name: "ending"; readonly reason: string }
  /** Nothing is told of it any more. */
  | { readonly name: "left" };

class ProcessHost implements WorkerHost {
  readonly control: undefined;
  readonly ended: Promise<void>;
  readonly #child: Deno.ChildProcess;
  readonly #listener: HostListener;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  #state: ProcessState = { name: "starting" };
  #pieces: Uint8Array[] = [];
  #isWriting = false;
  #errorTail = "";

  constructor(child: Deno.ChildProcess, listener: HostListener) {
    this.#child = child;
    this.#listener = listener;
    this.#writer = child.stdin.getWriter();
    this.ended = this.#watch();
  }

  /** The id of the process. */
  get pid(): number {
    return this.#child.pid;
  }

  post(messages: readonly PoolMessage[]): void {
    for (const message of messages) this.#pieces.push(...encodeFrame(message));
    if (!this.#isWriting) void this.#write();
  }

  terminate(): void {
    if (this.#state.name === "left") return;
    this.#state = { name: "left" };
    this.#kill();
  }

  #kill(): void {
    try {
      this.#child.kill("SIGKILL");
    } catch {
      // It has ended already.
    }
  }

  /** While one write is under way, all that comes is gathered for the next. */
  async #write(): Promise<void> {
    this.#isWriting = true;
    try {
      while (this.#pieces.length > 0) {
        const bytes = joinBytes(this.#pieces);
        this.#pieces = [];
        await this.#writer.write(bytes);
      }
    } catch {
      // The process has ended, and its status says why.
    }
    this.#isWriting = false;
  }

  async #watch(): Promise<void> {
    const [status] = await Promise.all([
      this.#child.status,
      this.#readFrames(),
      this.#readErrors(),
    ]);
    await this.#writer.close().catch(() => {});
    const reason = this.#reasonOf(status);
    if (this.#state.name === "left") return;
    this.#state = { name: "left" };
    this.#listener.onDeath(reason);
  }

  #reasonOf(status: Deno.CommandStatus): string {
    if (this.#state.name === "ending") return this.#state.reason;
    const hasEndedWell = status.success && this.#state.name === "starting";
    return hasEndedWell ? "the file never calls expose()" : describeStatus(status, this.#errorTail);
  }

  async #readFrames(): Promise<void> {
    const frames = new FrameReader<WorkerMessage>(MAX_FRAME_BODY_BYTES);
    try {
      for await (const chunk of this.#child.stdout) this.#receive(frames.read(chunk));
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.#end(`it wrote something else than messages: ${reason}`);
      this.#kill();
    }
  }

  #receive(messages: readonly WorkerMessage[]): void {
    if (this.#state.name === "left" || messages.length === 0) return;
    if (messages[0]?.type === "ready") this.#state = { name: "ready" };
    this.#listener.onMessages(messages);
    const last = messages.at(-1);
    if (last?.type === "ending") this.#end(last.reason);
  }

  #end(reason: string): void {
    if (this.#state.name !== "left") this.#state = { name: "ending", reason };
  }

  /** What a worker logs is shown where this process shows its own errors. */
  async #readErrors(): Promise<void> {
    const decoder = new TextDecoder();
    for await (const chunk of this.#child.stderr) {
      this.#errorTail = (this.#errorTail + decoder.decode(chunk, { stream: true })).slice(
        -TAIL_CHARS,
      );
      Deno.stderr.writeSync(chunk);
    }
  }
}

function describeStatus({ code, signal }: Deno.CommandStatus, errorTail: string): string {
  if (/out of memory/i.test(errorTail)) return "it ran out of memory";
  const how = signal === null ? `it exited with code ${code}` : `it was killed by ${signal}`;
  const line = firstError(errorTail);
  return line === undefined ? how : `${how}: ${line}`;
}

// deno-lint-ignore no-control-regex -- the escape character is what begins a colour
const ESCAPES_REGEXP = /\x1b\[[0-9;]*m/g;

function firstError(errorTail: string): string | undefined {
  const text = errorTail.replaceAll(ESCAPES_REGEXP, "");
  return /^error: (?:Uncaught )?(?:\(in promise\) )?(.+)$/m.exec(text)?.[1];
}
