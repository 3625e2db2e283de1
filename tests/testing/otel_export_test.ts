import { assertEquals, assertMatch } from "../../deps/std_assert.ts";
import { runChild } from "../helpers/child.ts";

const PROGRAM = new URL("../fixtures/traced_call.ts", import.meta.url);

/** A span as Deno's console exporter prints it. */
interface PrintedSpan {
  readonly name: string;
  readonly kind: string;
  readonly trace: string;
  readonly id: string;
  readonly parent: string | undefined;
}

function spansIn(output: string): PrintedSpan[] {
  const pattern =
    /^SPAN (.+) \[(\w{32})\/(\w{16})\] (\w+) .*\n((?: {2}status.*\n)?) {2}(?:parent: (\w{16}))?/gm;
  return [...output.matchAll(pattern)].map(
    ([, name = "", trace = "", id = "", kind = "", , parent]) => {
      return { name, kind, trace, id, parent };
    },
  );
}

Deno.test("OTEL_DENO=true shows a call into a worker, and what it fetches, as one tree", async () => {
  const { code, stderr } = await runChild(PROGRAM, {
    limitMs: 60_000,
    env: { OTEL_DENO: "true", OTEL_EXPORTER_OTLP_PROTOCOL: "console", NO_COLOR: "1" },
  });
  assertEquals(code, 0, stderr);
  const spans = spansIn(stderr);
  const root = spans.find(({ name, kind }) => name === "math/ask" && kind === "Client");
  const branch: string[] = [];
  for (let span = root; span !== undefined;) {
    branch.push(`${span.kind} ${span.name}`);
    const { id, trace } = span;
    span = spans.find((other) => other.parent === id && other.trace === trace);
  }
  assertEquals(branch, [
    "Client math/ask",
    "Server math/ask",
    "Internal run ask",
    "Client GET",
    "Server GET",
  ]);
  assertEquals(root?.parent, undefined);
  for (const side of ["client", "server"]) {
    assertMatch(stderr, new RegExp(`^METRIC rpc\\.${side}\\.call\\.duration .*unit=s`, "m"));
  }
  assertMatch(stderr, /bounds: +\[0\.0005, 0\.001, 0\.0025, 0\.005, 0\.01, .*, 7\.5, 10\.0\]/);
});
