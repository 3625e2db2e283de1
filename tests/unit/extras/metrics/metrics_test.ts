import { assertEquals, assertThrows } from "../../../../deps/std_assert.ts";
import { metricsText, RpcMetrics } from "../../../../extras/metrics/mod.ts";
import type { RpcClientEvent, RpcServerEvent } from "../../../../mod.ts";
import { RpcError, RpcRemoteError } from "../../../../mod.ts";
import { testUnless } from "../../../helpers/features.ts";
import { type ParsedSample, parseMetrics } from "../../../helpers/metrics_parser.ts";
import { promtool, promtoolMissing } from "../../../helpers/promtool.ts";
import { ROOT } from "../../../helpers/source_files.ts";

const SERVER_STATS = {
  active: 2,
  succeeded: 7,
  failed: 3,
  orphaned: 0,
  expired: 1,
  cancelled: 0,
  crashed: 0,
  unpublished: 0,
  replyToRefused: 0,
  parked: 4,
  reused: 5,
};
const CLIENT_STATS = {
  pending: 1,
  waiting: 2,
  lateReplies: 3,
  duplicateReplies: 4,
  unknownReplies: 5,
};
const DURATIONS = { count: 4, mean: 250, p50: 200, p99: 400, max: 400 };
const POOL_STATS = {
  idle: 1,
  busy: 2,
  starting: 0,
  crashed: 0,
  zombies: 1,
  backlog: 9,
  done: 8,
  failed: 1,
  cancelled: 0,
  crashes: 2,
  waitMs: DURATIONS,
  runMs: DURATIONS,
};
const PARTS = {
  math: { stats: () => SERVER_STATS },
  'a "caller"\\\n': { stats: () => CLIENT_STATS },
  pool: { stats: () => POOL_STATS },
  late: undefined,
};

const NO = { name: "Error", code: "of-its-own", message: "No" };
const TIMING = { backlogMs: 1, queuedMs: 1, encodeMs: 0, transitMs: 1, unknownMs: 0 };

function settled(procedure: string, totalMs: number, error?: unknown): RpcClientEvent {
  return {
    type: "call-settled",
    kind: "call",
    procedure,
    correlationId: "1",
    attempts: 1,
    timing: { ...TIMING, runMs: 1, totalMs },
    ...(error !== undefined && { error }),
  };
}

type Outcome = Extract<RpcServerEvent, { type: "served" }>["outcome"];

function served(
  procedure: string | undefined,
  outcome: Outcome = "output",
  error?: unknown,
): RpcServerEvent {
  const runMs = error instanceof RpcError && error.code === "unknown-procedure" ? 0 : 1;
  const timing = { backlogMs: 1, runMs, encodeMs: 0, confirmMs: 1, totalMs: 3 };
  return { type: "served", procedure, correlationId: "1", outcome, error, timing };
}

function samplesOf(text: string, name: string): ParsedSample[] {
  return parseMetrics(text).flatMap(({ samples }) => samples.filter((each) => each.name === name));
}

/** Values of one name by the one label that they differ in. */
function valuesOf(text: string, name: string, label: string): Record<string, number> {
  return Object.fromEntries(
    samplesOf(text, name).map(({ labels, value }) => [labels[label] ?? "", value]),
  );
}

function filled(): RpcMetrics {
  const metrics = new RpcMetrics();
  const onClient = metrics.clientObserver("math");
  const onServer = metrics.serverObserver("math");
  onClient(settled("add", 0.5));
  onClient(settled("add", 700));
  onClient(settled("add", 20_000, new RpcError("timeout", "Too late")));
  onClient(settled("add", 1, new DOMException("Enough", "AbortError")));
  onClient({ type: "blocked", reason: "memory" });
  onClient({ type: "unblocked" });
  onServer(served("add"));
  onServer(served("add", "error", new RpcRemoteError("add", NO)));
  onServer(served("add", "crashed"));
  onServer(served("add", "reply-to-refused"));
  return metrics;
}

Deno.test("metricsText() writes the counts of servers, clients and pools", () => {
  const text = metricsText(PARTS);
  assertEquals(valuesOf(text, "warren_server_active_requests", "part"), { math: 2 });
  const outcomes = valuesOf(text, "warren_server_requests_total", "outcome");
  assertEquals([outcomes.output, outcomes.error, outcomes.expired], [7, 3, 1]);
  assertEquals(valuesOf(text, "warren_server_parked_requests_total", "part"), { math: 4 });
  assertEquals(valuesOf(text, "warren_server_reused_outputs_total", "part"), { math: 5 });
  assertEquals(valuesOf(text, "warren_client_pending_calls", "part"), { 'a "caller"\\\n': 1 });
  const dropped = valuesOf(text, "warren_client_dropped_replies_total", "reason");
  assertEquals(dropped, { late: 3, duplicate: 4, unknown: 5 });
  const workers = valuesOf(text, "warren_pool_workers", "state");
  assertEquals(workers, { idle: 1, busy: 2, starting: 0, crashed: 0, zombie: 1 });
  assertEquals(valuesOf(text, "warren_pool_backlog", "part"), { pool: 9 });
  assertEquals(valuesOf(text, "warren_pool_crashes_total", "part"), { pool: 2 });
  const name = "warren_pool_task_run_duration_seconds";
  assertEquals(valuesOf(text, name, "quantile"), { "0.5": 0.2, "0.99": 0.4 });
  assertEquals(valuesOf(text, `${name}_sum`, "part"), { pool: 1 });
  assertEquals(valuesOf(text, `${name}_count`, "part"), { pool: 4 });
});

