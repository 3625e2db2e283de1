/** Random AMQP operations. @module */

import type { PropertyChanges } from "../../../testing/wire/basic_properties.ts";
import { encodeArray } from "../../../testing/wire/field_table.ts";
import { type FieldValue, longString } from "../../../testing/wire/field_value.ts";
import type { MethodName } from "../../../testing/wire/methods.ts";
import type { Sparse } from "../../../tools/raw/raw_client.ts";
import type { Compat } from "../../../testing/mod.ts";
import type { Random } from "../../../tools/raw/random.ts";

/** A channel of one of the connections. */
export interface Place {
  readonly connection: number;
  readonly channel: number;
}

/** A random message. */
export interface RandomMessage {
  readonly id: string;
  readonly properties: PropertyChanges;
}

interface Profile {
  readonly [name: string]: FieldValue;
}

/** One operation; deliveries are meant by what they carry, since tags may differ. */
export type Operation =
  & Place
  & (
    | { readonly type: "method"; readonly name: MethodName; readonly values: Sparse<MethodName> }
    | {
      readonly type: "publish";
      readonly values: Sparse<"basic.publish">;
      readonly message: RandomMessage;
    }
    | {
      readonly type: "settle";
      readonly delivery: string;
      readonly how: "ack" | "nack" | "reject";
      readonly requeue: boolean;
    }
    | { readonly type: "settle-all"; readonly how: "ack" | "nack"; readonly requeue: boolean }
    | { readonly type: "close-channel" }
    | { readonly type: "close-connection" }
  );

const QUEUES = ["q0", "q1", "q2", "q3", "dead"];
/** Names that mean the queue declared last, or that clients may not declare. */
const SPECIAL_QUEUES = ["", "", "", "amq.mine"];
const EXCHANGES = ["direct", "fanout", "topic", "headers", "alternate"];
const KEYS = ["a", "a.b", "a.b.c", "b", ""];
const PATTERNS = [...KEYS, "#", "*", "a.*", "a.#", "*.b.#", "#.c"];
const TAGS = ["c0", "c1", "c2", "c3"];
const PLACES: readonly Place[] = [
  { connection: 0, channel: 1 },
  { connection: 0, channel: 2 },
  { connection: 1, channel: 1 },
];

/** Arguments of queues; names after an at sign belong to the run. */
const CLASSIC_PROFILES: readonly Profile[] = [
  {},
  {},
  { "x-message-ttl": integer(600_000) },
  { "x-message-ttl": integer(0) },
  { "x-max-length": integer(2), ...deadLetters("", "@dead") },
  { "x-max-length": integer(2), "x-overflow": longString("reject-publish") },
  {
    "x-max-length": integer(1),
    "x-overflow": longString("reject-publish-dlx"),
    ...deadLetters("@fanout"),
  },
  { "x-max-length-bytes": integer(12) },
  { "x-max-priority": integer(3) },
  { "x-max-priority": integer(3), "x-max-length": integer(3), ...deadLetters("", "@dead") },
  { "x-max-priority": integer(9), "x-max-length-bytes": integer(9) },
  { "x-single-active-consumer": bool(true) },
  { "x-single-active-consumer": bool(true), "x-max-priority": integer(2) },
  deadLetters("@topic"),
  deadLetters("@direct", "a"),
  { "x-queue-type": longString("classic") },
];

const QUORUM_PROFILES: readonly Profile[] = [
  { "x-delivery-limit": integer(1), ...deadLetters("@headers") },
  {},
  { "x-delivery-limit": integer(-1) },
  { "x-max-length": integer(2), ...deadLetters("", "@dead") },
  { "x-max-length-bytes": integer(20) },
  { "x-single-active-consumer": bool(true) },
  { "x-single-active-consumer": bool(true), ...deadLetters("", "@dead") },
  { "x-message-ttl": integer(600_000), ...deadLetters("", "@q1") },
].map((profile) => ({ "x-queue-type": longString("quorum"), ...profile }));

