/** Metrics of what clients and servers tell. @module */

import type { Attributes, Counter, Histogram } from "../../deps/opentelemetry_api.ts";
import { checkName } from "../../internal/check.ts";
import type { RpcClientEvent, RpcServerEvent } from "../../options/events.ts";
import { connectionObserver, type ObservedEvent } from "../metrics/connection_observer.ts";
import { DURATION_BOUNDS } from "../metrics/duration_histogram.ts";
import { ProcedureLabels } from "../metrics/procedure_labels.ts";
import { callMeter } from "./call_metrics.ts";

/**
 * Makes an observer for `onEvent` of a client or a server: how often its connections were replaced
 * (`warren.connection.reconnects`), how long the broker took no messages
 * (`warren.connection.blocked.duration`), and, of a client, how long requests waited in their queue
 * (`warren.client.queue.duration`). Whoever has another observer, too, calls both.
 *
 * @param queue The queue of the client or the server.
 * @returns The observer, of one client or one server.
 * @throws {TypeError} If the queue is no name of a queue.
 */
export function instrumentEvents(queue: string): (event: RpcClientEvent | RpcServerEvent) => void {
  checkName("instrument events", { queue });
  const connections = {
    client: connectionMetrics({ queue, role: "client" }),
    consumer: connectionMetrics({ queue, role: "consumer" }),
    publisher: connectionMetrics({ queue, role: "publisher" }),
  };
  const names = new ProcedureLabels();
  let durations: Histogram | undefined;
  return (event) => {
    if (event.type !== "call-settled") {
      return connections["connection" in event ? event.connection : "client"](event);
    }
    const { procedure, error, timing: { queuedMs, runMs } } = event;
    // Of what no server has told about, nothing is known.
    if (error !== undefined || runMs === 0) return;
    durations ??= durationHistogram("warren.client.queue.duration");
    const method = `${queue}/${names.labelOf(procedure, true)}`;
    durations.record(queuedMs / 1_000, { "rpc.system.name": "warren", "rpc.method": method });
  };
}

function connectionMetrics(attributes: Attributes): (event: ObservedEvent) => void {
  let reconnects: Counter | undefined;
  let blocked: Histogram | undefined;
  return connectionObserver({
    onReconnected() {
      reconnects ??= callMeter().createCounter("warren.connection.reconnects", {
        unit: "{connection}",
      });
      reconnects.add(1, attributes);
    },
    onUnblocked(ms) {
      blocked ??= durationHistogram("warren.connection.blocked.duration");
      blocked.record(ms / 1_000, attributes);
    },
  });
}

function durationHistogram(name: string): Histogram {
  const advice = { explicitBucketBoundaries: [...DURATION_BOUNDS] };
  return callMeter().createHistogram(name, { unit: "s", advice });
}
