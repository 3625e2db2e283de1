/** Putting methods and their contents together from frames. @module */

import { AmqpError } from "../wire/amqp_error.ts";
import { BasicProperties } from "../wire/basic_properties.ts";
import { ByteReader } from "../wire/byte_reader.ts";
import { type Frame, FrameType } from "../wire/frame.ts";
import { decodeMethod } from "../wire/method_codec.ts";
import type { Method } from "../wire/methods.ts";

/** What came with a publish. */
export interface IncomingContent {
  /** The properties. */
  readonly properties: BasicProperties;
  /** The body; empty if it was too large to be kept. */
  readonly body: Uint8Array;
  /** The number of bytes that were sent. */
  readonly size: number;
}

/** A method with the content that followed it, if it is one that has content. */
export interface Command {
  /** The method. */
  readonly method: Method;
  /** The properties and the body of a publish. */
  readonly content: IncomingContent | undefined;
}

/** Bounds of what is put together. */
export interface AssemblerLimits {
  /** The largest body, in bytes; of larger ones only the size is kept. */
  readonly maxMessageBytes: number;
  /** The deepest nesting of field tables. */
  readonly maxTableDepth: number;
}

type State =
  | { readonly expects: "method" }
  | { readonly expects: "header"; readonly method: Method }
  | {
    readonly expects: "body";
    readonly method: Method;
    readonly properties: BasicProperties;
    readonly fragments: Uint8Array[];
    readonly size: number;
    received: number;
  };

/** Puts the frames of one channel together. */
export class ContentAssembler {
  readonly #limits: AssemblerLimits;
  #state: State = { expects: "method" };

  /** Creates an assembler that expects a method. */
  constructor(limits: AssemblerLimits) {
    this.#limits = limits;
  }

  /**
   * Takes a frame and returns the command that it completes, if it does.
   *
   * @throws {AmqpError} If the frame is malformed or out of order.
   */
  push(frame: Frame): Command | undefined {
    switch (this.#state.expects) {
      case "method":
        return this.#pushMethod(frame);
      case "header":
        return this.#pushHeader(frame, this.#state.method);
      case "body":
        return this.#pushBody(frame, this.#state);
    }
  }

  #pushMethod({ type, payload }: Frame): Command | undefined {
    if (type !== FrameType.method) throw unexpected("expected method frame, got non method frame");
    const method = decodeMethod(payload, this.#limits.maxTableDepth);
    if (method.name !== "basic.publish") return { method, content: undefined };
    this.#state = { expects: "header", method };
    return undefined;
  }

  #pushHeader({ type, payload }: Frame, method: Method): Command | undefined {
    if (type !== FrameType.header) {
      throw unexpected("expected content header for class 60, got non content header frame");
    }
    const reader = new ByteReader(payload);
    const classId = reader.short();
    if (classId !== 60) {
      throw unexpected(`expected content header for class 60, got one for class ${classId}`);
    }
    reader.short();
    const size = reader.longLongNumber();
    // Copied, because messages outlive the input buffer.
    const bytes = reader.bytes(reader.remaining).slice();
    const properties = BasicProperties.decode(bytes, this.#limits.maxTableDepth);
    this.#state = { expects: "body", method, properties, fragments: [], size, received: 0 };
    return size === 0 ? this.#complete() : undefined;
  }

  #pushBody({ type, payload }: Frame, state: State & { expects: "body" }): Command | undefined {
    if (type !== FrameType.body) {
      throw unexpected("expected content body, got non content body frame");
    }
    if (payload.length > state.size - state.received) {
      throw new AmqpError("frame-error", "content body frame exceeds remaining content size");
    }
    // Memory is taken as bytes arrive, never on the word of the header.
    if (state.size <= this.#limits.maxMessageBytes) state.fragments.push(payload.slice());
    state.received += payload.length;
    return state.received === state.size ? this.#complete() : undefined;
  }

  #complete(): Command | undefined {
    const state = this.#state;
    if (state.expects !== "body") return undefined;
    this.#state = { expects: "method" };
    const { method, properties, fragments, size } = state;
    return { method, content: { properties, body: concatenate(fragments), size } };
  }
}

function unexpected(text: string): AmqpError {
  return new AmqpError("unexpected-frame", `${text} instead`);
}

function concatenate(fragments: readonly Uint8Array[]): Uint8Array {
  const [first] = fragments;
  if (first !== undefined && fragments.length === 1) return first;
  const whole = new Uint8Array(fragments.reduce((sum, { length }) => sum + length, 0));
  let offset = 0;
  for (const fragment of fragments) {
    whole.set(fragment, offset);
    offset += fragment.length;
  }
  return whole;
}
