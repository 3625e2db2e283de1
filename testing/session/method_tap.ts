/** The point that every method of a connection passes: the log and the faults of tests. @module */

import type { DropKind } from "../faults.ts";
import type { MethodDirection, MethodEvent } from "../method_log.ts";
import { AmqpError } from "../wire/amqp_error.ts";
import type { Method } from "../wire/methods.ts";
import type { BrokerContext } from "./broker_context.ts";

/** A method on its way. */
export interface PassingMethod {
  /** The channel number. */
  readonly channel: number;
  /** Which way it goes. */
  readonly direction: MethodDirection;
  /** The method. */
  readonly method: Method;
}

/** Drops the connection because a test wants it. */
export type DropConnection = (how: DropKind, direction: MethodDirection) => void;

/** Writes the log of a connection and lets the faults of tests strike. */
export class MethodTap {
  readonly #context: BrokerContext;
  readonly #connection: number;
  readonly #drop: DropConnection;

  /** Creates a tap for the connection of a number. */
  constructor(context: BrokerContext, connection: number, drop: DropConnection) {
    this.#context = context;
    this.#connection = connection;
    this.#drop = drop;
  }

  /**
   * Notes a method, unless a fault drops the connection before it; tells whether to go on.
   *
   * @throws {AmqpError} If a fault closes the channel in place of handling the method.
   */
  before(passing: PassingMethod): boolean {
    const event = this.#event(passing);
    if (this.#strikes(event, "before")) return false;
    this.#context.log.record(event);
    return true;
  }

  /**
   * Drops the connection after a method if a fault says so.
   *
   * @throws {AmqpError} If a fault closes the channel.
   */
  after(passing: PassingMethod): void {
    if (this.#context.faults.isArmed) this.#strikes(this.#event(passing), "after");
  }

  #strikes(event: MethodEvent, when: "before" | "after"): boolean {
    const { faults } = this.#context;
    if (!faults.isArmed) return false;
    const how = faults.dropAt(event, when);
    if (how !== undefined) {
      this.#drop(how, event.direction);
      return true;
    }
    const close = faults.closeAt(event, when);
    if (close === undefined) return false;
    const { code = "precondition-failed", text = "closed by the test" } = close;
    throw new AmqpError(code, text);
  }

  #event({ channel, direction, method }: PassingMethod): MethodEvent {
    return { ...method, connection: this.#connection, channel, direction };
  }
}
