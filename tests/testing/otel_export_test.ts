import { assertEquals, assertMatch } from "../../deps/std_assert.ts";
import { runChild } from "../helpers/child.ts";
import { SpanReceiver, spansIn, treeOf } from "../helpers/exported_spans.ts";

const PROGRAM = new URL("../fixtures/traced_call.ts", import.meta.url);
const LIMIT_MS = 60_000;

/** The call, its request, its run in a worker, what that fetches, and who answers it. */
const TREE = [
  "CLIENT math/ask OK",
  "  SERVER math/ask #1 OK",
  "    INTERNAL run ask",
  "      CLIENT GET",
  "        SERVER GET",
];

Deno.test("OTEL_DENO=true shows a call into a thread, and what it fetches, as one tree", async () => {
  const { code, stderr } = await runChild(PROGRAM, {
    limitMs: LIMIT_MS,
    env: { OTEL_DENO: "true", OTEL_EXPORTER_OTLP_PROTOCOL: "console", NO_COLOR: "1" },
  });
  assertEquals(code, 0, stderr);
  assertEquals(treeOf(spansIn(stderr), "math/ask"), TREE, stderr);
  for (const side of ["client", "server"]) {
    assertMatch(stderr, new RegExp(`^METRIC rpc\\.${side}\\.call\\.duration .*unit=s`, "m"));
  }
  assertMatch(stderr, /bounds: +\[0\.0005, 0\.001, 0\.0025, 0\.005, 0\.01, .*, 7\.5, 10\.0\]/);
});

Deno.test("A receiver of OTLP has a call into a process, and what it fetches, as one tree", async () => {
  await using receiver = new SpanReceiver("run ask");
  const { code, stderr } = await runChild(PROGRAM, {
    args: ["process", `${receiver.url}/awaited`],
    limitMs: LIMIT_MS,
    env: {
      OTEL_DENO: "true",
      OTEL_EXPORTER_OTLP_PROTOCOL: "http/json",
      OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url,
      OTEL_BSP_SCHEDULE_DELAY: "50",
    },
  });
  assertEquals(code, 0, stderr);
  assertEquals(treeOf(receiver.spans, "math/ask"), TREE);
});
