import { assertEquals } from "../../../deps/std_assert.ts";
import { ControlBlock } from "../../../workers/wire/protocol.ts";

const FIXTURE = new URL("../../fixtures/workers/unended_worker.ts", import.meta.url);

for (const how of ["close", "exit", "reject", "throw"]) {
  Deno.test(`A thread that is about to end begins no other task: ${how}`, async () => {
    const worker = new Worker(new URL("#entry", FIXTURE), { type: "module" });
    const { port1, port2 } = new MessageChannel();
    const control = new ControlBlock();
    const begun: unknown[] = [];
    const turned = Promise.withResolvers<void>();
    worker.onmessage = ({ data }) => {
      if (data === "turned") return turned.resolve();
      if (data.type !== "booted") return begun.push(data);
      const load = { type: "load", url: FIXTURE.href, control: control.memory, port: port2 };
      worker.postMessage(load, [port2]);
    };
    port1.onmessage = ({ data }) => {
      if (!String(data).includes("ready")) return;
      port1.postMessage([
        { type: "run", id: 1, cell: 0, procedure: "end", body: JSON.stringify(how) },
        { type: "run", id: 2, cell: 1, procedure: "next", body: "null" },
      ]);
    };
    await turned.promise;
    worker.terminate();
    port1.close();
    assertEquals(begun, []);
  });
}
