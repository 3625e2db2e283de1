/**
 * Records which functions are entered, and by whom. Instrumented sources call it; it goes with
 * them into the copy.
 *
 * The caller of a function is the function whose code runs at that moment: that of the stack, or
 * after an `await` the one that waited; a callback's is the one that handed it over. So each
 * function is once on the way to another, however often it waited.
 *
 * @module
 */

import { AsyncLocalStorage } from "node:async_hooks";

/** Where a way begins: a call of the user's, or amqplib handing over a message. */
export type Origin = "user" | "amqplib";

/** The functions on a way, by number, from its beginning on. */
export interface Way {
  readonly origin: Origin;
  readonly functions: readonly number[];
}

interface Frame {
  readonly id: number | Origin;
  readonly parent: Frame | undefined;
}

const frames = new AsyncLocalStorage<Frame | undefined>();
const published: Way[] = [];
const arrived: Way[] = [];
let entered: number[] = [];

/** Enters a function that is neither asynchronous nor a generator; {@linkcode leave} its result. */
export function enter(id: number): unknown {
  entered.push(id);
  const parent = frames.getStore();
  frames.enterWith({ id, parent });
  return parent;
}

/** Leaves what {@linkcode enter} entered. */
export function leave(parent: unknown): void {
  // It came from enter().
  frames.enterWith(parent as Frame | undefined);
}

/** Runs the body of a function. */
export function run<T>(id: number, body: () => T): T {
  entered.push(id);
  return frames.run({ id, parent: frames.getStore() }, body);
}

/** Notes that a generator has been entered; what it calls counts as called by its caller. */
export function note(id: number): void {
  entered.push(id);
}

/** Runs something as the beginning of a way. */
export function beginAt<T>(origin: Origin, body: () => T): T {
  return frames.run({ id: origin, parent: undefined }, body);
}

/** Notes that amqplib was told to publish. */
export function markPublish(): void {
  mark(published);
}

/** Notes that the user's function was reached. */
export function markArrival(): void {
  mark(arrived);
}

/** Forgets everything so far. */
export function clear(): void {
  entered = [];
  published.length = 0;
  arrived.length = 0;
}

/** How many functions were entered since {@linkcode clear}. */
export function count(): number {
  return entered.length;
}

/** What was recorded since {@linkcode clear}. */
export function recorded(): {
  readonly entered: readonly number[];
  readonly published: readonly Way[];
  readonly arrived: readonly Way[];
} {
  return { entered: [...entered], published: [...published], arrived: [...arrived] };
}

function mark(ways: Way[]): void {
  const functions: number[] = [];
  for (let frame = frames.getStore(); frame !== undefined; frame = frame.parent) {
    if (typeof frame.id === "string") {
      ways.push({ origin: frame.id, functions: functions.reverse() });
      return;
    }
    functions.push(frame.id);
  }
}
