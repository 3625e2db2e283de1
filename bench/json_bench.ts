/**
 * What decoding a JSON body costs against `JSON.parse`: time, the memory that its value keeps, and
 * how long the largest body under `maxBytes` holds its thread up. `deno run -A bench/json_bench.ts`.
 *
 * @module
 */

import process from "node:process";
import { createJsonCodec, decodeUtf8, jsonCodec } from "../codec.ts";

const BODY_BYTES = 16 * 2 ** 20;
const BLOCK_BYTES = 2 ** 19;
const ROUNDS = 7;

/** One text after the other until the body is full. */
function fill(bytes: number, unit: () => string): Uint8Array {
  const units: string[] = [];
  for (let left = bytes - 40; left > 0; left -= units.at(-1)?.length ?? left) units.push(unit());
  return new TextEncoder().encode(`[${units.join("")}0]`);
}

/** Bodies by what is in them. */
const BODIES: readonly (readonly [name: string, unit: () => string])[] = [
  ["short integers", () => "1,"],
  ["fractions", () => `${Math.random()},`],
  ["texts of 16 digits", () => '"1234567890123456",'],
  ["short texts", () => '"abcd",'],
  ["long texts", () => `"${"long text ".repeat(1_000)}",`],
  ["long texts of digits", () => `"${"1234567890123456 ".repeat(600)}",`],
  ["long texts, no ASCII", () => `"${"l\u00e4ngere Texte ".repeat(600)}",`],
  ["records", () => '{"id":12345,"name":"some name","price":12.5,"tags":["a","b"]},'],
  ["empty arrays", () => "[],"],
  ["empty objects", () => "{},"],
  ["records with a long id", () => '{"id":1234567890123456789,"name":"some name"},'],
  ["19-digit integers", () => "1234567890123456789,"],
];

/** The processor's time, in milliseconds: others on the machine do not add to it. */
function timeMs(run: () => unknown): number {
  const start = process.cpuUsage();
  run();
  const { user, system } = process.cpuUsage(start);
  return (user + system) / 1_000;
}

/** What a value keeps of the heap, in bytes. */
function retainedBytes(make: () => unknown): number {
  const collect: unknown = Reflect.get(globalThis, "gc");
  if (typeof collect !== "function") return NaN;
  collect();
  const before = Deno.memoryUsage().heapUsed;
  const value = make();
  collect();
  const after = Deno.memoryUsage().heapUsed;
  return value === undefined ? NaN : after - before;
}

function measure(body: Uint8Array): string {
  const plain = () => JSON.parse(decodeUtf8(body));
  const ours = () => jsonCodec.decode(body);
  let [plainMs, oursMs] = [Infinity, Infinity];
  // Both in turn, and the least of each: whatever else the machine does only adds.
  for (let round = 0; round < ROUNDS; round++) {
    plainMs = Math.min(plainMs, timeMs(plain));
    oursMs = Math.min(oursMs, timeMs(ours));
  }
  const ratios = [oursMs / plainMs, retainedBytes(ours) / retainedBytes(plain)];
  const figures = [plainMs, oursMs].map((ms) => `${ms.toFixed(1)} ms`.padStart(10));
  return [...figures, ...ratios.map((ratio) => `${ratio.toFixed(2)} x`.padStart(9))].join("");
}

function main(): void {
  console.log("16 MiB of                JSON.parse      ours     time   memory");
  for (const [name, unit] of BODIES) {
    console.log(name.padEnd(25), measure(fill(BODY_BYTES, unit)));
  }
  const refused = createJsonCodec({ maxDigits: 10_000 });
  const digits = new TextEncoder().encode("9".repeat(BODY_BYTES));
  const refusedMs = timeMs(() => {
    try {
      refused.decode(digits);
    } catch {
      // As it should.
    }
  });
  console.log(`\none number of 16 Mi digits is refused after ${refusedMs.toFixed(1)} ms\n`);
  console.log(`512 KiB of                 longest   (a limit "maxBytes" for 20 ms)`);
  for (const [name, unit] of BODIES) {
    const body = fill(BLOCK_BYTES, unit);
    const times = Array.from({ length: 20 }, () => timeMs(() => jsonCodec.decode(body)));
    console.log(name.padEnd(25), `${Math.max(...times).toFixed(1)} ms`.padStart(9));
  }
}

if (import.meta.main) main();
