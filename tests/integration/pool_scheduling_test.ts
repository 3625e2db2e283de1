import { assert, assertEquals, assertLessOrEqual } from "../../deps/std_assert.ts";
import { RpcError } from "../../errors.ts";
import { WorkerPool, type WorkerPoolOptions } from "../../workers/mod.ts";
import { Random } from "../../tools/raw/random.ts";
import { eventually } from "../helpers/eventually.ts";
import { startPair } from "../helpers/pair.ts";

const SEED = Number(Deno.env.get("SCHEDULING_SEED") ?? Math.floor(Math.random() * 2 ** 31));
const CALLS = 200;
/** How long a worker may be idle while a request waits in the pool: a busy machine, and no more. */
const MAX_IDLE_MS = 2_000;

/** What a worker tells. */
interface Told {
  readonly type: "begin" | "end";
  readonly procedure: string;
  readonly id: number;
}

/** Counts what the workers tell. */
class Watch implements Disposable {
  readonly begun = new Map<number, number>();
  readonly most = new Map<string, number>();
  readonly #running = new Map<string, number>();
  readonly #channel = new BroadcastChannel("scheduled");

  constructor() {
    this.#channel.onmessage = ({ data }: MessageEvent<Told>) => this.#note(data);
  }

  [Symbol.dispose](): void {
    this.#channel.close();
  }

  #note({ type, procedure, id }: Told): void {
    const running = (this.#running.get(procedure) ?? 0) + (type === "begin" ? 1 : -1);
    this.#running.set(procedure, running);
    this.most.set(procedure, Math.max(running, this.most.get(procedure) ?? 0));
    if (type === "begin") this.begun.set(id, (this.begun.get(id) ?? 0) + 1);
  }
}

/** The longest time in which a worker was idle while a task waited that it might have run. */
async function longestIdle(pool: WorkerPool, isOver: () => boolean): Promise<number> {
  let [longest, since] = [0, performance.now()];
  while (!isOver()) {
    const { idle, backlog } = pool.stats();
    if (idle === 0 || backlog === 0) since = performance.now();
    longest = Math.max(longest, performance.now() - since);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  return longest;
}

function openPool(random: Random, options: WorkerPoolOptions): Promise<WorkerPool> {
  return WorkerPool.open(import.meta.resolve("../fixtures/workers/scheduled_worker.ts"), {
    maxWorkers: 1 + random.below(3),
    maxTasksPerWorker: 20 + random.below(60),
    maxBacklog: 2 * CALLS,
    ...options,
  });
}

Deno.test(`A pool behind a broker runs all that waits, seed ${SEED}`, async () => {
  const random = new Random(SEED);
  using watch = new Watch();
  await using pool = await openPool(random, {
    limits: { one: { maxConcurrent: 1 }, few: { maxConcurrent: 2 }, timed: { timeLimitMs: 40 } },
    abortGraceMs: 10,
    // Each task that goes on after its time leaves one.
    maxZombies: CALLS,
  });
  const server = { handlers: pool.handlers(), prefetch: 40 };
  await using pair = await startPair({}, { server });
  const outcomes = await Promise.all(Array.from({ length: CALLS }, async (_, id) => {
    const procedure = random.pick(["free", "one", "few", "timed"]);
    const isDeadly = random.below(60) === 0;
    const isAborted = random.below(8) === 0;
    const abort = new AbortController();
    if (isAborted) setTimeout(() => abort.abort(new Error("aborted")), random.below(400));
    const work = { id, ms: random.below(procedure === "timed" ? 80 : 6), isDeadly };
    const options = {
      priority: random.below(10),
      signal: abort.signal,
      idempotent: false,
      timeoutMs: 60_000,
    };
    try {
      return { id, output: await pair.client.call(procedure, work, options), procedure, isAborted };
    } catch (error) {
      const code = error instanceof RpcError ? error.code : String(error);
      return { id, code, procedure, isAborted };
    }
  }));
  let [answered, others] = [0, 0];
  for (const { id, output, code, procedure, isAborted } of outcomes) {
    if (code === undefined) {
      assertEquals(output, id);
      answered++;
      continue;
    }
    others++;
    // A worker that dies takes the task that runs in it along, and no other that was not started.
    const isExcused = code === "worker-crashed" || (isAborted && code === "Error: aborted") ||
      (procedure === "timed" && code === "timeout");
    assert(isExcused, `${procedure} ${id} rejected with ${code}`);
  }
  assert(answered > CALLS / 2, `${answered} of ${CALLS} were answered, ${others} were not`);
  const twice = [...watch.begun].filter(([, times]) => times > 1);
  assertEquals(twice, []);
  // A reply comes before its request is acknowledged.
  await eventually(() => {
    assertEquals([pool.stats().backlog, pair.server.stats().active], [0, 0]);
  });
});

Deno.test(`A pool behind a broker leaves no worker idle, seed ${SEED}`, async () => {
  const random = new Random(SEED);
  using watch = new Watch();
  await using pool = await openPool(random, { limits: { one: { maxConcurrent: 1 } } });
  const server = { handlers: pool.handlers(), prefetch: 40 };
  await using pair = await startPair({}, { server });
  let isOver = false;
  const idle = longestIdle(pool, () => isOver);
  const calls = Array.from({ length: CALLS }, (_, id) => {
    const options = { priority: random.below(10), timeoutMs: 60_000 };
    return pair.client.call("free", { id, ms: random.below(6), isDeadly: false }, options);
  });
  assertEquals(await Promise.all(calls), Array.from({ length: CALLS }, (_, id) => id));
  isOver = true;
  assertLessOrEqual(await idle, MAX_IDLE_MS);
  const limited = Array.from({ length: 50 }, (_, id) => {
    return pair.client.call("one", { id: CALLS + id, ms: 1, isDeadly: false });
  });
  await Promise.all(limited);
  assertEquals(watch.most.get("one"), 1);
  assertEquals([...watch.begun.values()].every((times) => times === 1), true);
});
