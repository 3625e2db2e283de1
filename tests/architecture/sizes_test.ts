import { assert, assertEquals } from "../../deps/std_assert.ts";
import { productPaths, sourcePaths, textOf } from "../helpers/source_files.ts";
import { findings, type FunctionNode, functionVisitor, linesOf } from "../helpers/source_rules.ts";

/**
 * 118, one for readers that can leave while they wait (internal/streaming/item_reader.ts),
 * one for the numbers that JSON.parse does not read exactly (internal/json_text.ts), one for the limits
 * of bodies that a connection learns (internal/broker/body_limits.ts), two for streams that make way for
 * others (stream_credits.ts, internal/serving/paused_streams.ts), one for what a broker's release can do
 * (internal/broker/broker_features.ts), one for reply queues that vanish (internal/calling/reply_watch.ts),
 * one that looks after the shared exchanges (internal/protocol/shared_exchanges.ts), three for the
 * exchange of each request queue and what comes back through it (internal/protocol/client_exchanges.ts,
 * internal/protocol/server_exchanges.ts, internal/protocol/dead_letter.ts), one for servers in which
 * nothing moves (internal/serving/stall_watch.ts),
 * one for frames smaller than amqplib knows of (internal/broker/frames/header_frame.ts),
 * three for one connection of many clients and servers (connection.ts, internal/broker/amqp_source.ts and
 * amqp_share.ts), one for calls that are for now or never (internal/calling/immediate_call.ts),
 * one for how errors travel (internal/error_description.ts), one for whose stack they show
 * (internal/caller_stack.ts), one for procedures in objects and classes (internal/running/members.ts),
 * two for frames that are written without amqplib (internal/broker/frames/frame_writer.ts and amqp_publish.ts),
 * three for headers and what a handler's own calls know of it (internal/message_headers.ts, call_scope.ts,
 * current_call.ts), one for bodies of AMQP 1.0 (internal/protocol/amqp_value.ts),
 * three for interceptors (options/interceptors.ts, internal/calling/call_interception.ts,
 * internal/serving/request_interception.ts),
 * four for what clients and servers are at (internal/state_watch.ts), who is told
 * (internal/operator_log.ts), what ends a server (internal/server_life.ts) and why the
 * broker refuses (internal/broker/handshake_watch.ts), five for probes (extras/health/).
 * One is for procedures as members (internal/callers/client_api.ts), and
 * ten for operators who ask servers and command them (internal/control, extras/control,
 * internal/protocol/control_question.ts, internal/procedure_notes.ts) and for the histogram that they share with
 * pools (internal/histogram.ts). Six are for keys of work
 * (internal/serving/keys, options/idempotency_options.ts, extras/idempotency), one for credentials that change
 * (internal/broker/login/credentials.ts).
 * Eleven are for the command line (cli/),
 * three for where the time goes (internal/run_timing.ts, internal/protocol/timing_header.ts,
 * internal/calling/call_timing.ts).
 * Four are for calls that share messages (internal/protocol/message_batch.ts, message_batcher.ts and
 * request_batches.ts, internal/calling/call_batches.ts), one was taken out of a file that was full
 * (internal/calling/unclaimed_replies.ts).
 * One is for events as lines (extras/log_events.ts).
 * Three write a new service (create/), one is for what the protocol may add (internal/protocol/later_kind.ts).
 * One says why calls time out (internal/calling/timeouts/timeout_reasons.ts).
 * Four more are for warren doctor (cli/operating/doctor.ts, findings.ts, broker_findings.ts and
 * fix_script.ts).
 * Seven are for the whole screen of warren top (cli/operating/top/, cli/screen.ts and text_width.ts).
 * Eight are for contracts of running servers (cli/contracts/), definitions and completions (cli/).
 * Five are for what warren serves and watches (cli/serving/, cli/operating/events.ts and event_watch.ts).
 * One is for the embedded broker as a command (cli/serving/broker.ts).
 * Three are for brokers by name, passwords that are typed and outputs as they are printed (cli/).
 * Six are for loads (cli/calling/bench/), inputs of calls and requests that are run again by hand.
 * Four are for the page of what has happened lately (extras/health/call_history.ts, recorder.ts, charts.ts
 * and page_style.ts).
 * Eight are for metrics (extras/metrics/), ten for OpenTelemetry (extras/otel/).
 * Six are for what calls, whatever is behind it (caller.ts, internal/callers/call_options.ts, caller_with.ts
 * and derived_caller.ts, internal/running/local_caller.ts and local_context.ts).
 * Three are for what servers know of their callers (internal/serving/callers/node_lag.ts, node_start.ts and
 * reply_patience.ts).
 * Four are for calls that are lines of a message (internal/protocol/batches, internal/serving/batches,
 * internal/calling/plain_calls.ts and plain_batch.ts), three were taken out of files that were full
 * (internal/serving/keys/run.ts, outcome_counts.ts and callers/drop_reason.ts).
 * One describes procedures (extras/describe.ts).
 * Three are for servers with several queues (internal/queues/) and clients that choose a shard
 * (shard_of.ts).
 * One is what runs, as requests know it (internal/serving/running_work.ts), taken out of a file that was full.
 * One reads frames without amqplib (internal/broker/frames/frame_reader.ts).
 * One looks at what servers answer (internal/protocol/control/control_answer.ts).
 */
const MAX_PRODUCT_FILES = 278;
const MAX_FOLDER_FILES = 18;
const MAX_CODE_LINES = 300;
const MAX_FUNCTION_LINES = 50;
const MAX_PARAMETERS = 3;

Deno.test(`The product has at most ${MAX_PRODUCT_FILES} files`, () => {
  const count = productPaths.length;
  assert(count > 0 && count <= MAX_PRODUCT_FILES, `There are ${count}`);
});

Deno.test("A folder of the product has at most 18 files", () => {
  const folders = Map.groupBy(
    productPaths,
    (path) => path.slice(0, Math.max(0, path.lastIndexOf("/"))),
  );
  assert(folders.has("internal/broker"));
  const full = [...folders].filter(([, paths]) => paths.length > MAX_FOLDER_FILES);
  assertEquals(full, []);
});

Deno.test("Files have at most 300 lines of code", () => {
  const tooLong = sourcePaths.flatMap((path) => {
    const code = textOf(path).replace(/\/\*[^]*?\*\/|^\s*\/\/.*$/gm, "").split("\n");
    const lines = code.filter((line) => line.trim() !== "").length;
    return lines > MAX_CODE_LINES ? [{ path, message: `${lines} lines of code` }] : [];
  });
  assertEquals(tooLong, []);
});

Deno.test("Functions have at most 50 lines, comments included", () => {
  const found = findings(sourcePaths, (text, report) =>
    functionVisitor((node) => {
      const lines = linesOf(text, node.range);
      if (lines > MAX_FUNCTION_LINES) report(`${lines} lines: ${startOf(text, node)}`);
    }));
  assertEquals(found, []);
});

Deno.test("Functions have at most three parameters", () => {
  const found = findings(productPaths, (_text, report) =>
    functionVisitor((node, name) => {
      if (node.params.length > MAX_PARAMETERS) report(`${name} has ${node.params.length}`);
    }));
  assertEquals(found, []);
});

function startOf(text: string, { range }: FunctionNode): string {
  return text.slice(range[0], range[0] + 60);
}
