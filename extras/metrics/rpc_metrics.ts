/** Time series of what clients and servers tell. @module */

import { checkName } from "../../internal/check.ts";
import type { RpcClientEvent, RpcServerEvent } from "../../options/events.ts";
import { DurationHistogram } from "./duration_histogram.ts";
import { connectionObserver, type ObservedEvent } from "./connection_observer.ts";
import {
  callerLabel,
  labelsIn,
  OK,
  type ProcedureLabels,
  servedLabel,
} from "./procedure_labels.ts";
import { type Family, type Labels, textFormat } from "./text_format.ts";

const CLIENT_DURATION: Family = {
  name: "rpc_client_call_duration_seconds",
  type: "histogram",
  help: "How long calls took, from call() to their outcome.",
};

const SERVER_DURATION: Family = {
  name: "rpc_server_call_duration_seconds",
  type: "histogram",
  help: "How long requests took, from their delivery until they were settled.",
};

const QUEUED: Family = {
  name: "warren_client_queue_duration_seconds",
  type: "histogram",
  help: "How long requests waited in their queue, as their clients reckon it.",
};

const BLOCKED: Family = {
  name: "warren_connection_blocked_duration_seconds",
  type: "histogram",
  help: "How long the broker took no messages.",
};

const RECONNECTS: Family = {
  name: "warren_connection_reconnects_total",
  type: "counter",
  help: "How often a lost connection was replaced.",
};

/**
 * Makes time series of the events of clients and servers: how long calls and requests took, by
 * procedure and outcome, and how often connections were replaced. Their number is bounded: procedures
 * that no handler has run for are `_OTHER` together, and so are those from the 201st of a queue on.
 */
export class RpcMetrics {
  readonly #client = new DurationHistogram();
  readonly #server = new DurationHistogram();
  readonly #queued = new DurationHistogram();
  readonly #blocked = new DurationHistogram();
  readonly #reconnects = new Map<string, { readonly labels: Labels; count: number }>();
  readonly #clientNames = new Map<string, ProcedureLabels>();
  readonly #serverNames = new Map<string, ProcedureLabels>();

  /**
   * Makes an observer for `onEvent` of a client.
   *
   * @param queue The client's queue, which is part of the names of its procedures.
   * @throws {TypeError} If the queue is no name of a queue.
   */
  clientObserver(queue: string): (event: RpcClientEvent) => void {
    checkName("observe a client", { queue });
    const names = labelsIn(this.#clientNames, queue);
    const observeConnection = this.#connections({ queue, role: "client" });
    return (event) => {
      if (event.type !== "call-settled") return observeConnection(event);
      const { timing, error } = event;
      const procedure = names.labelOf(event.procedure, true);
      this.#client.add(callLabels(queue, procedure, callerLabel(error)), timing.totalMs);
      // Of what no server has told about, nothing is known.
      if (error !== undefined || timing.runMs === 0) return;
      this.#queued.add(methodLabels(queue, procedure), timing.queuedMs);
    };
  }

  /**
   * Makes an observer for `onEvent` of a server.
   *
   * @param queue The server's queue, which is part of the names of its procedures.
   * @throws {TypeError} If the queue is no name of a queue.
   */
  serverObserver(queue: string): (event: RpcServerEvent) => void {
    checkName("observe a server", { queue });
    const names = labelsIn(this.#serverNames, queue);
    const observeConnection = {
      consumer: this.#connections({ queue, role: "consumer" }),
      publisher: this.#connections({ queue, role: "publisher" }),
    };
    return (event) => {
      if ("connection" in event) return observeConnection[event.connection](event);
      if (event.type !== "served" || event.timing === undefined) return;
      // Only a procedure that there is has a handler that can run.
      const isServed = event.timing.runMs > 0 || event.outcome === "crashed";
      const procedure = names.labelOf(event.procedure, isServed);
      this.#server.add(callLabels(queue, procedure, servedLabel(event)), event.timing.totalMs);
    };
  }

  /** Writes them in Prometheus' text format; `metricsText()` does so, too. */
  text(): string {
    const reconnects = [...this.#reconnects.values()];
    return textFormat([
      [CLIENT_DURATION, this.#client.samples()],
      [QUEUED, this.#queued.samples()],
      [SERVER_DURATION, this.#server.samples()],
      [BLOCKED, this.#blocked.samples()],
      [RECONNECTS, reconnects.map(({ labels, count }) => ({ labels, value: count }))],
    ]);
  }

  /** Counts each connection after the first of one client or server, and how long it was blocked. */
  #connections(
    labels: { readonly queue: string; readonly role: string },
  ): (event: ObservedEvent) => void {
    const key = JSON.stringify(labels);
    const series = this.#reconnects.get(key) ?? { labels, count: 0 };
    this.#reconnects.set(key, series);
    return connectionObserver({
      onReconnected: () => void series.count++,
      onUnblocked: (ms) => this.#blocked.add(labels, ms),
    });
  }
}

/** Source: OpenTelemetry's semantic conventions, with `_` for each dot as Prometheus has it. */
function callLabels(queue: string, procedure: string, status: string): Labels {
  return {
    ...methodLabels(queue, procedure),
    "rpc_status_code": status,
    ...(status !== OK && { "error_type": status }),
  };
}

function methodLabels(queue: string, procedure: string): Labels {
  return { "rpc_system_name": "warren", "rpc_method": `${queue}/${procedure}` };
}
