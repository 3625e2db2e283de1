/** One broker of the comparison: runs operations and tells in plain words what came of them. @module */

import { textOf } from "../../../testing/wire/field_value.ts";
import type { MethodName } from "../../../testing/wire/methods.ts";
import { RawClient, type Received, type Sparse } from "../../../tools/raw/raw_client.ts";
import { describe, originOf } from "./describe.ts";
import type { Operation, Place, RandomMessage } from "./operations.ts";

/** What ends the wait for an operation or a barrier. */
const ANSWERS = new Set<MethodName>([
  "tx.commit-ok",
  "channel.flow-ok",
  "channel.close",
  "channel.close-ok",
  "connection.close",
  "connection.close-ok",
]);

interface ChannelState {
  /** Delivery tags by what was delivered. */
  readonly unsettled: Map<string, number>;
  published: number;
  readonly confirmed: Set<number>;
  isConfirming: boolean;
}

/** Lines that tell what happened, in groups whose order within is fixed. */
export type Outcome = Map<string, string[]>;

/** Runs operations on one broker. */
export class Side implements Disposable {
  readonly #url: string;
  readonly #clients: (RawClient | undefined)[] = [];
  readonly #channels = new Map<string, ChannelState>();
  /** What RabbitMQ says of quorum queues includes who has got a message and not settled it. */
  readonly #quorumQueues = new Set<string>();
  #outcome: Outcome = new Map();
  /** After a connection was ended, RabbitMQ's channels may have handed messages to each other. */
  #wasEnded = false;

  constructor(url: string) {
    this.#url = url;
  }

  /** Deliveries that are not settled. */
  unsettled(place: Place): readonly string[] {
    return [...this.#channels.get(keyOf(place))?.unsettled.keys() ?? []];
  }

  /** Runs an operation and returns what is known to have come of it so far. */
  async run(operation: Operation): Promise<Outcome> {
    this.#outcome = new Map();
    this.#noteQuorum(operation);
    const client = await this.#client(operation);
    if (operation.type === "close-connection") await this.#closeChannels(operation.connection);
    this.#send(client, operation);
    const isCommit = operation.type === "method" && operation.name === "tx.commit";
    const isEnding = operation.type === "close-channel" || operation.type === "close-connection";
    // What follows these at once, RabbitMQ takes for a fault.
    if (isEnding || isCommit) await this.#answered(client, operation.channel);
    this.#collect();
    await this.#barrier();
    return this.#collect();
  }

  /** Waits for more and returns all that has come of the last operation. */
  async wait(ms: number): Promise<Outcome> {
    await new Promise((resolve) => setTimeout(resolve, ms));
    await this.#barrier();
    return this.#collect();
  }

  /** Closes the connections in good order. */
  async close(): Promise<void> {
    for (const [connection, client] of this.#clients.entries()) {
      if (client === undefined || client.isClosed) continue;
      await this.#closeChannels(connection);
      await client.call(0, ["connection.close", "connection.close-ok"]).catch(() => {});
      client[Symbol.dispose]();
    }
  }

  /** Returns the number of messages in each queue. */
  async count(queues: readonly string[]): Promise<string> {
    const counts: string[] = [];
    for (const queue of queues) {
      using client = await RawClient.open(this.#url);
      await client.openChannel(1);
      const values = { queue, passive: true };
      const count = client.call(1, ["queue.declare", "queue.declare-ok"], values).then(describe);
      counts.push(await count.catch(String));
    }
    return counts.join();
  }

  /** Returns the contents of queues, which this empties. */
  async drain(queues: readonly string[]): Promise<string[]> {
    const lines: string[] = [];
    for (const queue of queues) {
      using client = await RawClient.open(this.#url);
      await client.openChannel(1);
      const items = await this.#get(client, queue);
      for (const item of items) lines.push(`${queue} ${originOf(item)}: ${this.#tell(item)}`);
      if (items.some(({ name }) => name === "channel.close")) continue;
      await client.call(1, ["queue.delete", "queue.delete-ok"], { queue }).catch(() => {});
    }
    // Stable, so the order within one origin remains.
    return lines.sort((one, other) => one.split(":", 1) < other.split(":", 1) ? -1 : 1);
  }

  async #get(client: RawClient, queue: string): Promise<Received[]> {
    const items: Received[] = [];
    for (;;) {
      client.send(1, "basic.get", { queue, noAck: true });
      client.send(1, "channel.flow", { active: true });
      await client.next(1, "channel.flow-ok").catch(() => {});
      const [answer] = client.takeAll();
      if (answer?.name === "channel.close" && answer.arguments.replyCode === 405) {
        return this.#consume(client, queue);
      }
      if (answer?.name !== "basic.get-ok") return answer === undefined ? items : [...items, answer];
      items.push(answer);
    }
  }

  /** Takes everything from a queue that gives single messages to nobody. */
  async #consume(client: RawClient, queue: string): Promise<Received[]> {
    client.send(1, "channel.close-ok");
    await client.openChannel(1);
    await client.call(1, ["basic.consume", "basic.consume-ok"], { queue, noAck: true });
    // What expires on the way is delivered to nobody, so the number of deliveries is not known.
    for (;;) {
      const declared = { queue, passive: true };
      const count = client.call(1, ["queue.declare", "queue.declare-ok"], declared);
      if ((await count).arguments.messageCount === 0) break;
    }
    client.send(1, "channel.flow", { active: true });
    await client.next(1, "channel.flow-ok");
    return client.takeAll().filter(({ name }) => name === "basic.deliver");
  }

  /** Deletes exchanges. */
  async clear(exchanges: readonly string[]): Promise<void> {
    using client = await RawClient.open(this.#url);
    await client.openChannel(1);
    for (const exchange of exchanges) {
      await client.call(1, ["exchange.delete", "exchange.delete-ok"], { exchange });
    }
  }

  [Symbol.dispose](): void {
    for (const client of this.#clients) client?.[Symbol.dispose]();
  }

  async #client(place: Place): Promise<RawClient> {
    let client = this.#clients[place.connection];
    if (client === undefined || client.isClosed) {
      client = await RawClient.open(this.#url);
      this.#clients[place.connection] = client;
    }
    if (!this.#channels.has(keyOf(place))) {
      await client.openChannel(place.channel);
      this.#channels.set(keyOf(place), {
        unsettled: new Map(),
        published: 0,
        confirmed: new Set(),
        isConfirming: false,
      });
    }
    return client;
  }

  #send(client: RawClient, operation: Operation): void {
    const { channel } = operation;
    const state = this.#channels.get(keyOf(operation));
    if (operation.type === "close-connection") {
      return client.send(0, "connection.close", { replyCode: 200 });
    }
    if (state === undefined) return;
    switch (operation.type) {
      case "method":
        return client.send(channel, operation.name, operation.values);
      case "publish":
        if (state.isConfirming) state.published++;
        return client.send(
          channel,
          "basic.publish",
          operation.values,
          contentOf(operation.message),
        );
      case "settle": {
        const deliveryTag = state.unsettled.get(operation.delivery);
        if (deliveryTag === undefined) throw new Error(`no delivery ${operation.delivery}`);
        state.unsettled.delete(operation.delivery);
        return settle(client, operation, { deliveryTag, multiple: false });
      }
      case "settle-all":
        state.unsettled.clear();
        return settle(client, operation, { deliveryTag: 0, multiple: true });
      case "close-channel":
        return client.send(channel, "channel.close", { replyCode: 200 });
    }
  }

