/** What an operator must know of a client or a server, a line each on standard error. @module */

import type { RpcServerEvent, RpcState } from "../options/events.ts";
import { toPrintable } from "./text.ts";

/** Between lines of one kind that strangers can cause, in milliseconds. */
const PAUSE_MS = 10_000;

/** Reasons that are told while it is reconnecting: those of several nodes may take turns. */
const MAX_REASONS = 10;

/** Kinds of lines of which there may be too many. */
type Kind = "parked" | "not-parked" | "abandoned";

/** Writes lines for operators. */
export class OperatorLog {
  readonly #who: string;
  readonly #write: (line: string) => void;
  /** When the last line of a kind was written, and how many were not since then. */
  readonly #lines = new Map<Kind, { readonly at: number; missed: number }>();
  /** Told since it was working. */
  readonly #reasons = new Set<string>();
  #before: RpcState["name"] = "starting";

  /**
   * Makes a log.
   *
   * @param who Who speaks, such as `Server of "math"`.
   * @param write Takes a line.
   */
  constructor(who: string, write: (line: string) => void = writeError) {
    this.#who = who;
    this.#write = write;
  }

  /** Writes a line. */
  say(text: string): void {
    this.#write(`${this.#who}: ${toPrintable(text)}`);
  }

  /** Tells of another state, or of another reason for it. */
  onState({ name, reason = "" }: RpcState): void {
    const before = this.#before;
    this.#before = name;
    switch (name) {
      case "serving":
        this.#reasons.clear();
        return this.say(before === "starting" ? "serving" : "serving again");
      case "connected":
        this.#reasons.clear();
        // A program that only calls is to print what it has to say.
        return before === "starting" ? undefined : this.say("connected again");
      case "reconnecting":
        return this.#onReconnecting(before, reason);
      case "blocked":
        return this.say(`the broker takes no messages for now: ${reason}`);
      case "paused":
        return this.say("paused by an administrator");
      case "failed":
        return this.say(`failed: ${reason}`);
    }
  }

  /** Tells of a request that somebody has to look at. */
  onRequest(event: RpcServerEvent): void {
    switch (event.type) {
      case "clocks-differ":
        return this.say(describeClocks(event.aheadMs));
      case "parked":
        // Of those there are as many as strangers like: the server tells of the first one.
        if (event.code === "reply-to-refused") return;
        return this.#count(
          "parked",
          `parked a request${of(event)} as "${event.id}": ${event.code}`,
        );
      case "not-parked":
        return this.#count(
          "not-parked",
          `lost a request${of(event)} that was to be parked (${event.code}): ${event.error}`,
        );
      case "abandoned":
        return this.#count(
          "abandoned",
          `abandoned a handler${of(event)} that goes on after ${event.runMs} ms: ${event.code}`,
        );
    }
  }

  #onReconnecting(before: RpcState["name"], reason: string): void {
    if (before !== "reconnecting") {
      this.#reasons.add(reason);
      return this.say(`lost its connection, and tries again: ${reason}`);
    }
    if (this.#reasons.has(reason) || this.#reasons.size >= MAX_REASONS) return;
    this.#reasons.add(reason);
    this.say(`not connected yet, and tries again: ${reason}`);
  }

  #count(kind: Kind, text: string): void {
    const last = this.#lines.get(kind);
    if (last !== undefined && Date.now() - last.at < PAUSE_MS) {
      last.missed++;
      return;
    }
    const missed = last?.missed ?? 0;
    this.#lines.set(kind, { at: Date.now(), missed: 0 });
    this.say(missed === 0 ? text : `${text} (and ${missed} more before)`);
  }
}

function describeClocks(aheadMs: number): string {
  const seconds = Math.round(Math.abs(aheadMs) / 1_000);
  const how = aheadMs > 0 ? "ahead of" : "behind";
  return `its clock is ${seconds} s ${how} that of a caller, or more: set both by NTP`;
}

/** What a request is for, if it says so. */
function of({ procedure }: { readonly procedure: string | undefined }): string {
  return procedure === undefined ? "" : ` of "${procedure}"`;
}

function writeError(line: string): void {
  // deno-lint-ignore no-console -- there is nobody else to tell
  console.error(line);
}
