/** What messages are said to be, for those who look at a broker by OpenTelemetry's conventions. @module */

import {
  type Attributes,
  type Context,
  type Counter,
  type Histogram,
  type Span,
  type SpanContext,
  SpanKind,
} from "../../deps/opentelemetry_api.ts";
import { DURATION_BOUNDS } from "../metrics/duration_histogram.ts";
import type { BrokerNode } from "../../options/interceptors.ts";
import { callMeter, callTracer } from "./call_metrics.ts";

/** What is done with a message. */
export type Operation = "publish" | "process" | "ack" | "nack";

/** Source: the conventions have a short list of types. */
const TYPES: Readonly<Record<Operation, string>> = {
  publish: "send",
  process: "process",
  ack: "settle",
  nack: "settle",
};

/** Where a message of a queue is taken, sent or settled. */
export function messagingAttributes(queue: string, operation: Operation): Attributes {
  return {
    "messaging.system": "rabbitmq",
    "messaging.operation.name": operation,
    "messaging.operation.type": TYPES[operation],
    "messaging.destination.name": queue,
  };
}

/** Which broker it goes to, or comes from. */
export function brokerAttributes(broker: BrokerNode | undefined): Attributes {
  return broker === undefined
    ? {}
    : { "server.address": broker.hostname, "server.port": broker.port };
}

/** What a span of a message has beside its operation. */
export interface MessageSpanOptions {
  readonly parent: Context;
  readonly broker: BrokerNode | undefined;
  readonly correlationId: string | undefined;
  /** Size of its body; absent where it is not known. */
  readonly bytes?: number;
  /** The message that is processed. */
  readonly link?: SpanContext | undefined;
}

/** Begins a span of the messages of a queue, such as `publish math`. */
export function startMessageSpan(
  queue: string,
  operation: Operation,
  { parent, broker, correlationId, bytes, link }: MessageSpanOptions,
): Span {
  const kinds = { publish: SpanKind.PRODUCER, process: SpanKind.CONSUMER };
  const kind = operation === "ack" || operation === "nack" ? SpanKind.CLIENT : kinds[operation];
  return callTracer().startSpan(`${operation} ${queue}`, {
    kind,
    attributes: {
      ...messagingAttributes(queue, operation),
      ...brokerAttributes(broker),
      "messaging.rabbitmq.destination.routing_key": queue,
      ...(correlationId !== undefined && { "messaging.message.conversation_id": correlationId }),
      ...(bytes !== undefined && { "messaging.message.body.size": bytes }),
    },
    ...(link !== undefined && { links: [{ context: link }] }),
  }, parent);
}

/** Counts and durations of messages. They have no procedure: all labels are bounded. */
export class MessagingMetrics {
  readonly #queue: string;
  readonly #counters = new Map<string, Counter>();
  readonly #durations = new Map<string, Histogram>();

  constructor(queue: string) {
    this.#queue = queue;
  }

  /** Counts a message that was sent, or that came. */
  count(kind: "sent" | "consumed", operation: Operation): void {
    const name = `messaging.client.${kind}.messages`;
    const counter = this.#counters.getOrInsertComputed(name, () => {
      return callMeter().createCounter(name, { unit: "{message}" });
    });
    counter.add(1, this.#attributes(operation));
  }

  /** Adds what took so long, in milliseconds. */
  add(operation: Operation, ms: number, error?: string): void {
    const isWork = operation === "process";
    const name = isWork ? "messaging.process.duration" : "messaging.client.operation.duration";
    const histogram = this.#durations.getOrInsertComputed(name, () => {
      const advice = { explicitBucketBoundaries: [...DURATION_BOUNDS] };
      return callMeter().createHistogram(name, { unit: "s", advice });
    });
    const attributes = this.#attributes(operation);
    histogram.record(
      ms / 1_000,
      error === undefined ? attributes : { ...attributes, "error.type": error },
    );
  }

  #attributes(operation: Operation): Attributes {
    return {
      "messaging.system": "rabbitmq",
      "messaging.operation.name": operation,
      "messaging.destination.name": this.#queue,
    };
  }
}
