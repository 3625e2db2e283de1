/** Tasks that attack their pool, among innocent ones. @module */

import { assert, assertEquals, assertGreater } from "../../deps/std_assert.ts";
import { RpcError } from "../../errors.ts";
import { type PoolEvent, WorkerPool } from "../../workers/mod.ts";

/** How many tasks each tier has to run, and from which seed, to be set from outside. */
const TASKS = Number(Deno.env.get("POOL_FUZZ_TASKS") ?? 600);
const SEED = Number(Deno.env.get("POOL_FUZZ_SEED") ?? Math.floor(Math.random() * 2 ** 31));

const TIMEOUT_MS = 30_000;
const LANES = 16;
/** Of so many tasks, one is innocent and the others are not. */
const HOSTILE_SHARE = 0.5;
/** What kills a worker is rarer: each takes the time of a start. */
const DEADLY = ["exit", "closeSelf", "throwLater", "rejectLater"];
const DEADLY_SHARE = 0.04;
/** An innocent task that dies with its worker is sent again, as a server does. */
const MAX_ATTEMPTS = 30;

/** Why a task may have no reply of its own: its worker is gone, or never answered. */
const INNOCENT_CODES = ["worker-crashed"];

class Fuzz {
  readonly #pool: WorkerPool;
  readonly #harmless: readonly string[];
  #state = SEED;
  crashed = 0;
  innocent = 0;
  hostile = 0;

  constructor(pool: WorkerPool, names: readonly string[]) {
    this.#pool = pool;
    this.#harmless = names.filter((name) => !DEADLY.includes(name));
  }

  #random(): number {
    this.#state = Math.imul(this.#state ^ (this.#state >>> 15), 0x85ebca6b) + 0x6d2b79f5 | 0;
    return (this.#state >>> 0) / 2 ** 32;
  }

  async lane(count: number): Promise<void> {
    for (let left = count; left > 0; left--) {
      if (this.#random() < HOSTILE_SHARE) await this.#attack();
      else await this.#work();
    }
  }

  /** Whatever comes of it is its own; but something must. */
  async #attack(): Promise<void> {
    const names = this.#random() < DEADLY_SHARE ? DEADLY : this.#harmless;
    const name = names[Math.floor(this.#random() * names.length)];
    const input = { name, seed: Math.floor(this.#random() * 2 ** 31) };
    this.hostile++;
    try {
      await this.#pool.run("hostile", input, { timeoutMs: TIMEOUT_MS });
    } catch (error) {
      const isTimeout = error instanceof RpcError && error.code === "timeout";
      assert(!isTimeout, `"${name}" never ended`);
    }
  }

  async #work(): Promise<void> {
    const n = Math.floor(this.#random() * 1e6);
    this.innocent++;
    switch (n % 3) {
      case 0: {
        const text = `text ${n}`;
        const expected = { n: 2 * n, text: text + text, big: 2n ** 64n + BigInt(n) };
        return assertEquals(await this.#run("double", { n, text }), expected);
      }
      case 1:
        return assertEquals(await this.#run("doubleLate", { n }), 2 * n);
      default: {
        const bytes = new Uint8Array(n % 20_000).map((_, index) => index);
        assertEquals(await this.#run("reverse", bytes), bytes.toReversed());
      }
    }
  }

  async #run(procedure: string, input: unknown): Promise<unknown> {
    for (let attempt = 1;; attempt++) {
      try {
        return await this.#pool.run(procedure, input, { timeoutMs: TIMEOUT_MS });
      } catch (error) {
        const { code, message } = error as RpcError;
        assert(INNOCENT_CODES.includes(code), `"${procedure}" failed with ${code}: ${message}`);
        assert(attempt < MAX_ATTEMPTS, `"${procedure}" died ${attempt} times`);
        this.crashed++;
      }
    }
  }
}

for (const isolation of ["thread", "process"] as const) {
  Deno.test(`WorkerPool outlives ${TASKS} tasks in a ${isolation}, seed ${SEED}`, async () => {
    const events: PoolEvent[] = [];
    await using pool = await WorkerPool.open(
      new URL("../fixtures/workers/hostile_worker.ts", import.meta.url),
      { isolation, maxWorkers: 2, maxBacklog: 1_000, onEvent: (event) => events.push(event) },
    );
    const names = await pool.run("names", undefined);
    assert(Array.isArray(names));
    const fuzz = new Fuzz(pool, names);
    const lane = Math.ceil(TASKS / LANES);
    await Promise.all(Array.from({ length: LANES }, () => fuzz.lane(lane)));
    assertGreater(Math.min(fuzz.innocent, fuzz.hostile), TASKS / 4);
    assertEquals(pool.stats().backlog, 0);
    assertEquals(pool.stats().backlog, 0);
  });
}
