import { startThreadHost } from "../../../workers/host/thread_host.ts";
import { assertEquals } from "../../../deps/std_assert.ts";

/** A worker of which nothing but its last message is left, and whose lock nobody holds. */
class EndedWorker {
  static last: EndedWorker | undefined;
  onmessage: ((event: { readonly data: unknown; readonly ports: readonly [] }) => void) | undefined;
  readonly loaded = Promise.withResolvers<MessagePort>();

  constructor() {
    EndedWorker.last = this;
  }

  postMessage(_message: unknown, [port]: readonly [MessagePort]): void {
    this.loaded.resolve(port);
  }

  terminate(): void {}
}

Deno.test("A thread whose lock is free before its last message leaves no timer", async () => {
  const { Worker } = globalThis;
  Object.assign(globalThis, { Worker: EndedWorker });
  try {
    const death = Promise.withResolvers<string>();
    const onMessages = () => {};
    const host = startThreadHost("data:,", { onMessages, onDeath: death.resolve });
    const worker = EndedWorker.last;
    worker?.onmessage?.({ data: { type: "booted", lockName: "nobody holds it" }, ports: [] });
    const port = await worker?.loaded.promise;
    await host.ended;
    port?.postMessage([{ type: "ending", reason: "it called Deno.exit(7)" }]);
    assertEquals(await death.promise, "it called Deno.exit(7)");
    port?.close();
  } finally {
    Object.assign(globalThis, { Worker });
  }
});