Deno.test("metricsText() writes nothing of nothing", () => {
  assertEquals(metricsText({}), "");
  assertEquals(metricsText({ math: undefined }, new RpcMetrics()), "");
});

Deno.test("RpcMetrics puts durations into buckets, by procedure and status", () => {
  const text = metricsText({}, filled());
  const name = "rpc_client_call_duration_seconds";
  const counts = valuesOf(text, `${name}_count`, "rpc_status_code");
  assertEquals(counts, { OK: 2, timeout: 1, cancelled: 1 });
  const good = samplesOf(text, `${name}_bucket`).filter(({ labels }) => {
    return labels.rpc_status_code === "OK";
  });
  const bounds = good.map(({ labels }) => labels.le);
  assertEquals(
    bounds.join(" "),
    "0.0005 0.001 0.0025 0.005 0.01 0.025 0.05 0.075 0.1 0.25 0.5 0.75 1 2.5 5 7.5 10 +Inf",
  );
  const at = (bound: string) => good[bounds.indexOf(bound)]?.value;
  assertEquals([at("0.0005"), at("0.5"), at("0.75"), at("+Inf")], [1, 1, 2, 2]);
  const [first] = good;
  const { le: _, ...labels } = first?.labels ?? {};
  assertEquals(labels, {
    "rpc_system_name": "warren",
    "rpc_method": "math/add",
    "rpc_status_code": "OK",
  });
  const errors = samplesOf(text, `${name}_sum`).map(({ labels }) => labels.error_type);
  assertEquals(errors, [undefined, "timeout", "cancelled"]);
});

Deno.test("RpcMetrics counts outcomes of requests under codes of this library only", () => {
  const name = "rpc_server_call_duration_seconds_count";
  assertEquals(valuesOf(filled().text(), name, "rpc_status_code"), {
    OK: 1,
    "handler-error": 1,
    "worker-crashed": 1,
    "reply-to-refused": 1,
  });
});

Deno.test("RpcMetrics makes one series of 10,000 procedures that nobody serves", () => {
  const metrics = filled();
  const onServer = metrics.serverObserver("math");
  const series = () => parseMetrics(metrics.text()).flatMap(({ samples }) => samples).length;
  const unknown = new RpcError("unknown-procedure", "No such");
  onServer(served("__proto__", "error", unknown));
  const before = series();
  for (let count = 0; count < 10_000; count++) onServer(served(`x${count}`, "error", unknown));
  onServer(served(undefined, "error", unknown));
  assertEquals(series(), before);
  const name = "rpc_server_call_duration_seconds_count";
  const other = samplesOf(metrics.text(), name).filter(({ labels }) => {
    return labels.rpc_method === "math/_OTHER";
  });
  assertEquals(other.map(({ value }) => value), [10_002]);
});

Deno.test("RpcMetrics has at most 200 procedures of a queue, whoever names them", () => {
  const metrics = new RpcMetrics();
  const onClient = metrics.clientObserver("math");
  const onServer = metrics.serverObserver("math");
  for (let count = 0; count < 300; count++) {
    onClient(settled(`x${count}`, 1));
    onServer(served(`x${count}`));
  }
  for (const side of ["client", "server"]) {
    const counts = valuesOf(
      metrics.text(),
      `rpc_${side}_call_duration_seconds_count`,
      "rpc_method",
    );
    assertEquals(Object.keys(counts).length, 201);
    assertEquals(counts["math/_OTHER"], 100);
  }
});

Deno.test("RpcMetrics counts connections that replace others", () => {
  const metrics = new RpcMetrics();
  const onServer = metrics.serverObserver("math");
  for (let count = 0; count < 3; count++) onServer({ type: "connected", connection: "consumer" });
  onServer({ type: "connected", connection: "publisher" });
  const name = "warren_connection_reconnects_total";
  assertEquals(valuesOf(metrics.text(), name, "role"), { consumer: 2, publisher: 0 });
});

Deno.test("RpcMetrics wants the name of a queue", () => {
  assertThrows(() => new RpcMetrics().serverObserver(""), TypeError, "queue");
  assertThrows(() => new RpcMetrics().clientObserver(""), TypeError, "queue");
});

Deno.test("docs/observe.md has a row for each metric, and no other", async () => {
  const doc = await Deno.readTextFile(new URL("docs/observe.md", ROOT));
  const rows = [...doc.matchAll(/^\| `(\w+)`/gm)].map(([, name = ""]) => name);
  const written = parseMetrics(metricsText(PARTS, filled())).map(({ name }) => name);
  assertEquals(rows.toSorted(), written.toSorted());
});

Deno.test("A strict reader finds what is wrong in a text", () => {
  const head = "# HELP a A.\n# TYPE a gauge\n";
  assertEquals(parseMetrics(`${head}a{b="\\n"} 1\n`)[0]?.samples[0]?.labels, { b: "\n" });
  for (const wrong of ["", "a 1", 'a{b="\n"} 1\n', "b 1\n", 'a{b="1",b="2"} 1\n', "a 1\na 1\n"]) {
    assertThrows(() => parseMetrics(head + wrong), Error, undefined, wrong);
  }
  assertThrows(() => parseMetrics(`${head}a 1\n${head}a{b="1"} 1\n`));
});

Deno.test(testUnless(
  await promtoolMissing(),
  "promtool takes the text of metricsText()",
  () => promtool(["check", "metrics"], metricsText(PARTS, filled())),
));
