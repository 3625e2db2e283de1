/** The channels of a connection by number, and the end of each. @module */

import { AmqpError, toAmqpError } from "../wire/amqp_error.ts";
import type { Frame } from "../wire/frame.ts";
import { methodIds } from "../wire/method_codec.ts";
import type { Method, MethodName } from "../wire/methods.ts";
import { Channel, type ChannelHost } from "./channel.ts";
import { handleChannelMethod } from "./channel_methods.ts";
import { type Command, ContentAssembler } from "./content_assembler.ts";
import type { MethodTap } from "./method_tap.ts";

/** Told of an error that ends the whole connection, and of the method that caused it. */
export type OnConnectionError = (error: AmqpError, cause: MethodName | undefined) => void;

/** A channel number in use. A closing channel waits for the client's `channel.close-ok`. */
interface Slot {
  readonly assembler: ContentAssembler;
  readonly channel: Channel;
  state: "new" | "open" | "closing";
}

/** The channels of a connection. */
export class ChannelTable {
  /** The most channels at a time, 0 for no limit. */
  maxChannels = 0;
  readonly #host: ChannelHost;
  readonly #tap: MethodTap;
  readonly #slots = new Map<number, Slot>();

  /** Creates a table without channels. */
  constructor(host: ChannelHost, tap: MethodTap) {
    this.#host = host;
    this.#tap = tap;
  }

  /** Takes a frame of a channel. */
  handleFrame(frame: Frame, onConnectionError: OnConnectionError): void {
    let slot: Slot | undefined;
    let method: Method | undefined;
    try {
      slot = this.#slot(frame.channel);
      const command = slot.assembler.push(frame);
      if (command === undefined) return;
      method = command.method;
      const passing = { channel: frame.channel, direction: "received", method } as const;
      if (!this.#tap.before(passing)) return;
      this.#handle(slot, command);
      this.#tap.after(passing);
    } catch (error) {
      const fault = toAmqpError(error);
      const cause = method?.name ?? "basic.publish";
      if (slot !== undefined && fault.scope === "channel") this.#close(slot, fault, cause);
      else onConnectionError(fault, method?.name);
    }
  }

  /** The channels that are open or being closed. */
  get size(): number {
    return this.#slots.size;
  }

  /** Serves the consumers of all channels. */
  resumeConsumers(): void {
    for (const { channel } of this.#slots.values()) channel.resumeConsumers();
  }

  /** Closes a channel because of an error. */
  close(channel: Channel, error: AmqpError): void {
    const slot = this.#slots.get(channel.number);
    if (slot?.channel === channel) this.#close(slot, error, undefined);
  }

  /** Ends all channels. */
  release(): void {
    const slots = [...this.#slots.values()];
    this.#slots.clear();
    for (const { channel } of slots) channel.release();
  }

  #slot(number: number): Slot {
    const existing = this.#slots.get(number);
    if (existing !== undefined) return existing;
    if (this.maxChannels > 0 && this.#slots.size >= this.maxChannels) {
      throw new AmqpError(
        "not-allowed",
        `number of channels opened (${this.#slots.size}) has reached the negotiated channel_max ` +
          `(${this.maxChannels})`,
      );
    }
    const slot: Slot = {
      assembler: new ContentAssembler({
        maxMessageBytes: this.#host.context.maxMessageBytes,
        maxTableDepth: this.#host.context.limits.maxTableDepth,
      }),
      channel: new Channel(number, this.#host),
      state: "new",
    };
    this.#slots.set(number, slot);
    return slot;
  }

  #handle(slot: Slot, command: Command): void {
    const { channel } = slot;
    const { name } = command.method;
    if (slot.state === "closing") return this.#handleClosing(slot, name);
    if (slot.state === "new") {
      if (name !== "channel.open") throw new AmqpError("channel-error", "expected 'channel.open'");
      slot.state = "open";
      return channel.send("channel.open-ok", { reserved1: new Uint8Array(0) });
    }
    if (name !== "channel.close") return handleChannelMethod(channel, command);
    this.#slots.delete(channel.number);
    channel.confirms?.flush();
    channel.release();
    channel.send("channel.close-ok", {});
  }

  #handleClosing({ channel }: Slot, name: MethodName): void {
    if (name === "channel.close") channel.send("channel.close-ok", {});
    if (name === "channel.close-ok") this.#slots.delete(channel.number);
  }

  #close(slot: Slot, error: AmqpError, cause: MethodName | undefined): void {
    if (slot.state === "closing") return;
    const { channel } = slot;
    slot.state = "closing";
    channel.confirms?.flush();
    channel.release();
    channel.send("channel.close", {
      replyCode: error.replyCode,
      replyText: error.replyText,
      ...methodIds(cause),
    });
  }
}
