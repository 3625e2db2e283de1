/** Exchanges: their bindings and which of them a message matches. @module */

import { AmqpError } from "../wire/amqp_error.ts";
import { encodeTable } from "../wire/field_table.ts";
import { type FieldTable, textOf } from "../wire/field_value.ts";
import { routingHeaders } from "./annotations.ts";
import { matchesHeaders } from "./headers_match.ts";
import type { Message } from "./message.ts";
import { compileTopicPattern, type TopicPattern } from "./topic_pattern.ts";

/** The exchange types of the broker. */
export type ExchangeType = "direct" | "fanout" | "topic" | "headers" | "x-local-random";

/** What a binding leads to. */
export interface Destination {
  /** A queue or another exchange. */
  readonly kind: "queue" | "exchange";
  /** Its name. */
  readonly name: string;
}

/** What decides whether a binding matches. */
export interface BindingKey {
  /** The routing key or pattern. */
  readonly routingKey: string;
  /** The arguments; they matter to headers exchanges. */
  readonly arguments: FieldTable;
}

/** What identifies an exchange and does not change. */
export interface ExchangeDeclaration {
  /** The name, unique in its virtual host. */
  readonly name: string;
  /** The type. */
  readonly type: ExchangeType;
  /** Whether it survives a restart of the broker. */
  readonly durable: boolean;
  /** Whether it is deleted with its last binding. */
  readonly autoDelete: boolean;
  /** Whether only other exchanges may publish to it. */
  readonly internal: boolean;
  /** The arguments as declared. */
  readonly arguments: FieldTable;
}

interface Binding extends BindingKey {
  readonly destination: Destination;
  readonly pattern: TopicPattern | undefined;
}

/** An exchange of a virtual host. */
export class Exchange {
  /** What was declared. */
  readonly declaration: ExchangeDeclaration;
  /** The exchange that takes what matches no binding, or `undefined`. */
  readonly alternate: string | undefined;
  readonly #bindings = new Map<string, Binding>();
  readonly #byRoutingKey = new Map<string, Set<Binding>>();

  /** Creates an exchange without bindings. */
  constructor(declaration: ExchangeDeclaration) {
    this.declaration = declaration;
    this.alternate = textOf(declaration.arguments.get("alternate-exchange"));
  }

  /** The name. */
  get name(): string {
    return this.declaration.name;
  }

  /** The number of bindings. */
  get bindingCount(): number {
    return this.#bindings.size;
  }

  /** Every destination that is bound. */
  get destinations(): Destination[] {
    return [...this.#bindings.values()].map(({ destination }) => destination);
  }

  /**
   * Binds a destination; a second binding of the same key changes nothing.
   *
   * @throws {AmqpError} If the arguments are not acceptable.
   */
  bind(destination: Destination, key: BindingKey): void {
    const { type } = this.declaration;
    if (type === "headers") assertMatchKind(key.arguments);
    const id = bindingId(destination, key);
    if (this.#bindings.has(id)) return;
    const pattern = type === "topic" ? compileTopicPattern(key.routingKey) : undefined;
    const binding: Binding = { ...key, destination, pattern };
    this.#bindings.set(id, binding);
    const sameKey = this.#byRoutingKey.get(key.routingKey);
    if (sameKey === undefined) this.#byRoutingKey.set(key.routingKey, new Set([binding]));
    else sameKey.add(binding);
  }

  /** Tells whether a destination is bound in this way. */
  isBound(destination: Destination, key: BindingKey): boolean {
    return this.#bindings.has(bindingId(destination, key));
  }

  /** Removes a binding; tells whether it was there. */
  unbind(destination: Destination, key: BindingKey): boolean {
    return this.#remove(bindingId(destination, key));
  }

  /** Removes every binding to a destination that is gone; tells whether there was one. */
  unbindAll(destination: Destination): boolean {
    let found = false;
    for (const [id, binding] of this.#bindings) {
      if (!isSame(binding.destination, destination)) continue;
      this.#remove(id);
      found = true;
    }
    return found;
  }

  /** Returns the destinations whose bindings a message matches; one may come more than once. */
  route(message: Message): Destination[] {
    switch (this.declaration.type) {
      case "direct":
        return message.routingKeys.flatMap((key) =>
          [...this.#byRoutingKey.get(key) ?? []].map(({ destination }) => destination)
        );
      case "fanout":
        return this.destinations;
      case "topic":
        return this.#matching(({ pattern }) =>
          message.routingKeys.some((key) => pattern?.matches(key) ?? false)
        );
      case "headers":
        return this.#routeByHeaders(message);
      case "x-local-random": {
        const chosen = this.destinations[Math.floor(Math.random() * this.bindingCount)];
        return chosen === undefined ? [] : [chosen];
      }
    }
  }

  #routeByHeaders({ annotations, properties }: Message): Destination[] {
    // Version 4 keeps annotations, and compares values more strictly.
    const isStrict = annotations !== undefined;
    const headers = isStrict ? routingHeaders(annotations) : properties.headers;
    return this.#matching((binding) => matchesHeaders(binding.arguments, headers, { isStrict }));
  }

  #matching(matches: (binding: Binding) => boolean): Destination[] {
    const destinations: Destination[] = [];
    for (const binding of this.#bindings.values()) {
      if (matches(binding)) destinations.push(binding.destination);
    }
    return destinations;
  }

  #remove(id: string): boolean {
    const binding = this.#bindings.get(id);
    if (binding === undefined) return false;
    this.#bindings.delete(id);
    const sameKey = this.#byRoutingKey.get(binding.routingKey);
    sameKey?.delete(binding);
    if (sameKey?.size === 0) this.#byRoutingKey.delete(binding.routingKey);
    return true;
  }
}

function bindingId(destination: Destination, key: BindingKey): string {
  const sorted = new Map([...key.arguments].sort(([one], [other]) => (one < other ? -1 : 1)));
  return JSON.stringify([
    destination.kind,
    destination.name,
    key.routingKey,
    encodeTable(sorted).join(),
  ]);
}

function isSame(one: Destination, other: Destination): boolean {
  return one.kind === other.kind && one.name === other.name;
}

function assertMatchKind(table: FieldTable): void {
  const value = table.get("x-match");
  if (value === undefined) return;
  const text = textOf(value);
  if (text === undefined) {
    throw new AmqpError(
      "precondition-failed",
      `Invalid x-match field type ${value.type} (value ${String(value.value)}); expected longstr`,
    );
  }
  if (!["all", "any", "all-with-x", "any-with-x"].includes(text)) {
    throw new AmqpError(
      "precondition-failed",
      `Invalid x-match field value <<"${text}">>; expected all, any, all-with-x, or any-with-x`,
    );
  }
}
