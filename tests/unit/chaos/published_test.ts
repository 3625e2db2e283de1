import { readKept, withFigures } from "../../../chaos/published.ts";
import type { Report } from "../../../chaos/report.ts";
import { assertEquals, assertStringIncludes, assertThrows } from "../../../deps/std_assert.ts";

const PAGE = new URL("../../../docs/chaos.md", import.meta.url);

const report: Report = {
  seed: 7,
  minutes: 45,
  isShort: false,
  startedAt: "2026-11-26T00:00:00Z",
  seconds: 1_680,
  passed: true,
  versions: { rabbitmq: "4.3.6" },
  machine: { cores: 2 },
  rows: [{
    id: "R1",
    title: "servers killed",
    verdict: "passed",
    seconds: 60,
    injected: 60,
    calls: 1_234,
    answered: 1_234,
    lost: 0,
    wrong: 0,
    unsettled: 0,
    settledTwice: 0,
    extraExecutions: 5,
    extraBound: Infinity,
    maxExecutions: 2,
    rejected: {},
    disconnectedOnce: 0,
    outageP50: 11,
    outageMax: 181,
    limits: [],
    notes: {},
    examples: {},
  }],
};

Deno.test("docs/chaos.md has the figures of chaos/results.json, and no others", async () => {
  const page = await Deno.readTextFile(PAGE);
  assertEquals(page, withFigures(page, await readKept()));
});

Deno.test("withFigures() writes a row as it is kept", () => {
  const page = withFigures("<!-- chaos:begin -->\n<!-- chaos:end -->\n", report);
  assertStringIncludes(
    page,
    "`--minutes 45 --seed 7`, which took 28 minutes: rabbitmq 4.3.6; cores 2.",
  );
  assertStringIncludes(page, "| R1  | servers killed | 60 ");
  assertStringIncludes(page, "| 5/-         | 11/181 ms      | ok      |");
  const kept: Report = JSON.parse(JSON.stringify(report));
  assertEquals(withFigures(page, kept), page);
});

Deno.test("withFigures() needs its markers", () => {
  assertThrows(() => withFigures("", undefined), Error, "<!-- chaos:begin -->");
});
