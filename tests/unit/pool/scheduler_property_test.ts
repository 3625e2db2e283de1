import { assert, assertEquals } from "../../../deps/std_assert.ts";
import { resolvePoolOptions, type WorkerPoolOptions } from "../../../workers/pool/pool_options.ts";
import { Scheduler } from "../../../workers/pool/scheduler.ts";
import { Slot } from "../../../workers/pool/slot.ts";
import type { Task } from "../../../workers/pool/task.ts";
import { VirtualTime } from "../../helpers/virtual_time.ts";
import { VirtualStarter, type Work } from "./virtual_worker.ts";

/** Steps in all: a step is a task, an abort, a death, or the next moment at which anything happens. */
const STEPS = 100_000;
const RUNS = 100;

/** How long a task may wait inside a busy thread while another worker is idle, in milliseconds. */
const MAX_STUCK_MS = 12;

/** How long all that was submitted may take, in milliseconds. */
const MAX_CLOSE_MS = 3_600_000;

/** What a run knows of a task. */
interface Known {
  readonly task: Task;
  readonly work: Work;
  readonly abort: AbortController;
  starts: number;
  outcome: "pending" | "output" | "error";
  /** Whether it may end without an output. */
  isExcused: boolean;
  /** The message of its error. */
  message: string | undefined;
  /** Since when a worker holds it, and has not started it. */
  heldSince: number | undefined;
}

/** Numbers that are the same for the same seed. */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A pool of virtual workers, whose tasks are known. */
class Simulation {
  readonly #time: VirtualTime;
  readonly #random: () => number;
  readonly #scheduler: Scheduler;
  readonly #starter: VirtualStarter;
  readonly #options: WorkerPoolOptions;
  readonly #known = new Map<number, Known>();
  readonly #waiting = new Set<Known>();
  #rush = 0.5;
  refused = 0;
  ran = 0;

