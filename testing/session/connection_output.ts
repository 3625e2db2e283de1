/** What a connection sends: methods past the tap, and frames to the transport. @module */

import type { DropKind } from "../faults.ts";
import type { Method, MethodArguments, MethodName, MethodOf } from "../wire/methods.ts";
import type { BrokerContext } from "./broker_context.ts";
import type { OutgoingContent } from "./channel.ts";
import { DelayLine } from "./delay_line.ts";
import { FrameSender } from "./frame_sender.ts";
import { MethodTap } from "./method_tap.ts";
import type { Transport } from "./transport.ts";

/** What the output of a connection is made of. */
export interface ConnectionOutputOptions {
  /** The number of the connection in the log. */
  readonly number: number;
  /** The broker around it. */
  readonly context: BrokerContext;
  /** The stream of bytes under it. */
  readonly transport: Transport;
  /** Called for whatever is sent. */
  readonly onSent: () => void;
  /** Drops the connection because a test wants it. */
  readonly onDrop: (how: DropKind) => void;
}

/** The output of one connection. */
export class ConnectionOutput {
  /** The point that every method passes. */
  readonly tap: MethodTap;
  readonly #number: number;
  readonly #context: BrokerContext;
  readonly #late: DelayLine;
  readonly #transport: Transport;
  readonly #sender: FrameSender;
  readonly #onSent: () => void;
  #isSilent = false;

  /** Creates an output that has sent nothing. */
  constructor({ number, context, transport, onSent, onDrop }: ConnectionOutputOptions) {
    this.#number = number;
    this.#context = context;
    this.#late = new DelayLine(context.clock);
    this.#transport = transport;
    this.#onSent = onSent;
    this.#sender = new FrameSender(context.frameMax, (bytes) => this.write(bytes));
    this.tap = new MethodTap(context, number, (how, direction) => {
      // What was sent shall arrive; what was handled shall have no answer.
      if (direction === "sent") this.#sender.flush();
      else this.#sender.discard();
      onDrop(how);
    });
  }

  /** The number of bytes that were not sent yet. */
  get backlog(): number {
    return this.#transport.backlog + this.#sender.pending;
  }

  /** Whether {@linkcode silence} was called. */
  get isSilent(): boolean {
    return this.#isSilent;
  }

  /** Sets the largest frame that the peer accepts, in bytes. */
  setMaxFrameSize(size: number): void {
    this.#sender.maxFrameSize = size;
  }

  /** Sends a method, with content if given; later if a test wants it late. */
  send<Name extends MethodName>(
    place: { readonly channel: number; readonly name: Name },
    values: MethodArguments<Name>,
    content?: OutgoingContent,
  ): void {
    const { channel } = place;
    const delayMs = this.#context.faults.delayOf(this.#number, channel);
    if (delayMs === 0 && !this.#late.isWaiting(channel)) this.#sendNow(place, values, content);
    else this.#late.add(channel, delayMs, () => this.#sendNow(place, values, content));
  }

  /** Sends a heartbeat at once, with what was collected. */
  heartbeat(): void {
    if (this.#isSilent) return;
    this.#sender.heartbeat();
    this.#sender.flush();
  }

  /** Sends bytes at once. */
  write(bytes: Uint8Array): void {
    if (this.#isSilent) return;
    this.#onSent();
    this.#transport.write(bytes);
  }

  /** Sends what was collected or is late, ends the stream, and calls back. */
  end(onEnded: () => void): void {
    this.#late.whenEmpty(() => {
      this.#sender.flush();
      this.#transport.end();
      onEnded();
    });
  }

  /** Forgets what is late. */
  stop(): void {
    this.#late.clear();
  }

  /** Sends nothing any more. */
  silence(): void {
    this.#isSilent = true;
    this.#late.clear();
    this.#sender.discard();
  }

  #sendNow<Name extends MethodName>(
    { channel, name }: { readonly channel: number; readonly name: Name },
    values: MethodArguments<Name>,
    content: OutgoingContent | undefined,
  ): void {
    const named: MethodOf<Name> = { name, arguments: values };
    // One of some names is one of all names, which the compiler does not follow.
    const method = named as Method;
    if (!this.tap.before({ channel, direction: "sent", method })) return;
    this.#sender.method(channel, name, values);
    if (content !== undefined) this.#sender.content(channel, content);
    this.tap.after({ channel, direction: "sent", method });
  }
}
