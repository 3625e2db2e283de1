import { assert, assertEquals, assertGreater, assertLess } from "../../../deps/std_assert.ts";
import { benchChart, benchLines } from "../../../cli/calling/bench/bench_chart.ts";
import { LatencyHistogram } from "../../../cli/calling/bench/latency_histogram.ts";
import { load } from "../../../cli/calling/bench/load.ts";
import { RpcError } from "../../../errors.ts";

const never = new AbortController().signal;

Deno.test("LatencyHistogram tells quantiles to within 2 %", () => {
  const times = new LatencyHistogram();
  for (let n = 1; n <= 10_000; n++) times.add(n / 10);
  for (const share of [0.5, 0.9, 0.99, 0.999]) {
    const exact = share * 1_000;
    assertLess(Math.abs(times.quantile(share) - exact) / exact, 0.02);
  }
  assertEquals([times.quantile(1), times.max, times.count], [1_000, 1_000, 10_000]);
  assertLess(Math.abs(times.mean - 500.05), 0.01);
  const counted = times.classes(4).reduce((sum, { count }) => sum + count, 0);
  assertEquals(counted, 10_000);
  const none = new LatencyHistogram();
  assertEquals([none.quantile(0.5), none.mean, none.classes(1)], [0, 0, []]);
});

Deno.test("load() makes as many calls as are due, and times them from when they were", async () => {
  let calls = 0;
  const stall = () => {
    if (calls++ > 0) return Promise.resolve();
    // Nobody else gets to run: as a service that stalls has a closed loop wait with it.
    for (const end = performance.now() + 200; performance.now() < end;);
    return Promise.resolve();
  };
  const { times, notSent } = await load({
    call: stall,
    inFlight: 1_000,
    ratePerS: 100,
    durationMs: 300,
    signal: never,
  });
  assertEquals([times.count, notSent], [30, 0]);
  // Those that were due in the first half of the stall waited for its second half at least.
  const late = times.classes(1).filter(({ fromMs }) => fromMs >= 50)
    .reduce((sum, { count }) => sum + count, 0);
  assertGreater(late, 9);
});

Deno.test("load() makes no more calls at a time than it may, and says how many were due", async () => {
  const gate = Promise.withResolvers<void>();
  const started = Promise.withResolvers<void>();
  let underWay = 0;
  const call = () => {
    underWay++;
    started.resolve();
    return gate.promise;
  };
  const options = { call, inFlight: 3, ratePerS: 1_000, durationMs: 20, signal: never };
  const loading = load(options);
  await started.promise;
  const timer = setTimeout(() => gate.resolve(), 100);
  const { times, notSent } = await loading;
  clearTimeout(timer);
  assertEquals([underWay, times.count, notSent], [3, 3, 17]);
});

Deno.test("load() counts errors by their codes, and ends when it is told to", async () => {
  const end = new AbortController();
  let calls = 0;
  const call = () => {
    if (++calls === 10) end.abort();
    const error = new RpcError("timeout", "no");
    return calls % 2 === 0 ? Promise.reject(error) : Promise.resolve();
  };
  const { times, errors, seconds } = await load({
    call,
    inFlight: 1,
    ratePerS: undefined,
    durationMs: 60_000,
    signal: end.signal,
  });
  assertEquals([times.count, [...errors]], [5, [["timeout", 5]]]);
  assertEquals(seconds.reduce((sum, { errors }) => sum + errors, 0), 5);
});

Deno.test("benchChart() writes a chart of any times, and of none", () => {
  const times = new LatencyHistogram();
  assert(benchChart(times, "none").startsWith("<svg"));
  assertEquals(benchLines(times), []);
  for (const ms of [1, 1, 1, 100]) times.add(ms);
  const chart = benchChart(times, "<math>");
  assert(chart.includes("&lt;math&gt;") && !/NaN|Infinity/.test(chart));
  assertEquals(benchLines(times).length, 8);
});