/** Arguments that some or all versions refuse. */
const ODD_PROFILES: readonly Profile[] = [
  { "x-queue-type": longString("odd") },
  { "x-queue-type": integer(1) },
  { "x-queue-type": longString("") },
  { "x-queue-master-locator": longString("client-local") },
  { "x-expires": integer(0) },
  { "x-overflow": longString("odd") },
  { "x-max-length": integer(-1) },
  { "x-max-length": { type: "double", value: 2 } },
  { "x-dead-letter-routing-key": longString("a") },
  { "x-dead-letter-exchange": integer(1) },
  { "x-message-ttl": longString("5") },
  { "x-message-ttl": { type: "timestamp", value: 5n } },
  { "x-max-priority": integer(256) },
  { "x-max-priority": { type: "long", value: 3n } },
  { "x-single-active-consumer": longString("true") },
  { "x-queue-mode": longString("lazy") },
  { "x-queue-mode": longString("odd") },
  { "x-queue-version": integer(1) },
  { "x-queue-version": integer(2) },
  { "x-queue-leader-locator": longString("balanced") },
  { "x-queue-leader-locator": longString("odd") },
  { "x-consumer-timeout": integer(900_000) },
  { "x-delivery-limit": integer(3) },
  { "x-max-age": longString("1D") },
  { "x-dead-letter-strategy": longString("odd") },
  { "x-quorum-initial-group-size": integer(0) },
  { "x-stream-filter-size-bytes": integer(16) },
  { "x-queue-type": longString("quorum"), "x-max-priority": integer(3) },
  { "x-queue-type": longString("quorum"), "x-overflow": longString("reject-publish-dlx") },
  { "x-queue-type": longString("quorum"), "x-queue-mode": longString("lazy") },
  { "x-queue-type": longString("quorum"), "x-consumer-timeout": integer(900_000) },
  { "x-odd": integer(1) },
];

/** Arguments of consumers; most are fine. */
const CONSUMER_PROFILES: readonly Profile[] = [
  ...[0, 1, 2, 2, -1].map((priority) => ({ "x-priority": integer(priority) })),
  { "x-priority": longString("1") },
  { "x-priority": { type: "double", value: 1 } },
  { "x-stream-offset": longString("first") },
  { "x-cancel-on-ha-failover": bool(true) },
  { "x-cancel-on-ha-failover": longString("yes") },
  { "x-consumer-timeout": integer(900_000) },
  { "x-odd": integer(1) },
];

const EXPIRATIONS = ["0", "600000", "+600000", "0600000", "x", "-1", "1.5", "", "315360000001"];
const HEADER_VALUES: readonly FieldValue[] = [
  integer(1),
  integer(2),
  { type: "long", value: 1n },
  { type: "double", value: 1 },
  { type: "timestamp", value: 1n },
  bool(true),
  longString("v"),
  { type: "binary", value: Uint8Array.of(0x76) },
  { type: "void", value: undefined },
];
/** What 3.10 takes for its own: it loses the message, and its queue starts anew. */
const ODD_DEATHS: readonly [string, FieldValue] = [
  "x-death",
  { type: "array", value: encodeArray([longString("odd")]) },
];
/** Headers that RabbitMQ writes itself. */
const RESERVED_HEADERS: readonly (readonly [string, FieldValue])[] = [
  ["x-delivery-count", integer(20)],
  ["x-acquired-count", integer(20)],
  ODD_DEATHS,
  ["x-death", longString("odd")],
  ["x-first-death-queue", longString("odd")],
  ["x-last-death-reason", longString("odd")],
  ["x-match", longString("odd")],
  ["x-k", integer(1)],
];

/** What the generator must know of the run so far. */
export interface RunState {
  /** Deliveries that are not settled, by channel. */
  unsettled(place: Place): readonly string[];
}

/** Makes random operations on a small set of queues and exchanges. */
export class OperationSource {
  readonly #random: Random;
  readonly #prefix: string;
  readonly #compat: Compat;
  readonly #state: RunState;
  #messages = 0;

  constructor(random: Random, { prefix, compat, state }: {
    readonly prefix: string;
    readonly compat: Compat;
    readonly state: RunState;
  }) {
    this.#random = random;
    this.#prefix = prefix;
    this.#compat = compat;
    this.#state = state;
  }

