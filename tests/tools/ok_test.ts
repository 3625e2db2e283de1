import { Interruption } from "../../tools/tasks/interruption.ts";
import { runSteps, type Step, type StepsResult } from "../../tools/tasks/ok.ts";
import { EMPTY_REPORT } from "../../tools/tasks/test_report.ts";
import { assertEquals, assertMatch, assertRejects } from "../../deps/std_assert.ts";

const TESTS_PASS: Step = {
  name: "test",
  run: () => Promise.resolve({ passed: 2, failed: [], skipped: ["s"] }),
};

async function run(...steps: readonly Step[]): Promise<StepsResult> {
  using interruption = Interruption.listen();
  return await runSteps(steps, { args: [], env: {}, interruption }, { tell: () => {} });
}

Deno.test("runSteps() gives 0 when all steps and a test have passed", async () => {
  const { code, summary } = await run({ name: "lint", run: () => Promise.resolve(0) }, TESTS_PASS);
  assertEquals(code, 0);
  assertEquals(summary.slice(-2), ["skipped: s", "2 passed, 0 failed, 1 skipped"]);
  assertMatch(summary[0] ?? "", /^ok +lint +\d+\.\d s$/);
});

Deno.test("runSteps() counts a failed step that is not a test", async () => {
  const { code, summary } = await run({ name: "lint", run: () => Promise.resolve(1) }, TESTS_PASS);
  assertEquals(code, 1);
  assertMatch(summary[0] ?? "", /^FAILED +lint/);
  assertEquals(summary.slice(-2), ['FAILED: the step "lint"', "2 passed, 1 failed, 1 skipped"]);
});

Deno.test("runSteps() fails when no test has run", async () => {
  const { code } = await run({ name: "test", run: () => Promise.resolve(EMPTY_REPORT) });
  assertEquals(code, 1);
});

Deno.test("runSteps() runs the steps that come after one that throws", async () => {
  const { code, summary } = await run(
    { name: "test", run: () => Promise.reject(new Error("no broker")) },
    TESTS_PASS,
  );
  assertEquals([code, summary.at(-1)], [1, "2 passed, 1 failed, 1 skipped"]);
});

Deno.test("runSteps() gives up when it is interrupted", async () => {
  using interruption = Interruption.listen();
  const interrupt = async () => {
    // A listener for signals does not keep Deno from ending; a timer does.
    const timer = setInterval(() => {}, 1_000);
    const received = new Promise<void>((resolve) => {
      interruption.signal.addEventListener("abort", () => resolve(), { once: true });
    });
    Deno.kill(Deno.pid, "SIGHUP");
    await received;
    clearInterval(timer);
    return 0;
  };
  const steps = [{ name: "lint", run: interrupt }, TESTS_PASS];
  await assertRejects(
    () => runSteps(steps, { args: [], env: {}, interruption }, { tell: () => {} }),
    DOMException,
    "SIGHUP",
  );
});
