import { assert, assertEquals, assertStringIncludes } from "../../../deps/std_assert.ts";
import type { Answer, ServerStats } from "../../../extras/control/rpc_control.ts";
import { TopModel, type TopView } from "../../../cli/operating/top/top_model.ts";
import { topScreen } from "../../../cli/operating/top/top_screen.ts";
import { keysOf } from "../../../cli/screen.ts";
import { fitted, textWidth } from "../../../cli/text_width.ts";

function statsOf(id: string, numRequests: number, name: string = "math"): Answer<ServerStats> {
  const times = { processingTime: 0, averageProcessingTime: 0, p50: 1, p95: 2, p99: 3, inHand: 1 };
  return {
    name,
    id,
    pid: 1,
    host: "a-host",
    roundTripMs: 0,
    version: "0.1.0",
    started: "2026-01-01T00:00:00Z",
    state: "serving",
    inHand: 1,
    prefetch: 16,
    // None of what is shown.
    counts: {} as never,
    pools: [{ workers: 8, busy: 4, crashed: 0, waiting: 0 }],
    endpoints: [{ name: "add", numRequests, numErrors: numRequests / 10, ...times }],
  };
}

const queues = new Map([["math", { ready: 3, consumers: 2, parked: 1 }]]);

function viewOf(model: TopModel, change: Partial<TopView> = {}): TopView {
  return {
    title: "warren top  math",
    servers: model.servers(),
    queues: model.queues,
    procedures: model.procedures(),
    selected: 0,
    details: undefined,
    status: "",
    isHelp: false,
    ...change,
  };
}

function modelOf(servers: readonly string[]): TopModel {
  const model = new TopModel();
  model.add({ at: 0, servers: servers.map((id) => statsOf(id, 0)), queues });
  model.add({ at: 2_000, servers: servers.map((id) => statsOf(id, 100)), queues });
  return model;
}

Deno.test("TopModel tells rates by two answers, and who is silent", () => {
  const model = modelOf(["a", "b"]);
  assertEquals(model.servers().map(({ rates }) => rates), [
    { requests: 50, errors: 5 },
    { requests: 50, errors: 5 },
  ]);
  assertEquals(model.procedures()[0]?.rates, { requests: 100, errors: 10 });
  model.add({ at: 5_000, servers: [statsOf("a", 100)], queues });
  assertEquals(model.servers().map(({ silentMs }) => silentMs), [0, 3_000]);
  const screen = topScreen(viewOf(model), { columns: 100, rows: 20 }, false).join("\n");
  assertStringIncludes(screen, "silent 3 s");
  model.add({ at: 20_000, servers: [statsOf("a", 100)], queues });
  assertEquals(model.servers().map(({ stats }) => stats.id), ["a"]);
});

Deno.test("A counter that begins again gives no rate below 0", () => {
  const model = modelOf(["a"]);
  model.add({ at: 3_000, servers: [statsOf("a", 10)], queues });
  assertEquals(model.servers()[0]?.rates, { requests: 0, errors: 0 });
});

Deno.test("topScreen() fits every size, and keeps the chosen line on it", () => {
  const ids = Array.from({ length: 40 }, (_, at) => `id${String(at).padStart(10, "0")}`);
  const model = modelOf(ids);
  for (
    const [columns, rows] of [[200, 60], [120, 30], [80, 24], [60, 15], [30, 8], [10, 3], [
      1,
      1,
    ]] as const
  ) {
    for (const selected of [0, 20, 39]) {
      for (const change of [{}, { isHelp: true }, { details: undefined }]) {
        const lines = topScreen(viewOf(model, { selected, ...change }), { columns, rows }, false);
        assert(lines.length <= rows, `${lines.length} for ${rows}`);
        for (const line of lines) assert(textWidth(line) <= columns, `${columns}: "${line}"`);
      }
      const lines = topScreen(viewOf(model, { selected }), { columns, rows }, false);
      if (rows < 8) continue;
      const chosen = lines.filter((line) => line.startsWith("> "));
      assertEquals(chosen.length, 1);
      assertStringIncludes(chosen[0] ?? "", ids[selected]?.slice(0, columns - 12) ?? "");
    }
  }
});

Deno.test("topScreen() shows what matters most at 60 columns, and more at 120", () => {
  const model = modelOf(["a"]);
  const titles = (columns: number) =>
    topScreen(viewOf(model), { columns, rows: 20 }, false).find((line) => /SLOTS/.test(line))
      ?.trim()
      .split(/ {2,}/);
  assertEquals(titles(120), [
    "SERVER",
    "HOST",
    "STATE",
    "SLOTS",
    "IN HAND",
    "REQ/S",
    "ERR/S",
    "P99",
    "VERSION",
  ]);
  assertEquals(titles(50), ["SERVER", "STATE", "SLOTS", "IN HAND", "REQ/S", "ERR/S"]);
  assertEquals(titles(30), ["SERVER", "STATE", "SLOTS"]);
});

Deno.test("topScreen() says by signs what it says by colours", () => {
  const model = modelOf(["a", "b"]);
  const size = { columns: 80, rows: 20 };
  const [plain, coloured] = [false, true].map((hasColors) =>
    topScreen(viewOf(model), size, hasColors)
  );
  // deno-lint-ignore no-control-regex -- a colour begins with it
  assertEquals(coloured?.map((line) => line.replace(/\x1b\[\d+m/g, "")), plain);
  // deno-lint-ignore no-control-regex -- a colour begins with it
  assert(plain?.every((line) => !/\x1b/.test(line)));
});

Deno.test("topScreen() lets no escape sequence of a server through", () => {
  const model = new TopModel();
  model.add({ at: 0, servers: [statsOf("\x1b[31mevil\n", 1, "\x1b]0;evil\x07")], queues });
  const lines = topScreen(viewOf(model), { columns: 200, rows: 20 }, false);
  // deno-lint-ignore no-control-regex -- it is what must not be there
  assert(lines.every((line) => !/[\x00-\x1f\x7f]/.test(line)), lines.join("\n"));
});

Deno.test("Texts are fitted by the columns that they take", () => {
  assertEquals(["abc", "日本", "e\u0301"].map(textWidth), [3, 4, 1]);
  assertEquals(fitted("abc", 5), "abc  ");
  assertEquals(fitted("abc", 5, true), "  abc");
  assertEquals(fitted("abcdef", 4), "abc…");
  assertEquals(fitted("日本語", 4), "日… ");
  assertEquals(fitted("abc", 0), "");
});

Deno.test("Keys are told apart when they come together", () => {
  assertEquals(keysOf("j\x1b[A\x1b[Bq\x03"), ["j", "up", "down", "q", "interrupt"]);
  assertEquals(keysOf("\x1b"), ["escape"]);
  assertEquals(keysOf("\r"), ["enter"]);
});