  /** Every queue that an operation may touch. */
  get queues(): string[] {
    return QUEUES.map((name) => this.#name(name));
  }

  /** Every exchange that an operation may touch. */
  get exchanges(): string[] {
    return EXCHANGES.map((name) => this.#name(name));
  }

  /** Operations that make something to work on. */
  preamble(): Operation[] {
    const place: Place = { connection: 0, channel: 1 };
    const exchanges = EXCHANGES.map((name) => this.#declare(place, name));
    const queues = QUEUES.map((name) => this.#declareQueue(place, this.#name(name)));
    const bindings = EXCHANGES.map(() => this.#bind(place));
    return [...exchanges, ...queues, ...bindings];
  }

  /** Returns the next operation. */
  next(): Operation {
    const random = this.#random;
    const place = random.pick(PLACES);
    const dice = random.below(100);
    if (dice < 38) return this.#publish(place);
    if (dice < 46) return this.#declareQueue(place);
    if (dice < 53) return this.#consume(place);
    if (dice < 70) return this.#settle(place);
    if (dice < 78) return this.#bind(place);
    if (dice < 82) return this.#declareExchange(place);
    if (dice < 88) return this.#get(place);
    if (dice < 90) return this.#method(place, "basic.cancel", { consumerTag: random.pick(TAGS) });
    return this.#rare(place);
  }

  #name(name: string): string {
    return `${this.#prefix}${name}`;
  }

  #queue(): string {
    const random = this.#random;
    return random.oneIn(25) ? random.pick(SPECIAL_QUEUES) : this.#name(random.pick(QUEUES));
  }

  #exchange(): string {
    return this.#name(this.#random.pick(EXCHANGES));
  }

  #method<Name extends MethodName>(place: Place, name: Name, values: Sparse<Name>): Operation {
    return { ...place, type: "method", name, values };
  }

  #publish(place: Place): Operation {
    const random = this.#random;
    const toQueue = random.oneIn(2);
    const target = random.oneIn(20)
      ? "amq.fanout"
      : random.oneIn(30)
      ? this.#name("none")
      : this.#exchange();
    return {
      ...place,
      type: "publish",
      values: {
        exchange: toQueue ? "" : target,
        routingKey: toQueue ? this.#queue() : random.pick(KEYS),
        mandatory: random.oneIn(3),
      },
      message: { id: `m${this.#messages++}`, properties: this.#properties() },
    };
  }

  #properties(): PropertyChanges {
    const random = this.#random;
    return {
      expiration: random.oneIn(12) ? random.pick(EXPIRATIONS) : undefined,
      priority: random.oneIn(3) ? random.pick([0, 1, 2, 3, 4, 5, 6, 9, 32, 255]) : undefined,
      headers: this.#headers(),
      deliveryMode: random.oneIn(60)
        ? random.pick([0, 3, 255])
        : random.oneIn(4)
        ? undefined
        : random.pick([1, 2]),
      correlationId: random.oneIn(4) ? "id" : undefined,
      replyTo: random.oneIn(10) ? random.pick(["me", "", "amq.rabbitmq.reply-to.x"]) : undefined,
      contentType: random.oneIn(8) ? "text/plain" : undefined,
      messageId: random.oneIn(8) ? "message" : undefined,
      type: random.oneIn(8) ? "type" : undefined,
      appId: random.oneIn(8) ? "app" : undefined,
      userId: random.oneIn(60) ? random.pick(["guest", "eve"]) : undefined,
    };
  }

  #headers(): Map<string, FieldValue> | undefined {
    const random = this.#random;
    if (random.oneIn(2)) return undefined;
    const headers = new Map<string, FieldValue>();
    if (random.oneIn(3)) headers.set("n", integer(random.below(2)));
    if (random.oneIn(2)) headers.set("k", random.pick(HEADER_VALUES));
    if (random.oneIn(6)) headers.set("B", integer(1));
    if (random.oneIn(12)) {
      const header = random.pick(RESERVED_HEADERS);
      if (header !== ODD_DEATHS || this.#compat !== "3.10") headers.set(...header);
    }
    if (random.oneIn(8)) {
      const name = random.oneIn(2) ? "CC" : "BCC";
      headers.set(name, { type: "array", value: encodeArray([longString(this.#queue())]) });
    }
    if (random.oneIn(60)) headers.set("CC", longString("odd"));
    return headers;
  }

  #declareQueue(place: Place, queue = this.#queue()): Operation {
    const random = this.#random;
    if (random.oneIn(5)) return this.#method(place, "queue.declare", { queue, passive: true });
    const profile = queue.endsWith("dead") ? {} : this.#profile();
    const isQuorum = "x-queue-type" in profile;
    return this.#method(place, "queue.declare", {
      queue,
      durable: this.#isDurable(isQuorum),
      exclusive: random.oneIn(10),
      autoDelete: random.oneIn(10),
      arguments: this.#localTable(profile),
    });
  }

  #profile(): Profile {
    const random = this.#random;
    if (random.oneIn(6)) return random.pick(ODD_PROFILES);
    return random.pick(random.oneIn(3) ? QUORUM_PROFILES : CLASSIC_PROFILES);
  }

  /** What is transient and shared ends the connection in 4.3, which would leave little to compare. */
  #isDurable(isQuorum: boolean): boolean {
    const random = this.#random;
    if (this.#compat === "4.3") return !random.oneIn(40);
    return isQuorum ? !random.oneIn(10) : random.oneIn(2);
  }

  #localTable(profile: Profile): Map<string, FieldValue> {
    return new Map(
      Object.entries(profile).map(([key, value]): [string, FieldValue] => {
        const text = value.type === "longstr" ? new TextDecoder().decode(value.value) : "";
        return [key, text.startsWith("@") ? longString(this.#name(text.slice(1))) : value];
      }),
    );
  }

  #declareExchange(place: Place): Operation {
    const random = this.#random;
    const name = random.pick(EXCHANGES);
    const exchange = this.#name(name);
    if (random.oneIn(6)) {
      return this.#method(place, "exchange.delete", { exchange, ifUnused: random.oneIn(2) });
    }
    if (random.oneIn(6)) {
      return this.#method(place, "exchange.declare", { exchange, passive: true });
    }
    return this.#declare(place, name);
  }

  #declare(place: Place, name: string): Operation {
    const random = this.#random;
    const exchange = this.#name(name);
    const table = new Map<string, FieldValue>();
    if (name === "alternate") table.set("alternate-exchange", longString(this.#name("fanout")));
    return this.#method(place, "exchange.declare", {
      exchange,
      type: name === "alternate" ? "direct" : random.oneIn(40) ? "odd" : name,
      durable: random.oneIn(12),
      autoDelete: random.oneIn(12),
      internal: random.oneIn(25),
      arguments: table,
    });
  }

