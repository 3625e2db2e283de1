/** A network between a program and its broker, to be broken in every way that networks break. @module */

import { AmqpFrames } from "./amqp_frames.ts";
import { Pump, type Shape, SMOOTH } from "./pump.ts";
import { pause } from "../time/waiting.ts";

/** What is stopped, or slow: what the program sends, what it receives, or both. */
export type Direction = "up" | "down" | "both";

/** A TCP connection of a program and its continuation to the broker. */
interface Link {
  readonly up: Pump;
  readonly down: Pump;
  readonly frames: AmqpFrames;
  readonly client: Deno.TcpConn;
  readonly broker: Deno.TcpConn;
}

/** How long a connection must have unread bytes before it is reset, so that it has some. */
const RESET_DELAY_MS = 50;

/** Passes connections on to one node of the broker, until told otherwise. */
export class FaultProxy implements AsyncDisposable {
  /** The node's URL, by way of the proxy. */
  readonly url: string;
  /** Whether it hangs up on whoever connects, as a node does that is just starting. */
  refuses = false;
  readonly #listener: Deno.TcpListener;
  readonly #target: { readonly hostname: string; readonly port: number };
  readonly #links = new Set<Link>();
  readonly #accepting: Promise<void>;
  #up: Shape = SMOOTH;
  #down: Shape = SMOOTH;
  #isMuted = false;
  #connections = 0;

  private constructor(listener: Deno.TcpListener, target: URL) {
    this.#listener = listener;
    this.#target = { hostname: target.hostname, port: Number(target.port || 5672) };
    const { port } = listener.addr;
    this.url = Object.assign(new URL(target), { hostname: "127.0.0.1", port: `${port}` }).href;
    this.#accepting = this.#accept();
  }

  /** Starts a proxy on a free port. */
  static start(url: string): FaultProxy {
    return new FaultProxy(Deno.listen({ hostname: "127.0.0.1", port: 0 }), new URL(url));
  }

  /** How often somebody has connected. */
  get connections(): number {
    return this.#connections;
  }

  /** Stops the connections that there are from passing anything on, for ever; new ones pass. */
  stall(direction: Direction): void {
    for (const { up, down } of this.#links) {
      if (direction !== "down") up.stall();
      if (direction !== "up") down.stall();
    }
  }

  /** Ends all connections in order, with a FIN, in the middle of whatever they say. */
  cut(): void {
    for (const link of this.#links) end(link);
  }

  /** Ends all connections and lets no other through until {@linkcode restore}. */
  block(): void {
    this.refuses = true;
    this.cut();
  }

  /** Drops what clients say on channels, as if the broker had too few nodes to answer. */
  mute(): void {
    this.#isMuted = true;
  }

  /** Lets everything through again. */
  restore(): void {
    this.refuses = false;
    this.#isMuted = false;
  }

  /** Ends all connections with a RST, as the kernel does if a socket is closed with bytes unread. */
  async reset(): Promise<void> {
    const links = [...this.#links];
    for (const { up, down } of links) {
      up.stall();
      down.stall();
    }
    await pause(RESET_DELAY_MS);
    links.forEach(end);
  }

  /** Makes all connections slow, from now on; without an argument they are as fast as they can. */
  shape(shape: Partial<Shape> = {}, direction: Direction = "both"): void {
    const all = { ...SMOOTH, ...shape };
    if (direction !== "down") this.#up = all;
    if (direction !== "up") this.#down = all;
  }

  /**
   * Acknowledges a delivery that never was on the first channel of each connection: the broker
   * closes the channel with 406, and the connection stays.
   */
  spoilChannels(): void {
    for (const { up, frames } of this.#links) frames.onceComplete((bytes) => up.insert(bytes));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    this.cut();
    await this.#accepting;
  }

  async #accept(): Promise<void> {
    const passing: Promise<void>[] = [];
    for await (const client of this.#listener) {
      this.#connections++;
      passing.push(this.#pass(client));
    }
    this.cut();
    await Promise.all(passing);
  }

  async #pass(client: Deno.TcpConn): Promise<void> {
    if (this.refuses) return client.close();
    let broker: Deno.TcpConn;
    try {
      broker = await Deno.connect(this.#target);
    } catch {
      return client.close();
    }
    // Nagle's algorithm would add 40 ms to every message.
    for (const connection of [client, broker]) connection.setNoDelay();
    const frames = new AmqpFrames();
    const up = new Pump(client, broker, {
      shape: () => this.#up,
      lets: (chunk) => !this.#isMuted || isForConnection(chunk),
      onChunk: (chunk) => frames.read(chunk),
    });
    const down = new Pump(broker, client, { shape: () => this.#down });
    const link: Link = { up, down, frames, client, broker };
    this.#links.add(link);
    if (this.refuses) end(link);
    // The end of one half is the end of both, whatever the reason.
    await Promise.race([up.run(), down.run()]);
    end(link);
    this.#links.delete(link);
  }
}

/** The protocol header, or a frame of channel 0, whose number is in the second and third byte. */
function isForConnection([first, high, low]: Uint8Array): boolean {
  return first === "A".charCodeAt(0) || (high === 0 && low === 0);
}

function end({ up, down, client, broker }: Link): void {
  up.stop();
  down.stop();
  for (const connection of [client, broker]) {
    try {
      connection.close();
    } catch {
      // It is closed already.
    }
  }
}
