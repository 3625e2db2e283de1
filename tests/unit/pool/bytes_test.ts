import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
} from "../../../deps/std_assert.ts";
import { RpcRemoteError } from "../../../errors.ts";
import { WorkerPool, type WorkerPoolOptions } from "../../../workers/mod.ts";
import { transfer } from "../../../workers/transfer.ts";
import type { BytesContract } from "../../fixtures/workers/bytes_worker.ts";

const LARGE = 100_000;
const WORKER = import.meta.resolve("../../fixtures/workers/bytes_worker.ts");
const ISOLATIONS = ["thread", "process"] as const;

function open(isolation: NonNullable<WorkerPoolOptions["isolation"]> = "thread") {
  return WorkerPool.open<BytesContract>(WORKER, { isolation, maxWorkers: 1 });
}

function counted(length: number): Uint8Array<ArrayBuffer> {
  return Uint8Array.from({ length }, (_, index) => index);
}

for (const isolation of ISOLATIONS) {
  Deno.test(`WorkerPool.run() carries bytes of any size to and from a ${isolation}`, async () => {
    await using pool = await open(isolation);
    for (const length of [0, 1, 8_191, 8_192, LARGE]) {
      const bytes = counted(length);
      const outputs = [
        await pool.run("echo", bytes),
        await pool.run("count", { length, isGiven: false }),
        await pool.run("count", { length, isGiven: true }),
        await pool.run("echo", transfer(counted(length))),
      ];
      for (const output of outputs) assertEquals(output, bytes);
      assertEquals(bytes, counted(length));
    }
  });

  Deno.test(`WorkerPool.stream() carries bytes from a ${isolation}`, async () => {
    await using pool = await open(isolation);
    const chunks = await Array.fromAsync(pool.stream("chunks", LARGE));
    assertEquals(chunks, [0, 1, 2].map((index) => new Uint8Array(LARGE).fill(index)));
  });
}

Deno.test("transfer() takes the output away from its worker", async () => {
  await using pool = await open();
  await pool.run("count", { length: LARGE, isGiven: true });
  assertEquals(await pool.run("left", undefined), 0);
  await pool.run("count", { length: LARGE, isGiven: false });
  assertEquals(await pool.run("left", undefined), LARGE);
});

Deno.test("transfer() takes the input away from its caller", async () => {
  await using pool = await open();
  const bytes = transfer(new Uint8Array(LARGE).fill(1));
  assertEquals(await pool.run("sum", bytes), LARGE);
  assertEquals(bytes.length, 0);
});

Deno.test("transfer() leaves the rest of a buffer where it is", async () => {
  await using pool = await open();
  assertEquals(await pool.run("part", LARGE), new Uint8Array(LARGE).fill(7));
  assertEquals(await pool.run("left", undefined), 2 * LARGE);
  const pair = new Uint8Array(2 * LARGE).fill(1);
  assertEquals(await pool.run("sum", transfer(pair.subarray(LARGE))), LARGE);
  assertEquals(pair.length, 2 * LARGE);
});

Deno.test("WorkerPool.run() gives bytes as Uint8Array, whatever they were", async () => {
  await using pool = await open();
  const buffer = new Uint8Array([1, 2, 3]);
  assertEquals(await pool.run("describe", buffer), "[object Uint8Array]");
  assert((await pool.run("echo", buffer)).buffer.byteLength === 3);
});

Deno.test("WorkerPool.run() refuses bytes inside of an object", async () => {
  await using pool = await WorkerPool.open(WORKER, { maxWorkers: 1 });
  const input = { bytes: new Uint8Array(1) };
  await assertRejects(() => pool.run("echo", input), Error, "bytes");
  const error = await assertRejects(() => pool.run("sum", "text"), RpcRemoteError);
  assertEquals(error.remoteName, "TypeError");
});

for (const isolation of ISOLATIONS) {
  Deno.test(`WorkerPool.run() refuses bytes that a ${isolation} was given before`, async () => {
    await using pool = await open(isolation);
    const bytes = new Uint8Array(LARGE).fill(1);
    const first = pool.run("sum", transfer(bytes));
    const innocent = pool.run("echo", counted(3));
    for (const again of [() => pool.run("sum", transfer(bytes)), () => pool.run("sum", bytes)]) {
      await assertRejects(again, TypeError, "they were given away before");
    }
    assertEquals([await first, await innocent], [LARGE, counted(3)]);
    await assertRejects(() => pool.run("sum", transfer(bytes)), TypeError, "given away before");
    assertEquals(pool.stats().crashes, 0);
  });

  Deno.test(`WorkerPool takes bytes that cannot move to a ${isolation}, and back`, async () => {
    await using pool = await open(isolation);
    const memory = new WebAssembly.Memory({ initial: 2 });
    const bytes = new Uint8Array(memory.buffer as ArrayBuffer).fill(1);
    const shared = new Uint8Array(new SharedArrayBuffer(LARGE)).fill(1);
    const resizable = new Uint8Array(new ArrayBuffer(LARGE, { maxByteLength: 2 * LARGE })).fill(1);
    assertEquals(await pool.run("sum", transfer(bytes)), 131_072);
    assertEquals(memory.buffer.byteLength, 131_072);
    assertEquals(await pool.run("sum", shared), LARGE);
    assertEquals(await pool.run("sum", resizable), LARGE);
    assertEquals(await pool.run("sum", transfer(resizable)), LARGE);
    const halves = new Uint8Array(2 * LARGE).fill(1);
    const parts = [transfer(halves.subarray(LARGE)), transfer(halves.subarray(0, LARGE))];
    assertEquals(await Promise.all(parts.map((part) => pool.run("sum", part))), [LARGE, LARGE]);
    for (const kind of ["wasm", "shared", "resizable"]) {
      assertEquals(await pool.run("immovable", kind), new Uint8Array(131_072).fill(2));
    }
    const error = await assertRejects(() => pool.run("twice", LARGE), RpcRemoteError);
    assertEquals(error.code, "unencodable");
    assertStringIncludes(error.message, "given away before");
    assertEquals(pool.stats().crashes, 0);
  });
}

Deno.test("WorkerPool refuses what is too large to come out of a process", async () => {
  await using pool = await open("process");
  const error = await assertRejects(() => pool.run("zeros", 2 ** 28 + 1), RpcRemoteError);
  assertEquals(error.code, "too-large");
  assertStringIncludes(error.message, `it has ${2 ** 28 + 1} bytes of at most ${2 ** 28}`);
  assertEquals(await pool.run("echo", counted(3)), counted(3));
});
