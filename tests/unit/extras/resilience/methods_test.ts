import { assertEquals, assertRejects } from "../../../../deps/std_assert.ts";
import { type CallOptions, withResilience } from "../../../../extras/resilience/resilience.ts";
import { codeOf, failure, FakeCaller, typesOf } from "./fake_caller.ts";
import type { ResilienceEvent } from "../../../../extras/resilience/resilience.ts";

/** A double that also streams and notifies; each stream ends as the test says. */
class FullCaller extends FakeCaller {
  readonly log: string[] = [];
  streamError: unknown;

  async *stream(procedure: string, _input?: unknown): AsyncGenerator<number, void, undefined> {
    this.log.push(`stream ${procedure}`);
    yield await Promise.resolve(1);
    yield 2;
    if (this.streamError !== undefined) throw this.streamError;
  }

  async notify(procedure: string, input?: unknown, options: CallOptions = {}): Promise<void> {
    this.log.push(`notify ${procedure}`);
    await this.call(procedure, input, options);
  }

  callAsync(procedure: string, _input: unknown, callback: unknown): string {
    this.log.push(`callAsync ${procedure} ${callback}`);
    return "id";
  }

  /** Only that it is there matters: policies make theirs of `call()`. */
  callAll(_calls: readonly (readonly [string, unknown?])[]): Promise<unknown[]> {
    return Promise.reject(new Error("not to be called"));
  }

  /** As `callAll`. */
  map(_procedure: string, _inputs: readonly unknown[]): AsyncIterable<unknown> {
    throw new Error("not to be called");
  }
}

Deno.test("withResilience() retries the calls of map(), callAll(), callAsync() and notify()", async () => {
  const caller = new FullCaller(failure("overloaded"), { output: 1 });
  const steady = withResilience(caller, { retry: { firstDelayMs: 1, maxTokens: 100 } });
  assertEquals(await Array.fromAsync(steady.map("add", [1, 2])), [1, 1]);
  caller.answers = [failure("overloaded"), { output: 2 }];
  caller.attempts.length = 0;
  assertEquals(await steady.callAll([["add", 1]]), [2]);
  caller.attempts.length = 0;
  await steady.notify("add", 1);
  assertEquals(caller.attempts.length, 2);
  caller.attempts.length = 0;
  const called = Promise.withResolvers<unknown>();
  steady.callAsync("add", 1, called.resolve);
  assertEquals(await called.promise, { ok: true, output: 2 });
  assertEquals(steady.callAsync("add", 1, "by name"), "id");
  assertEquals(caller.log, ["notify add", "notify add", "callAsync add by name"]);
});

Deno.test("withResilience() counts streams against the circuit, and does not try them again", async () => {
  const events: ResilienceEvent[] = [];
  const caller = new FullCaller();
  const steady = withResilience(caller, {
    retry: { firstDelayMs: 1 },
    breaker: { minCalls: 1, windowCalls: 1 },
    onEvent: (event) => events.push(event),
  });
  assertEquals(await Array.fromAsync(steady.stream("primes")), [1, 2]);
  for await (const _item of steady.stream("primes")) break;
  assertEquals(typesOf(events), []);
  const { error } = failure("disconnected");
  caller.streamError = error;
  await assertRejects(() => Array.fromAsync(steady.stream("primes")), Error, "disconnected");
  assertEquals(typesOf(events), ["circuit-opened"]);
  const refused = await assertRejects(() => Array.fromAsync(steady.stream("primes")));
  assertEquals(codeOf(refused), "circuit-open");
  assertEquals(caller.log.length, 3);
});

Deno.test("withResilience() gives a stream one place until it has ended", async () => {
  const caller = new FullCaller();
  const steady = withResilience(caller, { bulkhead: { maxConcurrent: 1 } });
  const reading = steady.stream("primes");
  assertEquals((await reading.next()).value, 1);
  const refused = await assertRejects(() => Array.fromAsync(steady.stream("primes")));
  assertEquals(codeOf(refused), "overloaded");
  await reading.return();
  assertEquals(await Array.fromAsync(steady.stream("primes")), [1, 2]);
});
