import { assert, assertEquals, assertRejects } from "../../../deps/std_assert.ts";
import { pause, until } from "../../../tools/time/waiting.ts";

Deno.test("pause() rejects with the signal's reason, before and while it waits", async () => {
  const controller = new AbortController();
  const pausing = pause(60_000, controller.signal);
  controller.abort(new Error("enough"));
  await assertRejects(() => pausing, Error, "enough");
  await assertRejects(() => pause(60_000, controller.signal), Error, "enough");
});

Deno.test("until() asks at once and again, and tells whether it came to hold", async () => {
  let asked = 0;
  assert(await until(() => ++asked === 1, { limitMs: 0 }));
  assert(await until(() => Promise.resolve(++asked === 3), { limitMs: 60_000 }));
  assertEquals(await until(() => false, { limitMs: 0 }), false);
});

Deno.test("until() ends with the reason of its signal", async () => {
  const signal = AbortSignal.abort(new Error("enough"));
  await assertRejects(() => until(() => false, { limitMs: 60_000, signal }), Error, "enough");
});
