/** Observers of clients and servers, for the page. @module */

import { clearInterval, setInterval } from "node:timers";
import { checkName } from "../../internal/check.ts";
import { toPrintable } from "../../internal/text.ts";
import type { RpcClientEvent, RpcServerEvent } from "../../options/events.ts";
import {
  callerLabel,
  labelsIn,
  type ProcedureLabels,
  servedLabel,
} from "../metrics/procedure_labels.ts";
import { type Load, Recorder } from "./recorder.ts";

/** How often it is looked at what parts have in hand, in milliseconds. */
const SAMPLE_MS = 1_000;

/** Frames of this library and of the runtime say nothing of where an error comes from. */
const OWN_REGEXP = new RegExp(
  `${
    RegExp.escape(new URL("../../", import.meta.url).href)
  }(?:internal|extras|workers|deps|options)/|/(?:client|server)\\.ts:|\\b(?:ext|node):|/npm/|node_modules`,
);

const FRAME_REGEXP = /^\s*at .*?([^\s(]+?):(\d+):\d+\)?$/;

/** So much of the path of a file tells which it is. */
const SHOWN_SEGMENTS = 2;
const SHOWN_CHARS = 80;

/** What was recorded; for the page alone. */
export let recorderOf: (history: CallHistory) => Recorder;

/** Has it looked again and again at what parts have in hand; for the page alone. */
export let watch: (history: CallHistory, loads: () => ReadonlyMap<string, Load>) => void;

/**
 * Remembers for ten minutes what clients and servers tell, for the page of
 * {@linkcode healthHandler}: how many calls there were, how long they took, which failed, and where
 * their time went. It keeps no input, no output and no text of an error.
 *
 * Disposing of it ends its timer, which keeps no program running.
 *
 * @example A server whose page has charts
 * ```ts ignore because it needs a broker
 * import { RpcServer } from "@warren/rpc";
 * import { CallHistory, healthHandler } from "@warren/rpc/health";
 *
 * const history = new CallHistory();
 * const math = await RpcServer.listen("amqp://127.0.0.1", {
 *   queue: "math",
 *   handlers: { ping: () => "pong" },
 *   onEvent: history.serverObserver("math"),
 *   log: true,
 * });
 * const page = healthHandler({ math }, { page: history });
 * Deno.serve({ hostname: "127.0.0.1", port: 8080 }, page);
 * ```
 */
export class CallHistory implements Disposable {
  static {
    recorderOf = (history) => history.#recorder;
    watch = (history, loads) => history.#watch(loads);
  }

  readonly #recorder = new Recorder(() => performance.now());
  readonly #names = new Map<string, ProcedureLabels>();
  readonly #timers: ReturnType<typeof setInterval>[] = [];

  /**
   * Makes an observer for `onEvent` of a server.
   *
   * @param queue The server's queue.
   * @throws {TypeError} If the queue is no name of a queue.
   */
  serverObserver(queue: string): (event: RpcServerEvent) => void {
    checkName("observe a server", { queue });
    const title = `${queue}, served`;
    const names = labelsIn(this.#names, title);
    return (event) => {
      if (event.type !== "served" || event.timing === undefined) return;
      const { totalMs, ...parts } = event.timing;
      // Only a procedure that there is has a handler that can run.
      const isServed = event.timing.runMs > 0 || event.outcome === "crashed";
      const procedure = names.labelOf(event.procedure, isServed);
      const status = servedLabel(event);
      this.#recorder.add(title, { procedure, status, totalMs, parts, place: placeOf(event.error) });
    };
  }

  /**
   * Makes an observer for `onEvent` of a client.
   *
   * @param queue The client's queue.
   * @throws {TypeError} If the queue is no name of a queue.
   */
  clientObserver(queue: string): (event: RpcClientEvent) => void {
    checkName("observe a client", { queue });
    const title = `${queue}, called`;
    const names = labelsIn(this.#names, title);
    return (event) => {
      if (event.type !== "call-settled") return;
      const { totalMs, ...parts } = event.timing;
      const procedure = names.labelOf(event.procedure, true);
      const status = callerLabel(event.error);
      this.#recorder.add(title, { procedure, status, totalMs, parts, place: placeOf(event.error) });
    };
  }

  /** Ends it. */
  [Symbol.dispose](): void {
    for (const timer of this.#timers) clearInterval(timer);
  }

  #watch(loads: () => ReadonlyMap<string, Load>): void {
    const sample = () => {
      try {
        for (const [name, load] of loads()) this.#recorder.sample(name, load);
      } catch {
        // Whoever gives the parts may not have them yet: that must not end the program.
      }
    };
    this.#timers.push(setInterval(sample, SAMPLE_MS).unref());
  }
}

/** The file and the line that an error comes from, as far as its stack tells. */
function placeOf(error: unknown): string {
  if (!(error instanceof Error)) return "";
  const remote = "remoteStack" in error ? error.remoteStack : undefined;
  const stack = typeof remote === "string" ? remote : error.stack ?? "";
  for (const line of stack.split("\n")) {
    const [, file, number] = FRAME_REGEXP.exec(line) ?? [];
    if (file === undefined || OWN_REGEXP.test(line)) continue;
    const name = file.split("/").slice(-SHOWN_SEGMENTS).join("/");
    return toPrintable(`${name}:${number}`).slice(-SHOWN_CHARS);
  }
  return "";
}
