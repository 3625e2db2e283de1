import { assertEquals, assertMatch } from "../../deps/std_assert.ts";
import { runChild } from "../helpers/child.ts";

const PROGRAM = new URL("../fixtures/traced_call.ts", import.meta.url);
const LIMIT_MS = 60_000;

/** What is known of a span that was exported. */
interface ExportedSpan {
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  /** Absent, or empty, if it is the first. */
  readonly parentSpanId?: string | undefined;
}

/** What takes spans over HTTP, as OTLP has them, and waits for one of them. */
class Receiver implements AsyncDisposable {
  readonly spans: ExportedSpan[] = [];
  readonly #awaited: string;
  readonly #found = Promise.withResolvers<void>();
  readonly #server: Deno.HttpServer<Deno.NetAddr>;

  /** @param awaited The name of a span. */
  constructor(awaited: string) {
    this.#awaited = awaited;
    this.#server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, (request) => {
      return this.#answer(request);
    });
  }

  get url(): string {
    return `http://127.0.0.1:${this.#server.addr.port}`;
  }

  async #answer(request: Request): Promise<Response> {
    const { pathname } = new URL(request.url);
    if (pathname === "/v1/traces") this.#take(JSON.parse(await request.text()));
    else await request.text();
    if (pathname === "/awaited") await this.#found.promise;
    return Response.json({});
  }

  #take({ resourceSpans }: {
    readonly resourceSpans: readonly {
      readonly scopeSpans: readonly { readonly spans: readonly ExportedSpan[] }[];
    }[];
  }): void {
    this.spans.push(...resourceSpans.flatMap(({ scopeSpans }) => {
      return scopeSpans.flatMap(({ spans }) => spans);
    }));
    if (this.spans.some(({ name }) => name === this.#awaited)) this.#found.resolve();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#server.shutdown();
  }
}

/** The spans that Deno's console exporter has printed. */
function spansIn(output: string): ExportedSpan[] {
  const pattern =
    /^SPAN (.+) \[(\w{32})\/(\w{16})\] .*\n(?: {2}status.*\n)? {2}(?:parent: (\w{16}))?/gm;
  return [...output.matchAll(pattern)].map(([, name = "", traceId = "", spanId = "", parent]) => {
    return { name, traceId, spanId, parentSpanId: parent };
  });
}

/** Names of the first span of a call, and of what is below it, one under the other. */
function branchOf(spans: readonly ExportedSpan[]): string[] {
  const branch: string[] = [];
  let span = spans.find(({ name, parentSpanId }) => name === "math/ask" && !parentSpanId);
  while (span !== undefined) {
    branch.push(span.name);
    const { spanId, traceId } = span;
    span = spans.find((other) => other.parentSpanId === spanId && other.traceId === traceId);
  }
  return branch;
}

/** The call, its request, its run in a worker, what that fetches, and who answers it. */
const BRANCH = ["math/ask", "math/ask", "run ask", "GET", "GET"];

Deno.test("OTEL_DENO=true shows a call into a thread, and what it fetches, as one tree", async () => {
  const { code, stderr } = await runChild(PROGRAM, {
    limitMs: LIMIT_MS,
    env: { OTEL_DENO: "true", OTEL_EXPORTER_OTLP_PROTOCOL: "console", NO_COLOR: "1" },
  });
  assertEquals(code, 0, stderr);
  assertEquals(branchOf(spansIn(stderr)), BRANCH, stderr);
  for (const side of ["client", "server"]) {
    assertMatch(stderr, new RegExp(`^METRIC rpc\\.${side}\\.call\\.duration .*unit=s`, "m"));
  }
  assertMatch(stderr, /bounds: +\[0\.0005, 0\.001, 0\.0025, 0\.005, 0\.01, .*, 7\.5, 10\.0\]/);
});

Deno.test("A receiver of OTLP has a call into a process, and what it fetches, as one tree", async () => {
  await using receiver = new Receiver("run ask");
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
  assertEquals(branchOf(receiver.spans), BRANCH);
});
