/** Faults that tests ask for, and the points at which they strike. @module */

import { checkInteger, checkNumber, checkOneOf, wrongValue } from "../internal/check.ts";
import type { MethodDirection, MethodEvent } from "./method_log.ts";
import { type MethodName, METHODS } from "./wire/methods.ts";

/** How a connection is dropped: by a TCP reset, by an orderly TCP end, or by silence. */
export type DropKind = "reset" | "end" | "silence";

/** The connections and channels that a fault is for. */
export interface FaultScope {
  /** The number of the connection, as in the log. @default every connection */
  readonly connection?: number;
  /** The number of the channel. @default every channel */
  readonly channel?: number;
}

/** The point at which a connection is dropped. */
export interface DropPoint extends FaultScope {
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

/** The point at which a channel is closed: a method that a client sends. */
export interface ChannelClosePoint extends Omit<DropPoint, "direction" | "how"> {
  /** The reason that the client is told. @default {"precondition-failed"} */
  readonly code?: "access-refused" | "not-found" | "resource-locked" | "precondition-failed";
  /** What follows the name of the reason. @default {"closed by the test"} */
  readonly text?: string;
}

/** What the broker answers to a publish on a confirm channel. */
export type ConfirmOutcome = "ack" | "nack";

/** A fault that waits for its point. */
interface Armed<Point extends Omit<DropPoint, "direction">> {
  readonly point: Point;
  readonly fired: (event: MethodEvent) => void;
  remaining: number;
}

interface Nacks {
  readonly scope: FaultScope;
  left: number;
}

interface Delay {
  readonly scope: FaultScope;
  readonly ms: number;
}

const MOMENTS = ["before", "after"] as const;
const KINDS: readonly DropKind[] = ["reset", "end", "silence"];
const CODES = ["access-refused", "not-found", "resource-locked", "precondition-failed"] as const;
const DIRECTIONS: readonly MethodDirection[] = ["received", "sent"];

/** Faults of a test broker; none is active unless a test asks. */
export class Faults {
  readonly #drops = new Set<Armed<DropPoint>>();
  readonly #closes = new Set<Armed<ChannelClosePoint>>();
  readonly #heldConfirms: (() => void)[] = [];
  readonly #onBlockedChange: (reason: string | undefined) => void;
  #nacks: Nacks[] = [];
  #delays: Delay[] = [];
  #holds: FaultScope | undefined;
  #refusesConnections = false;

  /** Creates a set of faults; `onBlockedChange` is told when publishers are to be blocked. */
  constructor(onBlockedChange: (reason: string | undefined) => void) {
    this.#onBlockedChange = onBlockedChange;
  }

  /** Whether new connections are refused. */
  get refusesConnections(): boolean {
    return this.#refusesConnections;
  }

  /** Whether a fault waits for its point. */
  get isArmed(): boolean {
    return this.#drops.size > 0 || this.#closes.size > 0;
  }

