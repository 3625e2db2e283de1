/** Spans as programs export them, and the trees that they make. @module */

/** What is known of a span that was exported. */
export interface ExportedSpan {
  readonly name: string;
  /** `INTERNAL`, `SERVER`, `CLIENT`, `PRODUCER` or `CONSUMER`. */
  readonly kind: string;
  readonly traceId: string;
  readonly spanId: string;
  /** Absent, or empty, if it is the first. */
  readonly parentSpanId?: string | undefined;
  readonly attributes: Readonly<Record<string, string>>;
}

/** Source: OTLP has numbers for the kinds. */
const KINDS = ["", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER"];

/** A span in the JSON of OTLP. */
interface OtlpSpan extends Omit<ExportedSpan, "kind" | "attributes"> {
  readonly kind: number;
  readonly attributes?: readonly {
    readonly key: string;
    readonly value: Readonly<Record<string, unknown>>;
  }[];
}

/** What takes spans over HTTP, as OTLP has them, and answers at `/awaited` once it has some of them. */
export class SpanReceiver implements AsyncDisposable {
  #spans: ExportedSpan[] = [];
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

  /** All spans so far. */
  get spans(): readonly ExportedSpan[] {
    return this.#spans;
  }

  /** Takes spans that have come by another way, instead of all before. */
  replace(spans: readonly ExportedSpan[]): void {
    this.#spans = [...spans];
    if (spans.some(({ name }) => name === this.#awaited)) this.#found.resolve();
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
      readonly scopeSpans: readonly { readonly spans: readonly OtlpSpan[] }[];
    }[];
  }): void {
    const taken = resourceSpans.flatMap(({ scopeSpans }) => {
      return scopeSpans.flatMap(({ spans }) => spans.map(readOtlp));
    });
    this.replace([...this.#spans, ...taken]);
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#found.resolve();
    return this.#server.shutdown();
  }
}

function readOtlp({ kind, attributes = [], ...span }: OtlpSpan): ExportedSpan {
  const values = attributes.map(({ key, value }) => [key, String(Object.values(value)[0])]);
  return { ...span, kind: KINDS[kind] ?? "", attributes: Object.fromEntries(values) };
}

/** The spans that Deno's console exporter has printed. */
export function spansIn(output: string): ExportedSpan[] {
  const blocks = output.split(/^(?=SPAN |METRIC )/m).filter((block) => block.startsWith("SPAN "));
  return blocks.map((block) => {
    const [, name = "", traceId = "", spanId = "", kind = ""] =
      /^SPAN (.+) \[(\w{32})\/(\w{16})\] (\w+)/.exec(block) ?? [];
    const lines = [...block.matchAll(/^ {2}([\w.]+): (.*)$/gm)];
    const attributes = Object.fromEntries(lines.map(([, key, value]) => [key, value]));
    const { parent } = attributes;
    return { name, kind: kind.toUpperCase(), traceId, spanId, parentSpanId: parent, attributes };
  });
}

/**
 * The spans of a trace, each below its parent and two columns further in. Of one with a status or an
 * attempt they are told, too.
 *
 * @param root The name of its first span.
 */
export function treeOf(spans: readonly ExportedSpan[], root: string): string[] {
  const first = spans.find(({ name, parentSpanId }) => name === root && !parentSpanId);
  const trace = spans.filter(({ traceId }) => traceId === first?.traceId);
  const tree = trace.filter((span) => span === first).flatMap((span) => branch(trace, span));
  if (tree.length === trace.length) return tree;
  throw new Error(`Not all spans are below the first: ${JSON.stringify(trace, undefined, 2)}`);
}

function branch(trace: readonly ExportedSpan[], span: ExportedSpan): string[] {
  const { name, kind, attributes, spanId } = span;
  const { "warren.attempt": attempt, "rpc.status_code": status } = attributes;
  const told = [kind, name, ...(attempt === undefined ? [] : [`#${attempt}`]), status ?? ""];
  const below = trace.filter(({ parentSpanId }) => parentSpanId === spanId);
  const branches = below.map((child) => branch(trace, child).map((line) => `  ${line}`));
  // Which of them was exported first is chance.
  const sorted = branches.toSorted((one, other) => one.join("\n") < other.join("\n") ? -1 : 1);
  return [told.join(" ").trimEnd(), ...sorted.flat()];
}