  /**
   * Closes channels one by one: when RabbitMQ closes a connection, what one channel gives back may still
   * go to a consumer without acknowledgements on another, and is lost.
   */
  async #closeChannels(connection: number): Promise<void> {
    for (const key of [...this.#channels.keys()].sort()) {
      const place = placeOf(key);
      const client = this.#clients[connection];
      if (place.connection !== connection || client === undefined) continue;
      client.send(place.channel, "channel.close", { replyCode: 200 });
      await this.#answered(client, place.channel);
      await this.#barrier(key);
      this.#collect();
    }
  }

  /** Waits until every open channel has answered. */
  async #barrier(except?: string): Promise<void> {
    for (const key of [...this.#channels.keys()]) {
      const { connection, channel } = placeOf(key);
      const client = this.#clients[connection];
      if (client === undefined || client.isClosed || key === except) continue;
      client.send(channel, "channel.flow", { active: true });
      await this.#answered(client, channel);
    }
  }

  async #answered(client: RawClient, channel: number): Promise<void> {
    for (;;) {
      const isDone = client.received.some((item) =>
        (item.channel === channel || item.channel === 0) && ANSWERS.has(item.name)
      );
      if (isDone || client.isClosed) return;
      await client.change("Cannot wait as the connection has ended").catch(() => {});
    }
  }

  /** While a connection is being ended, what was delivered on it depends on who is faster. */
  #collect(): Outcome {
    this.#clients.forEach((client, connection) => {
      for (const item of client?.takeAll() ?? []) this.#note(connection, item);
    });
    if ([...this.#outcome.values()].flat().some((line) => line.startsWith("connection.close {"))) {
      for (const group of [...this.#outcome.keys()]) {
        if (group.includes("deliveries")) this.#outcome.delete(group);
      }
    }
    return this.#outcome;
  }

  #note(connection: number, item: Received): void {
    const place = { connection, channel: item.channel };
    const key = keyOf(place);
    const state = this.#channels.get(key);
    const client = this.#clients[connection];
    switch (item.name) {
      case "channel.flow-ok":
        return;
      case "basic.ack":
      case "basic.nack":
        return this.#noteConfirms(key, item.name, item.arguments);
      case "basic.deliver":
      case "basic.get-ok":
        return this.#noteDelivery(key, item);
      case "confirm.select-ok":
        if (state !== undefined) state.isConfirming = true;
        break;
      case "basic.recover-ok":
        state?.unsettled.clear();
        break;
      case "tx.rollback-ok":
      case "tx.commit-ok":
        break;
      case "channel.close":
        client?.send(item.channel, "channel.close-ok");
        this.#channels.delete(key);
        break;
      case "channel.close-ok":
        this.#channels.delete(key);
        break;
      case "connection.close":
        this.#wasEnded = true;
        client?.send(0, "connection.close-ok");
        this.#forget(connection);
        break;
      case "connection.close-ok":
        this.#forget(connection);
        break;
      default:
    }
    this.#add(`${key} ${item.name === "basic.return" ? "returns" : "answers"}`, this.#tell(item));
  }

  #noteQuorum(operation: Operation): void {
    if (operation.type !== "method" || operation.name !== "queue.declare") return;
    const { queue = "", arguments: table }: Sparse<"queue.declare"> = operation.values;
    if (textOf(table?.get("x-queue-type")) === "quorum") this.#quorumQueues.add(queue);
  }

  #tell(item: Received): string {
    let text = describe(item);
    if (item.name === "queue.declare-ok" && this.#quorumQueues.has(item.arguments.queue)) {
      text = text.replace(/"consumerCount":\d+/, "");
    }
    return this.#wasEnded ? text.replace(/"redelivered":\w+,/, "") : text;
  }

  #forget(connection: number): void {
    for (const key of [...this.#channels.keys()]) {
      if (placeOf(key).connection === connection) this.#channels.delete(key);
    }
    this.#clients[connection]?.[Symbol.dispose]();
    this.#clients[connection] = undefined;
  }

  #noteDelivery(key: string, item: Received): void {
    if (item.name !== "basic.deliver" && item.name !== "basic.get-ok") return;
    const text = this.#tell(item);
    const from = item.name === "basic.deliver" ? item.arguments.consumerTag : "get";
    const unsettled = this.#channels.get(key)?.unsettled;
    let name = `${from} ${new TextDecoder().decode(item.body)}`;
    // The same message may reach a channel on several ways.
    while (unsettled?.has(name)) name += "'";
    unsettled?.set(name, item.arguments.deliveryTag);
    this.#add(`${key} deliveries to ${from} ${originOf(item)}`, text);
  }

  #noteConfirms(
    key: string,
    name: string,
    { deliveryTag, multiple }: { readonly deliveryTag: number; readonly multiple: boolean },
  ): void {
    const confirmed = this.#channels.get(key)?.confirmed;
    if (confirmed === undefined) return;
    for (let tag = multiple ? 1 : deliveryTag; tag <= deliveryTag; tag++) {
      if (confirmed.has(tag)) continue;
      confirmed.add(tag);
      this.#add(`${key} confirms`, `${name} ${tag}`);
    }
  }

  #add(group: string, line: string): void {
    const lines = this.#outcome.get(group);
    if (lines === undefined) this.#outcome.set(group, [line]);
    else lines.push(line);
  }
}

function settle(
  client: RawClient,
  { channel, how, requeue }: Operation & { type: "settle" | "settle-all" },
  which: { readonly deliveryTag: number; readonly multiple: boolean },
): void {
  if (how === "ack") client.send(channel, "basic.ack", which);
  else if (how === "nack") client.send(channel, "basic.nack", { ...which, requeue });
  else client.send(channel, "basic.reject", { deliveryTag: which.deliveryTag, requeue });
}

function keyOf({ connection, channel }: Place): string {
  return `${connection}/${channel}`;
}

function placeOf(key: string): Place {
  const [connection, channel] = key.split("/");
  return { connection: Number(connection), channel: Number(channel) };
}

function contentOf({ id, properties }: RandomMessage): Parameters<RawClient["send"]>[3] {
  return { body: new TextEncoder().encode(id), properties };
}
