import { jsonCodec } from "../../../codec.ts";
import { assertEquals, assertThrows } from "../../../deps/std_assert.ts";
import { RpcError } from "../../../errors.ts";
import { ProgressGate } from "../../../internal/running/progress_gate.ts";
import { VirtualTime } from "../../helpers/virtual_time.ts";

function openGate() {
  const sent: string[] = [];
  const gate = new ProgressGate({ procedure: "work", codec: jsonCodec }, ({ seq, body }) => {
    sent.push(`${seq}: ${body}`);
  });
  return { gate, sent };
}

/** As many as leave at once. */
function fill(gate: ProgressGate): void {
  for (let step = 0; step < 64; step++) gate.tell(step);
}

Deno.test("ProgressGate.tell() lets the first pass, then the latest of each interval", async () => {
  using time = new VirtualTime();
  const { gate, sent } = openGate();
  fill(gate);
  assertEquals([sent.length, sent[0], sent[63]], [64, "0: 0", "63: 63"]);
  for (const step of [64, 65, 66]) gate.tell(step);
  assertEquals(sent.length, 64);
  await time.step();
  assertEquals(sent.slice(64), ["64: 66"]);
  time.now += 11;
  gate.tell(67);
  gate.tell(68);
  assertEquals(sent.slice(65), ["65: 67"]);
  gate.end();
  assertEquals([sent.slice(66), time.pending], [["66: 68"], 0]);
});

Deno.test("ProgressGate.tell() takes nothing after the end", () => {
  using time = new VirtualTime();
  const { gate, sent } = openGate();
  gate.tell(1);
  gate.end();
  gate.tell(2);
  gate.end();
  assertEquals([sent, time.pending], [["0: 1"], 0]);
});

Deno.test("ProgressGate.tell() refuses what cannot be encoded, and goes on", () => {
  using _ = new VirtualTime();
  const { gate, sent } = openGate();
  assertThrows(() => gate.tell(() => 1), RpcError, "of type function");
  gate.tell(1);
  assertEquals(sent, ["0: 1"]);
});
