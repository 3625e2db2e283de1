import type { Fault, RowFigures } from "../../../chaos/fault.ts";
import { atMost } from "../../../chaos/limits.ts";
import { rowLines, summaryOf } from "../../../chaos/report.ts";
import { type Row, runFault } from "../../../chaos/run_fault.ts";
import { assertEquals, assertMatch } from "../../../deps/std_assert.ts";

const options = { seed: 1, budgetMs: 0, isShort: true, signal: new AbortController().signal };

/** Runs a fault that gives these figures in turn, or throws them. */
async function rowOf(
  outcomes: readonly (RowFigures | Error)[],
  mustBreak?: string,
): Promise<{ readonly row: Row; readonly runs: number }> {
  let runs = 0;
  const fault: Fault = {
    id: "R0",
    title: "a row of a test",
    seconds: 1,
    ...(mustBreak !== undefined && { mustBreak }),
    run() {
      const outcome = outcomes[runs++] ?? new Error("Cannot run as the test knows no more");
      return outcome instanceof Error ? Promise.reject(outcome) : Promise.resolve(outcome);
    },
  };
  return { row: await runFault(fault, options), runs };
}

function withFigure(figure: number): RowFigures {
  return { injected: 1, limits: [atMost("heap grew by, MiB", figure, 4)] };
}

const startError = new Error("Cannot start: 541 INTERNAL_ERROR");

Deno.test("A row whose figure is not measured is unjudged, by name, and has not passed", async () => {
  const { row } = await rowOf([{ ...withFigure(NaN), unjudged: "it was too short" }]);
  assertEquals(row.verdict, "unjudged");
  const text = rowLines(row).join("\n");
  assertMatch(text, /UNJUDGED/);
  assertMatch(text, /heap grew by, MiB: not measured, must be at most 4/);
  assertMatch(text, /it cannot be judged: it was too short/);
  assertEquals(/NaN/.test(text), false);
});

Deno.test("A row with a limit that does not hold has failed, whatever is not measured", async () => {
  const { row } = await rowOf([{
    injected: 1,
    limits: [atMost("heap", NaN, 4), atMost("lost", 1, 0)],
  }]);
  assertEquals(row.verdict, "failed");
});

Deno.test("A proof that could not begin is tried again", async () => {
  const { row, runs } = await rowOf([startError, withFigure(5)], "heap grew by, MiB");
  assertEquals([row.verdict, runs, row.attempts], ["passed", 2, 2]);
  assertMatch(rowLines(row).join("\n"), /caught[^]*tried 2 times/);
});

Deno.test("A proof that never came to an end was not run, which is not that it missed", async () => {
  const never = await rowOf([startError, startError, startError], "heap grew by, MiB");
  assertEquals([never.row.verdict, never.runs], ["not-run", 3]);
  assertMatch(rowLines(never.row).join("\n"), /NOT RUN[^]*541 INTERNAL_ERROR/);
  const missed = await rowOf([withFigure(3)], "heap grew by, MiB");
  assertEquals([missed.row.verdict, missed.runs], ["failed", 1]);
  assertMatch(rowLines(missed.row).join("\n"), /MISSED/);
});

Deno.test("A row that throws has failed at once", async () => {
  const { row, runs } = await rowOf([startError, withFigure(1)]);
  assertEquals([row.verdict, runs], ["failed", 1]);
});

Deno.test("summaryOf() tells what failed from what proves nothing", async () => {
  const rows = [
    (await rowOf([withFigure(1)])).row,
    (await rowOf([withFigure(5)])).row,
    (await rowOf([withFigure(NaN)])).row,
    (await rowOf([startError, startError, startError], "lost")).row,
  ];
  assertEquals(summaryOf(rows), "4 rows, 1 failed, 1 unjudged, 1 not run");
});