  #bind(place: Place): Operation {
    const random = this.#random;
    const routingKey = random.pick(PATTERNS);
    const source = this.#exchange();
    const table = this.#criteria();
    const isUnbind = random.oneIn(6);
    if (random.oneIn(4)) {
      const values = { source, destination: this.#exchange(), routingKey, arguments: table };
      return this.#method(place, isUnbind ? "exchange.unbind" : "exchange.bind", values);
    }
    const values = { exchange: source, queue: this.#queue(), routingKey, arguments: table };
    return this.#method(place, isUnbind ? "queue.unbind" : "queue.bind", values);
  }

  #criteria(): Map<string, FieldValue> {
    const random = this.#random;
    const table = new Map<string, FieldValue>();
    if (random.oneIn(2)) {
      const kinds = ["all", "any", "any-with-x", "all-with-x"];
      table.set("x-match", longString(random.pick(kinds)));
    }
    if (random.oneIn(30)) table.set("x-match", longString("odd"));
    if (random.oneIn(2)) table.set("k", random.pick(HEADER_VALUES));
    if (random.oneIn(3)) {
      table.set("n", random.pick([integer(0), { type: "void", value: undefined }]));
    }
    if (random.oneIn(6)) table.set("x-k", integer(1));
    if (random.oneIn(10)) table.set("x-first-death-reason", longString("maxlen"));
    return table;
  }

  #consume(place: Place): Operation {
    const random = this.#random;
    return this.#method(place, "basic.consume", {
      queue: this.#queue(),
      consumerTag: random.pick(TAGS),
      noAck: random.oneIn(4),
      exclusive: random.oneIn(15),
      arguments: this.#localTable(random.oneIn(4) ? random.pick(CONSUMER_PROFILES) : {}),
    });
  }

  #get(place: Place): Operation {
    return this.#method(place, "basic.get", { queue: this.#queue(), noAck: this.#random.oneIn(2) });
  }

  #settle(place: Place): Operation {
    const random = this.#random;
    const unsettled = this.#state.unsettled(place);
    if (unsettled.length === 0) return this.#publish(place);
    const requeue = random.oneIn(2);
    if (random.oneIn(12)) {
      return { ...place, type: "settle-all", how: random.pick(["ack", "nack"]), requeue };
    }
    const how = random.pick(["ack", "nack", "reject"] as const);
    return { ...place, type: "settle", delivery: random.pick(unsettled), how, requeue };
  }

  #rare(place: Place): Operation {
    const random = this.#random;
    switch (random.below(10)) {
      case 0:
        return { ...place, type: "close-channel" };
      case 1:
        return random.oneIn(2) ? { ...place, type: "close-connection" } : this.#get(place);
      case 2:
        return this.#method(place, "queue.purge", { queue: this.#queue() });
      case 3:
        return this.#method(place, "queue.delete", {
          queue: this.#queue(),
          ifUnused: random.oneIn(3),
          ifEmpty: random.oneIn(3),
        });
      case 4:
      case 5:
        return this.#method(place, "basic.qos", {
          prefetchCount: random.below(4),
          global: random.oneIn(5),
        });
      case 6:
        return this.#method(place, "basic.recover", { requeue: true });
      case 7:
        return random.oneIn(5)
          ? this.#method(place, "basic.ack", { deliveryTag: 9999 })
          : this.#method(place, "confirm.select", {});
      case 8:
        return this.#method(place, random.pick(["tx.select", "tx.commit", "tx.rollback"]), {});
      default:
        return this.#method(place, "confirm.select", {});
    }
  }
}

function deadLetters(exchange: string, routingKey?: string): Profile {
  const target = { "x-dead-letter-exchange": longString(exchange) };
  return routingKey === undefined
    ? target
    : { ...target, "x-dead-letter-routing-key": longString(routingKey) };
}

function bool(value: boolean): FieldValue {
  return { type: "bool", value };
}

function integer(value: number): FieldValue {
  return { type: "signedint", value: BigInt(value) };
}
