/** Faults that tests ask for, and the points at which they strike. @module */

import type { MethodDirection, MethodEvent } from "./method_log.ts";
import type { MethodName } from "./wire/methods.ts";

/** How a connection is dropped: by a TCP reset, by an orderly TCP end, or by silence. */
export type DropKind = "reset" | "end" | "silence";

/** The point at which a connection is dropped. */
export interface DropPoint {
  /** The method that triggers the fault. */
  readonly method: MethodName;
  /** Which way that method goes, as the broker sees it. */
  readonly direction: MethodDirection;
  /**
   * Before the method is handled or sent, or after. A method that was handled leaves its effects in
   * the broker, but no answer to it is sent. @default {"before"}
   */
  readonly when?: "before" | "after";
  /** How the connection is dropped. @default {"reset"} */
  readonly how?: DropKind;
  /** Which occurrence triggers the fault, counted from now, from 1. @default {1} */
  readonly nth?: number;
  /** Narrows the trigger further. @default every occurrence */
  readonly matches?: (event: MethodEvent) => boolean;
}

/** What the broker answers to a publish on a confirm channel. */
export type ConfirmOutcome = "ack" | "nack";

interface ArmedDrop {
  readonly point: DropPoint;
  readonly fired: (event: MethodEvent) => void;
  remaining: number;
}

/** Faults of a test broker; none is active unless a test asks. */
export class Faults {
  readonly #drops = new Set<ArmedDrop>();
  readonly #heldConfirms: (() => void)[] = [];
  readonly #onBlockedChange: (reason: string | undefined) => void;
  #holdsConfirms = false;
  #nacksLeft = 0;
  #refusesConnections = false;

  /** Creates a set of faults; `onBlockedChange` is told when publishers are to be blocked. */
  constructor(onBlockedChange: (reason: string | undefined) => void) {
    this.#onBlockedChange = onBlockedChange;
  }

  /** Whether new connections are refused. */
  get refusesConnections(): boolean {
    return this.#refusesConnections;
  }

  /** Whether a drop waits for its point. */
  get hasDrops(): boolean {
    return this.#drops.size > 0;
  }

  /** Drops the connection that reaches `point`; resolves with the method that triggered it. */
  dropConnectionAt(point: DropPoint): Promise<MethodEvent> {
    return new Promise((fired) => {
      this.#drops.add({ point, fired, remaining: point.nth ?? 1 });
    });
  }

  /** Answers the next `count` publishes on confirm channels with `basic.nack`. */
  nackConfirms(count: number = Infinity): void {
    this.#nacksLeft = count;
  }

  /** Keeps confirms back; {@linkcode releaseConfirms} sends them. */
  holdConfirms(): void {
    this.#holdsConfirms = true;
  }

  /** Sends the confirms that were kept back, in their order, and keeps no more. */
  releaseConfirms(): void {
    this.#holdsConfirms = false;
    for (const confirm of this.#heldConfirms.splice(0)) confirm();
  }

  /** Blocks connections that publish, as a memory alarm does. */
  blockPublishers(reason: string = "low on memory"): void {
    this.#onBlockedChange(reason);
  }

  /** Lets blocked connections go on. */
  unblockPublishers(): void {
    this.#onBlockedChange(undefined);
  }

  /** Refuses new connections until {@linkcode acceptConnections}. */
  refuseConnections(): void {
    this.#refusesConnections = true;
  }

  /** Accepts new connections again. */
  acceptConnections(): void {
    this.#refusesConnections = false;
  }

  /** Takes back every fault. */
  clear(): void {
    this.#drops.clear();
    this.#nacksLeft = 0;
    this.releaseConfirms();
    this.acceptConnections();
    this.unblockPublishers();
  }

  /** Returns how to drop the connection at this point, or `undefined` to go on. */
  dropAt(event: MethodEvent, when: "before" | "after"): DropKind | undefined {
    for (const drop of this.#drops) {
      const { point } = drop;
      if (point.method !== event.name || point.direction !== event.direction) continue;
      if ((point.when ?? "before") !== when || point.matches?.(event) === false) continue;
      if (--drop.remaining > 0) continue;
      this.#drops.delete(drop);
      drop.fired(event);
      return point.how ?? "reset";
    }
    return undefined;
  }

  /** Passes a confirm on, with the outcome and at the time that the active faults say. */
  confirm(outcome: ConfirmOutcome, send: (outcome: ConfirmOutcome) => void): void {
    const faulty = this.#nacksLeft > 0 ? "nack" : outcome;
    if (this.#nacksLeft > 0) this.#nacksLeft--;
    if (this.#holdsConfirms) this.#heldConfirms.push(() => send(faulty));
    else send(faulty);
  }
}
