import { readResults, tableOf, withSummary, withTable } from "../../../bench/rivals/published.ts";
import { meets } from "../../../bench/rivals/results.ts";
import { SCENARIOS } from "../../../bench/rivals/scenarios.ts";
import { CONTENDERS } from "../../../bench/rivals/contenders.ts";
import {
  assert,
  assertEquals,
  assertMatch,
  assertStringIncludes,
  assertThrows,
} from "../../../deps/std_assert.ts";

const README = new URL("../../../README.md", import.meta.url);
const PAGE = new URL("../../../docs/performance.md", import.meta.url);

Deno.test("README and docs/performance.md say of speed what bench/results.json says", async () => {
  const results = await readResults();
  const [readme, page] = [await Deno.readTextFile(README), await Deno.readTextFile(PAGE)];
  assertEquals(readme, withSummary(readme, results));
  assertEquals(page, withTable(page, results));
});

Deno.test("Without bench/results.json no figure stands in README and docs/performance.md", async () => {
  for (const text of [withSummary(await Deno.readTextFile(README), undefined)]) {
    const [, part = ""] = /<!-- bench:begin -->([^]*?)<!-- bench:end -->/.exec(text) ?? [];
    assertMatch(part, /^\D+$/);
  }
});

Deno.test("withTable() needs its markers", () => {
  assertThrows(() => withTable("# No table", undefined), Error, "<!-- bench:begin -->");
});

Deno.test("tableOf() tells which goals are missed", () => {
  const ratio = {
    of: "a",
    to: "b",
    ratio: 1.2,
    low: 1.1,
    high: 1.3,
    goal: "<= 1.06",
    holds: false,
  };
  const text = tableOf({
    id: "some",
    title: "Some",
    unit: "ms",
    rounds: 1,
    contenders: [],
    ratios: [ratio],
  });
  assertStringIncludes(text, "a : b = 1.2 (1.1 to 1.3); must be <= 1.06: MISSED");
});

Deno.test("meets() knows both ways", () => {
  assert(meets(1.06, "<= 1.06") && !meets(1.07, "<= 1.06"));
  assert(meets(0.95, ">= 0.95") && !meets(0.94, ">= 0.95"));
});

Deno.test("Scenarios are about contenders that there are", () => {
  for (const { id, contenders, comparisons } of SCENARIOS) {
    for (const name of contenders) assert(CONTENDERS.has(name), `${id}: ${name}`);
    for (const { of, to } of comparisons) {
      assert(contenders.includes(of) && contenders.includes(to), `${id}: ${of}, ${to}`);
    }
  }
});
