/** A network between the library and the broker that breaks when a test says so. @module */

import { brokerUrl } from "./broker.ts";

/** Passes TCP connections on to the broker. */
export class TcpProxy implements AsyncDisposable {
  /** The broker's URL, by way of the proxy. */
  readonly url: string;
  readonly #listener: Deno.TcpListener;
  readonly #target: { readonly hostname: string; readonly port: number };
  readonly #open = new Set<Deno.TcpConn>();
  readonly #accepting: Promise<void>;
  #isRefusing = false;
  #isMuted = false;

  private constructor(listener: Deno.TcpListener, target: URL) {
    this.#listener = listener;
    this.#target = { hostname: target.hostname, port: Number(target.port || 5672) };
    const { port } = listener.addr;
    this.url = Object.assign(new URL(target), { hostname: "127.0.0.1", port: `${port}` }).href;
    this.#accepting = this.#accept();
  }

  static start(url: string = brokerUrl()): TcpProxy {
    return new TcpProxy(Deno.listen({ hostname: "127.0.0.1", port: 0 }), new URL(url));
  }

  /** Ends all connections, without a word to either side. */
  cut(): void {
    for (const connection of this.#open) closeQuietly(connection);
    this.#open.clear();
  }

  /** Ends all connections and lets no other through until {@linkcode restore}. */
  block(): void {
    this.#isRefusing = true;
    this.cut();
  }

  /** Drops what clients say on channels, as if the broker had too few nodes to answer. */
  mute(): void {
    this.#isMuted = true;
  }

  restore(): void {
    this.#isRefusing = false;
    this.#isMuted = false;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    this.block();
    await this.#accepting;
  }

  async #accept(): Promise<void> {
    const passing: Promise<void>[] = [];
    for await (const client of this.#listener) {
      if (this.#isRefusing) closeQuietly(client);
      else passing.push(this.#pass(client));
    }
    await Promise.all(passing);
  }

  async #pass(client: Deno.TcpConn): Promise<void> {
    this.#open.add(client);
    const broker = await Deno.connect(this.#target);
    this.#open.add(broker);
    if (this.#isRefusing) this.cut();
    // Nagle's algorithm would add 40 ms to every message.
    broker.setNoDelay();
    client.setNoDelay();
    await Promise.all([pump(client, broker, () => this.#isMuted), pump(broker, client)]);
    this.#open.delete(client);
    this.#open.delete(broker);
  }
}

async function pump(
  from: Deno.TcpConn,
  to: Deno.TcpConn,
  isMuted: () => boolean = () => false,
): Promise<void> {
  const filter = new TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>({
    transform(chunk, controller) {
      if (!isMuted() || isForConnection(chunk)) controller.enqueue(chunk);
    },
  });
  // The end of one half is the end of both, whatever the reason.
  await from.readable.pipeThrough(filter).pipeTo(to.writable).catch(() => {});
  closeQuietly(from);
  closeQuietly(to);
}

/** The protocol header, or a frame of channel 0, whose number is in the second and third byte. */
function isForConnection([first, high, low]: Uint8Array): boolean {
  return first === "A".charCodeAt(0) || (high === 0 && low === 0);
}

function closeQuietly(connection: Deno.TcpConn): void {
  try {
    connection.close();
  } catch {
    // It is closed already.
  }
}
