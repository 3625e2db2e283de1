import { connect } from "../../deps/amqplib.ts";

/** Should the demo be killed, the broker removes its queue after this time of disuse. */
const EXPIRES_MS = 60_000;

/** A request queue for one run of the demo, of the same kind as a server declares. */
export class DemoQueue implements AsyncDisposable {
  readonly #url: string;
  readonly #name: string;

  private constructor(url: string, name: string) {
    this.#url = url;
    this.#name = name;
  }

  /** Declares the queue; dispose of the result to delete it. */
  static async declare(url: string, name: string): Promise<DemoQueue> {
    await using connection = await open(url);
    await connection.channel.assertQueue(name, {
      durable: true,
      expires: EXPIRES_MS,
      arguments: { "x-queue-type": "quorum" },
    });
    return new DemoQueue(url, name);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await using connection = await open(this.#url);
    await connection.channel.deleteQueue(this.#name);
  }
}

async function open(url: string) {
  const connection = await connect(url, { noDelay: true });
  const channel = await connection.createChannel();
  return {
    channel,
    async [Symbol.asyncDispose]() {
      await channel.close();
      await connection.close();
    },
  };
}
