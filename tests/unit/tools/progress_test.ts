import { assertEquals } from "../../../deps/std_assert.ts";
import { startProgress } from "../../../tools/tasks/progress.ts";
import { FakeTime } from "../../helpers/fake_time.ts";

Deno.test("startProgress() tells that something goes on until it has ended", async () => {
  using time = new FakeTime();
  const lines: string[] = [];
  const progress = startProgress({ title: "Tests", tell: (line) => lines.push(line) });
  await time.advance(29_000);
  assertEquals(lines, []);
  await time.advance(61_000);
  assertEquals(lines, [
    "Tests: still running, 30 s so far",
    "Tests: still running, 1 min 0 s so far",
    "Tests: still running, 1 min 30 s so far",
  ]);
  progress[Symbol.dispose]();
  await time.advance(60_000);
  assertEquals([lines.length, time.timers], [3, 0]);
});