  constructor(time: VirtualTime, random: () => number) {
    this.#time = time;
    this.#random = random;
    const isThread = random() < 0.7;
    this.#starter = new VirtualStarter({
      hasSharedMemory: isThread,
      random,
      workOf: (id) => this.#get(id).work,
      onStart: (id) => this.#onStart(this.#get(id)),
    });
    const maxWorkers = this.#pick(1, 5);
    this.#options = {
      isolation: isThread ? "thread" : "process",
      maxWorkers,
      minWorkers: this.#pick(1, maxWorkers),
      idleTimeoutMs: this.#pick(1, 40),
      maxBacklog: this.#pick(5, 200),
      abortGraceMs: this.#pick(0, 30),
      maxZombies: this.#pick(1, 4),
      ...(random() < 0.3 ? { maxTasksPerWorker: this.#pick(1, 30) } : {}),
      limits: {
        one: { maxConcurrent: 1 },
        few: { maxConcurrent: this.#pick(1, 3) },
        timed: { timeLimitMs: this.#pick(1, 20) },
        both: { maxConcurrent: this.#pick(1, 2), timeLimitMs: this.#pick(1, 20) },
      },
    };
    this.#scheduler = new Scheduler(resolvePoolOptions(this.#options), this.#starter);
  }

  async open(): Promise<void> {
    this.#scheduler.open().catch(() => {});
    while (this.#scheduler.stats().idle === 0) assert(await this.#time.step());
  }

  async step(): Promise<void> {
    const dice = this.#random();
    // Sometimes more comes than can be done, and sometimes less.
    this.#rush = this.#random() < 0.02 ? this.#random() : this.#rush;
    if (dice < 0.7 * this.#rush) this.#submit();
    else if (dice > 0.94) this.#abortOne();
    else if (dice > 0.935) this.#kill();
    if (dice < 0.7 * this.#rush || dice > 0.935) await this.#time.settle();
    else await this.#time.step();
    this.#check();
  }

  /** Lets all tasks end. */
  async close(): Promise<void> {
    let isClosed = false;
    const begunAt = this.#time.now;
    this.#scheduler.close(Infinity).then(() => isClosed = true);
    await this.#time.settle();
    while (!isClosed) {
      const hasMoved = await this.#time.step();
      await this.#time.settle();
      assert(hasMoved || isClosed, "Nothing is left to happen");
      assert(this.#time.now < begunAt + MAX_CLOSE_MS, "It does not end");
      if (!isClosed && this.#waiting.size > 0) this.#check();
    }
    for (const known of this.#known.values()) {
      this.#ensure(known.outcome !== "pending", "Lost", known);
      this.#ensure(known.outcome === "output" || known.isExcused, "Failed", known);
    }
    assertEquals(this.#scheduler.tasks, 0);
  }

  #submit(): void {
    const name = this.#choose(["free", "instant", "one", "few", "timed", "both"]);
    const isLong = this.#random() < 0.03;
    const work = {
      // Now and then much longer than the average.
      runMs: name === "instant" ? 0 : this.#random() * (isLong ? 50 : 0.4),
      isRude: this.#random() < 0.5,
      isDeadly: this.#random() < 0.01,
    };
    const abort = new AbortController();
    const body = this.#random() < 0.05 ? new Uint8Array(9_000) : "1";
    const parts = {
      body,
      priority: this.#random() < 0.7 ? 0 : this.#pick(0, 9),
      signal: abort.signal,
    };
    try {
      const task = this.#scheduler.submit(name, parts);
      this.#add({
        task,
        work,
        abort,
        starts: 0,
        outcome: "pending",
        message: undefined,
        isExcused: work.isDeadly || task.procedure.timeLimitMs !== undefined,
        heldSince: undefined,
      });
    } catch {
      this.refused++;
    }
  }

  #add(known: Known): void {
    this.#known.set(known.task.id, known);
    this.#waiting.add(known);
    known.task.reply.then(({ body }) => {
      assertEquals(body, `${known.task.id}`);
      known.outcome = "output";
    }, (error: Error) => {
      known.outcome = "error";
      known.message = error.message;
    }).finally(() => this.#waiting.delete(known));
  }

  #abortOne(): void {
    const pending = [...this.#waiting];
    const known = pending[Math.floor(this.#random() * pending.length)];
    if (known === undefined) return;
    known.isExcused = true;
    if (this.#random() < 0.5) known.abort.abort(new Error("aborted"));
    else this.#scheduler.cancel(known.task, new Error("timed out"));
  }

  #kill(): void {
    const alive = this.#starter.workers.filter(({ isAlive }) => isAlive);
    const worker = alive[Math.floor(this.#random() * alive.length)];
    if (worker === undefined) return;
    const isThread = this.#options.isolation === "thread";
    for (const known of this.#waiting) {
      // What has started, or moved to the worker, is lost with it. Of a process it is not known
      // whether it has started.
      const mayBeLost = known.starts > 0 || !known.task.isRepeatable || !isThread;
      if (mayBeLost && known.task.holder !== undefined) known.isExcused = true;
    }
    worker.die("of the test");
  }

  #onStart(known: Known): void {
    this.ran++;
    known.starts++;
    known.heldSince = undefined;
    // A worker that dies of another task may take along what has moved to it.
    if (!known.task.isRepeatable) known.isExcused = true;
    this.#ensure(known.starts === 1, "Run twice", known);
    const { held, maxConcurrent = Infinity } = known.task.procedure;
    this.#ensure(held <= maxConcurrent, "Too many of its procedure", known);
  }

  #check(): void {
    const { idle, backlog } = this.#scheduler.stats();
    const waiting = [...this.#waiting].filter(({ task }) => !task.isSettled);
    const unassigned = waiting.filter(({ task }) => task.holder === undefined);
    assertEquals(backlog, unassigned.length);
    const eligible = unassigned.filter(({ task }) => !task.procedure.isFull);
    for (const one of eligible) this.#ensure(idle === 0, "Waits while a worker is idle", one);
    for (const one of waiting) {
      if (one.task.holder === undefined || one.starts > 0) one.heldSince = undefined;
      else {
        if (one.heldSince === undefined) {
          this.#checkFirst(one.task, eligible);
          const isBehind = one.task.holder instanceof Slot && (one.task.holder.held?.size ?? 0) > 1;
          this.#ensure(idle === 0 || !isBehind, "Behind another while a worker is idle", one);
        }
        if (one.heldSince === undefined || idle === 0) one.heldSince = this.#time.now;
        this.#checkStuck(one);
      }
    }
  }

  /** A thread that takes too long for one task keeps no other from workers that are idle. */
  #checkStuck(known: Known): void {
    if (this.#options.isolation === "process" || !known.task.isRepeatable) return;
    const stuckMs = this.#time.now - (known.heldSince ?? this.#time.now);
    this.#ensure(stuckMs <= MAX_STUCK_MS, "Stuck in a busy worker", known);
  }

  /** A task that was just assigned comes before all that might have been. */
  #checkFirst(assigned: Task, eligible: readonly Known[]): void {
    const rank = ({ priority, order }: Task) => order - 1e9 * priority;
    for (const one of eligible) {
      this.#ensure(rank(assigned) < rank(one.task), "Passed over", one);
    }
  }

  #ensure(holds: boolean, fault: string, { task, work, starts, message }: Known): void {
    if (holds) return;
    const { id, procedure, priority, isRepeatable } = task;
    const described = {
      id,
      procedure: procedure.name,
      priority,
      isRepeatable,
      work,
      starts,
      message,
    };
    throw new Error(
      `${fault}: ${JSON.stringify(described)} in a pool of ${JSON.stringify(this.#options)}`,
    );
  }

  #get(id: number): Known {
    const known = this.#known.get(id);
    assert(known !== undefined, `Unknown task ${id}`);
    return known;
  }

  #pick(min: number, max: number): number {
    return min + Math.floor(this.#random() * (max - min + 1));
  }

  #choose<Value>(values: readonly Value[]): Value {
    const value = values[Math.floor(this.#random() * values.length)];
    assert(value !== undefined);
    return value;
  }
}

Deno.test("Scheduler keeps its promises over 100,000 random steps", async () => {
  const totals = { ran: 0, refused: 0 };
  for (let seed = 1; seed <= RUNS; seed++) {
    using time = new VirtualTime();
    const simulation = new Simulation(time, randomFrom(seed));
    try {
      await simulation.open();
      for (let step = 0; step < STEPS / RUNS; step++) await simulation.step();
      await simulation.close();
    } catch (error) {
      throw new Error(`It fails for the seed ${seed}`, { cause: error });
    }
    totals.ran += simulation.ran;
    totals.refused += simulation.refused;
  }
  assert(totals.ran > STEPS / 10, `Only ${totals.ran} tasks were run`);
  assert(totals.refused < STEPS / 10, `${totals.refused} tasks were refused`);
});
