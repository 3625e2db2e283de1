/**
 * What bytes of each size cost on their way to a worker and back, encoded, copied and moved:
 * `deno run -A bench/pool_transfer.ts [rounds]`. The ways take turns; printed are medians.
 *
 * @module
 */

import { msgpackCodec } from "../extras/msgpack/codec.ts";
import { WorkerPool } from "../workers/mod.ts";
import { transfer } from "../workers/transfer.ts";
import { callInTurn } from "./measure.ts";
import { median } from "../tools/measuring/quantile.ts";

const SIZES_KIB = [1, 4, 8, 16, 64, 256, 1_024, 4_096, 16_384, 65_536];
const BYTES_WORKER = new URL("./pool/bytes_worker.ts", import.meta.url);
const MSGPACK_WORKER = new URL("./pool/msgpack_bytes_worker.ts", import.meta.url);

type Way = (bytes: Uint8Array<ArrayBuffer>) => Promise<unknown>;

if (import.meta.main) {
  const [rounds = "15"] = Deno.args;
  await compare(Number(rounds));
}

async function compare(rounds: number): Promise<void> {
  await using plain = await WorkerPool.open(BYTES_WORKER, { maxWorkers: 1 });
  await using msgpack = await WorkerPool.open(MSGPACK_WORKER, {
    maxWorkers: 1,
    codecs: [msgpackCodec],
  });
  const inputs: Record<string, Way> = {
    "msgpack": (bytes) => msgpack.run("length", bytes),
    "copied": (bytes) => plain.run("length", bytes),
    "moved": (bytes) => plain.run("length", transfer(bytes)),
  };
  const outputs: Record<string, Way> = {
    "msgpack": ({ length }) => msgpack.run("copied", length),
    "copied": ({ length }) => plain.run("copied", length),
    "moved": ({ length }) => plain.run("moved", length),
  };
  for (const kib of SIZES_KIB) {
    say(`${kib} KiB in: ${await measure(inputs, kib, rounds)}`);
    say(`${kib} KiB out: ${await measure(outputs, kib, rounds)}`);
  }
}

/** Microseconds for each call, with bytes that are made before the clock starts. */
async function measure(
  ways: Readonly<Record<string, Way>>,
  kib: number,
  rounds: number,
): Promise<string> {
  const times: Record<string, number[]> = {};
  const count = Math.max(1, Math.min(30, Math.floor(4_096 / kib)));
  for (let round = 0; round < rounds; round++) {
    for (const [name, way] of Object.entries(ways)) {
      const all = Array.from({ length: count }, () => new Uint8Array(kib * 1_024).fill(1));
      const durations = await callInTurn((index) => way(all[index] ?? new Uint8Array()), count);
      (times[name] ??= []).push(median(durations));
    }
  }
  return Object.entries(times).map(([name, ms]) => `${name} ${(median(ms) * 1_000).toFixed(0)} µs`)
    .join(", ");
}

function say(line: string): void {
  console.log(line);
}
