import { outputOf, workInput } from "../../../chaos/load/work.ts";
import { assert, assertEquals, assertNotEquals } from "../../../deps/std_assert.ts";

const SHAPE = { maxMs: 8, hasLargeBodies: true, slowMs: 0 };

Deno.test("outputOf() differs for every call and is no echo", () => {
  const inputs = Array.from({ length: 5_000 }, (_, call) => workInput(call, 42, SHAPE));
  const outputs = inputs.map(outputOf);
  assertEquals(new Set(outputs).size, inputs.length);
  assertNotEquals(outputs[7], outputOf(workInput(7, 43, SHAPE)));
  const long = inputs.filter(({ pad }) => pad.length > 10);
  assert(long.every((input) => !outputOf(input).includes(input.pad)));
});

Deno.test("workInput() makes bodies of all sizes and work within its limit", () => {
  const inputs = Array.from({ length: 5_000 }, (_, call) => workInput(call, 42, SHAPE));
  for (const size of [0, 3_000, 150_000]) {
    assert(inputs.some(({ pad }) => pad.length === size), `${size}`);
  }
  assertEquals(Math.max(...inputs.map(({ ms }) => ms)), 8);
  assertEquals(workInput(7, 42, SHAPE), workInput(7, 42, SHAPE));
});