  /**
   * Drops the connection that reaches `point`; resolves with the method that triggered it.
   *
   * @throws {RangeError} If `nth` is not an integer of at least 1.
   * @throws {TypeError} If the point names something that there is not.
   */
  dropConnectionAt(point: DropPoint): Promise<MethodEvent> {
    checkPoint("drop connection", point);
    checkOneOf("drop connection", { direction: point.direction }, DIRECTIONS);
    checkOneOf("drop connection", { how: point.how }, KINDS);
    return arm(this.#drops, point);
  }

  /**
   * Closes the channel on which a client reaches `point`; resolves with the method that triggered it.
   *
   * The connection and its other channels stay.
   *
   * @throws {RangeError} If `nth` is not an integer of at least 1.
   * @throws {TypeError} If the point names something that there is not.
   */
  closeChannelAt(point: ChannelClosePoint): Promise<MethodEvent> {
    checkPoint("close channel", point);
    checkOneOf("close channel", { code: point.code }, CODES);
    return arm(this.#closes, point);
  }

  /**
   * Answers the next `count` publishes on confirm channels with `basic.nack`, and stores nothing of
   * them: as a queue that is full and rejects them.
   *
   * @throws {RangeError} If `count` is neither a number of at least 0 nor `Infinity`.
   */
  nackConfirms(count: number = Infinity, scope: FaultScope = {}): void {
    checkNumber("nack confirms", { count }, { min: 0 });
    this.#nacks = this.#nacks.filter((other) => !isSame(other.scope, scope));
    if (count > 0) this.#nacks.push({ scope, left: count });
  }

  /** Keeps confirms back; {@linkcode releaseConfirms} sends them. */
  holdConfirms(scope: FaultScope = {}): void {
    this.#holds = scope;
  }

  /** Sends the confirms that were kept back, in their order, and keeps no more. */
  releaseConfirms(): void {
    this.#holds = undefined;
    for (const confirm of this.#heldConfirms.splice(0)) confirm();
  }

  /**
   * Sends every method `ms` milliseconds of the broker's clock later; 0 takes that back.
   *
   * What goes over one channel keeps its order.
   *
   * @throws {RangeError} If `ms` is not a number of at least 0.
   */
  delay(ms: number, scope: FaultScope = {}): void {
    checkNumber("delay methods", { ms }, { min: 0, max: Number.MAX_SAFE_INTEGER });
    this.#delays = this.#delays.filter((other) => !isSame(other.scope, scope));
    if (ms > 0) this.#delays.push({ scope, ms });
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
    this.#closes.clear();
    this.#nacks = [];
    this.#delays = [];
    this.releaseConfirms();
    this.acceptConnections();
    this.unblockPublishers();
  }

  /** Returns how to drop the connection at this point, or `undefined` to go on. */
  dropAt(event: MethodEvent, when: "before" | "after"): DropKind | undefined {
    const point = strike(this.#drops, event, when);
    return point === undefined ? undefined : point.how ?? "reset";
  }

  /** Returns why the channel is to be closed at this point, or `undefined` to go on. */
  closeAt(event: MethodEvent, when: "before" | "after"): ChannelClosePoint | undefined {
    if (event.direction === "sent" || event.channel === 0) return undefined;
    return strike(this.#closes, event, when);
  }

  /** Returns by how many milliseconds what is sent on a channel is late. */
  delayOf(connection: number, channel: number): number {
    let delay = 0;
    for (const { scope, ms } of this.#delays) {
      if (covers(scope, connection, channel)) delay = Math.max(delay, ms);
    }
    return delay;
  }

  /** Tells whether a publish is to be refused; one that is counts towards what was asked for. */
  takeNack(connection: number, channel: number): boolean {
    const nacks = this.#nacks.find(({ scope }) => covers(scope, connection, channel));
    if (nacks === undefined) return false;
    if (--nacks.left <= 0) this.#nacks = this.#nacks.filter((other) => other !== nacks);
    return true;
  }

  /** Sends a confirm, at the time that the active faults say. */
  confirm({ connection, channel }: Required<FaultScope>, send: () => void): void {
    const isHeld = this.#holds !== undefined && covers(this.#holds, connection, channel);
    if (isHeld) this.#heldConfirms.push(send);
    else send();
  }
}

function arm<Point extends Omit<DropPoint, "direction">>(
  armed: Set<Armed<Point>>,
  point: Point,
): Promise<MethodEvent> {
  return new Promise((fired) => armed.add({ point, fired, remaining: point.nth ?? 1 }));
}

/** Takes out the fault whose point this is, if there is one. */
function strike<Point extends Omit<DropPoint, "direction"> & Partial<DropPoint>>(
  armed: Set<Armed<Point>>,
  event: MethodEvent,
  when: "before" | "after",
): Point | undefined {
  for (const fault of armed) {
    const { point } = fault;
    if (point.method !== event.name || (point.when ?? "before") !== when) continue;
    if (point.direction !== undefined && point.direction !== event.direction) continue;
    if (!covers(point, event.connection, event.channel)) continue;
    if (point.matches?.(event) === false || --fault.remaining > 0) continue;
    armed.delete(fault);
    fault.fired(event);
    return point;
  }
  return undefined;
}

function covers(scope: FaultScope, connection: number, channel: number): boolean {
  return (scope.connection === undefined || scope.connection === connection) &&
    (scope.channel === undefined || scope.channel === channel);
}

function isSame(one: FaultScope, other: FaultScope): boolean {
  return one.connection === other.connection && one.channel === other.channel;
}

function checkPoint(action: string, { method, when, nth }: Omit<DropPoint, "direction">): void {
  if (typeof method !== "string" || !Object.hasOwn(METHODS, method)) {
    throw new TypeError(wrongValue(action, ["method", method], 'a method, such as "basic.ack"'));
  }
  checkOneOf(action, { when }, MOMENTS);
  checkInteger(action, { nth }, { min: 1 });
}
