import { assertEquals, assertStringIncludes, assertThrows } from "../../../deps/std_assert.ts";
import {
  deviation,
  PAGE,
  readResults,
  type SimulationResults,
  withFigures,
} from "../../../bench/simulation/published.ts";

const RESULTS: SimulationResults = {
  run: { at: "2026-11-26T16:00", command: "deno task bench:simulation", commit: "abcdef0" },
  machine: { cpu: "a processor", cores: 2 },
  versions: { broker: "RabbitMQ 4.3.6", deno: "2.9.6" },
  load: [0, 1],
  measured: {
    costs: { clientMs: 0.1, brokerMs: 0.2, serverMs: 0.1, hopMs: 0.05 },
    taskMs: 21,
    idle: { brokerMsPerSecond: 0.4, brokerBytes: 102_400 },
  },
  checks: [{ servers: 2, measured: 400, simulated: 380 }],
  fleets: [],
  crowds: [],
};

Deno.test("docs/scaling.md has the figures of the last simulation", async () => {
  const page = await Deno.readTextFile(PAGE);
  assertEquals(withFigures(page, await readResults()), page);
});

Deno.test("withFigures() says what was measured and what simulated", () => {
  const page = "a <!-- simulation:begin -->old<!-- simulation:end --> z";
  const text = withFigures(page, RESULTS);
  assertStringIncludes(text, "the broker 0.200 ms: one core carries 5,000 calls/s");
  assertStringIncludes(text, "| 2       | 400/s    | 380/s     | 5.0 %  |");
  assertEquals(withFigures(text, RESULTS), text);
  assertThrows(() => withFigures("no markers", RESULTS), Error, "has no <!-- simulation:begin");
});

Deno.test("deviation() is a share of what was measured", () => {
  assertEquals(deviation({ servers: 1, measured: 200, simulated: 230 }), 0.15);
});
