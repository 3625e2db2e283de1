/** Time series of what clients and servers tell. @module */

import { checkName } from "../../internal/check.ts";
import type { RpcClientEvent, RpcServerEvent } from "../../options/events.ts";
import { DurationHistogram } from "./duration_histogram.ts";
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
    const onConnected = this.#connections({ queue, role: "client" });
    return (event) => {
      if (event.type === "connected") return onConnected();
      if (event.type !== "call-settled") return;
      const procedure = names.labelOf(event.procedure, true);
      const labels = callLabels(queue, procedure, callerLabel(event.error));
      this.#client.add(labels, event.timing.totalMs);
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
    const onConnected = {
      consumer: this.#connections({ queue, role: "consumer" }),
      publisher: this.#connections({ queue, role: "publisher" }),
    };
    return (event) => {
      if (event.type === "connected") return onConnected[event.connection]();
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
      [SERVER_DURATION, this.#server.samples()],
      [RECONNECTS, reconnects.map(({ labels, count }) => ({ labels, value: count }))],
    ]);
  }

  /** Counts each connection after the first of one client or server. */
  #connections(labels: { readonly queue: string; readonly role: string }): () => void {
    const key = JSON.stringify(labels);
    const series = this.#reconnects.get(key) ?? { labels, count: 0 };
    this.#reconnects.set(key, series);
    let isFirst = true;
    return () => {
      if (!isFirst) series.count++;
      isFirst = false;
    };
  }
}

/** Source: OpenTelemetry's semantic conventions, with `_` for each dot as Prometheus has it. */
function callLabels(queue: string, procedure: string, status: string): Labels {
  return {
    "rpc_system_name": "warren",
    "rpc_method": `${queue}/${procedure}`,
    "rpc_status_code": status,
    ...(status !== OK && { "error_type": status }),
  };
}
