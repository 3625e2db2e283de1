import { assertEquals } from "../../deps/std_assert.ts";
import { safeObserver } from "../../internal/observer.ts";

Deno.test("safeObserver() calls the observer and drops what it throws", () => {
  const seen: number[] = [];
  const observe = safeObserver((event: number) => {
    seen.push(event);
    throw new Error("a bug of the observer");
  });
  observe(1);
  observe(2);
  safeObserver(undefined)(3);
  assertEquals(seen, [1, 2]);
});

Deno.test("safeObserver() tells what an observer throws, or rejects with", async () => {
  const failures: unknown[] = [];
  const bug = new Error("a bug of the observer");
  const fail = () => {
    throw bug;
  };
  safeObserver(fail, (error) => failures.push(error))(1);
  safeObserver(() => Promise.reject(bug), (error) => failures.push(error))(1);
  // Nothing sees this one: it must not end the process all the same.
  safeObserver(() => Promise.reject(bug))(1);
  await new Promise((resolve) => setTimeout(resolve, 0));
  assertEquals(failures, [bug, bug]);
});
