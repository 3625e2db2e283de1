/**
 * All slots of a pool: how many there are, and which one gets the next task.
 *
 * @module
 */

import { FlushTiming } from "./flush_timing.ts";
import type { HostStarter, WorkerHost } from "../host/host.ts";
import type { PoolEvent } from "./pool_events.ts";
import type { PoolSettings } from "./pool_options.ts";
import { Slot, type SlotOwner } from "./slot.ts";
import type { Task } from "./task.ts";
import { waitAtMost } from "../../internal/time.ts";

/** So much work a worker may hold, in milliseconds: it hides the way from thread to thread. */
const MAX_LOAD_MS = 3;

/** How long a worker that was terminated is waited for: one that was busy may go on for ever. */
const MAX_END_MS = 1_000;

/** Who hears from the slots. */
export type SlotsOwner = Omit<
  SlotOwner,
  | "startHost"
  | "startTimeoutMs"
  | "abortGraceMs"
  | "maxTasksPerWorker"
  | "maxWorkerMemoryMb"
  | "onZombie"
  | "onWorn"
>;

/** The slots of one pool. */
export class Slots {
  readonly #settings: PoolSettings;
  readonly #starter: HostStarter;
  readonly #owner: SlotOwner;
  readonly #slots: Slot[];
  /** Worn slots that still run tasks, beside their successors. */
  readonly #retiring = new Set<Slot>();
  readonly #idleTimers = new Map<number, ReturnType<typeof setTimeout>>();
  /** The ends of all workers that still run, those that were given up included. */
  readonly #ending = new Set<Promise<void>>();
  readonly #timing = new FlushTiming(() => this.#flush());
  #zombies = 0;
  #isClosed = false;

  /**
   * Makes slots without workers.
   *
   * @param settings How many, and their limits.
   * @param starter Starts the workers.
   * @param owner Who hears from them.
   */
  constructor(settings: PoolSettings, starter: HostStarter, owner: SlotsOwner) {
    const { maxWorkers, startTimeoutMs, abortGraceMs, maxTasksPerWorker } = settings;
    this.#settings = settings;
    this.#starter = starter;
    this.#owner = {
      ...owner,
      startHost: (listener) => this.#watch(starter.start(listener)),
      startTimeoutMs,
      abortGraceMs,
      maxTasksPerWorker,
      // V8 ends a process at its limit; it should make way before.
      maxWorkerMemoryMb: recycleAt(settings),
      onRoom: () => {
        this.#timing.beginTurn();
        owner.onRoom();
      },
      onZombie: (host, slot) => this.#countZombie(host, slot),
      onWorn: (slot) => this.#replace(slot),
      emit: (event) => {
        this.#watchIdle(event);
        owner.emit(event);
      },
    };
    this.#slots = Array.from({ length: maxWorkers }, (_, index) => new Slot(index, this.#owner));
  }

  /** Threads that were replaced because they ran on, and still do. */
  get zombies(): number {
    return this.#zombies;
  }

  /** Whether no worker holds a task. */
  get areEmpty(): boolean {
    return this.#all().every(({ held }) => held?.isEmpty ?? true);
  }

  /** The procedures that the workers expose. */
  get procedures(): readonly string[] {
    return this.#slots.find(({ procedures }) => procedures.length > 0)?.procedures ?? [];
  }

  /** The tasks that workers hold and that somebody waits for. */
  wanted(): Task[] {
    return this.#all().flatMap(({ held }) => held?.wanted.map(({ task }) => task) ?? []);
  }

  /** Starts as many workers as there are to be always; settles when all are ready. */
  async open(): Promise<void> {
    await Promise.all(this.#slots.slice(0, this.#settings.minWorkers).map((slot) => slot.start()));
  }

  /** How many slots are in each state. */
  count(): Record<Slot["state"], number> {
    const counts = { idle: 0, busy: 0, starting: 0, crashed: 0, closed: 0 };
    for (const { state } of this.#slots) counts[state]++;
    return counts;
  }

  /**
   * The slot with the least to do, if it may take one more task.
   *
   * @param mayWait Whether the task may be handed to a worker that is busy.
   */
  pick(mayWait: boolean): Slot | undefined {
    let best: Slot | undefined;
    let leastMs = Infinity;
    for (const slot of this.#slots) {
      const { held } = slot;
      if (held === undefined || !held.hasRoom || held.loadMs >= leastMs) continue;
      best = slot;
      leastMs = held.loadMs;
    }
    if (best?.held === undefined || best.held.isEmpty) return best;
    return mayWait && leastMs < MAX_LOAD_MS ? best : undefined;
  }

  /** Starts one more worker, unless one is starting or there are as many as there may be. */
  grow(): void {
    if (this.#isClosed || this.#slots.some(({ state }) => state === "starting")) return;
    const vacant = this.#slots.find(({ state }) => state === "closed");
    // A start that fails is told as an event, and tried again.
    vacant?.start().catch(() => {});
  }

  /** Sends what was assigned, soon. */
  flushSoon(): void {
    this.#timing.due();
  }

  /** Ends all workers, and waits for them as long as it is of use. */
  async close(): Promise<void> {
    this.#isClosed = true;
    for (const timer of this.#idleTimers.values()) clearTimeout(timer);
    for (const slot of this.#all()) slot.close();
    await waitAtMost(MAX_END_MS, Promise.all(this.#ending));
    await this.#starter.close();
  }

  #flush(): number {
    return this.#slots.reduce((sent, slot) => sent + slot.flush(), 0);
  }

  #all(): Slot[] {
    for (const slot of this.#retiring) if (slot.state === "closed") this.#retiring.delete(slot);
    return [...this.#slots, ...this.#retiring];
  }

  #watch(host: WorkerHost): WorkerHost {
    const ended = host.ended.finally(() => this.#ending.delete(ended));
    this.#ending.add(ended);
    return host;
  }

  #countZombie(host: WorkerHost, slot: number): void {
    this.#zombies++;
    host.ended.then(() => {
      this.#zombies--;
      this.#owner.emit({ type: "zombie-ended", slot });
    });
  }

  /** Starts the successor of a worn worker first, so that there are never too few. */
  #replace(worn: Slot): void {
    if (this.#isClosed) return;
    const fresh = new Slot(worn.index, this.#owner);
    fresh.start().then(() => {
      if (this.#isClosed || this.#slots[worn.index] !== worn) return fresh.close();
      this.#slots[worn.index] = fresh;
      this.#retiring.add(worn);
      worn.retire();
      this.#owner.onRoom();
    }, () => fresh.close());
  }

  /** Ends workers that had nothing to do for long, as long as there are more than always. */
  #watchIdle(event: PoolEvent): void {
    const { minWorkers, maxWorkers, idleTimeoutMs } = this.#settings;
    if (minWorkers === maxWorkers || (event.type !== "idle" && event.type !== "busy")) return;
    const { slot, type } = event;
    clearTimeout(this.#idleTimers.get(slot));
    if (type === "busy") return;
    this.#idleTimers.set(slot, setTimeout(() => this.#shrink(slot), idleTimeoutMs));
  }

  #shrink(index: number): void {
    const { idle, busy } = this.count();
    const slot = this.#slots[index];
    if (slot?.state === "idle" && idle + busy > this.#settings.minWorkers) slot.close();
  }
}

/** Near V8's own limit a process only collects garbage, and past it dies in the middle of a task. */
const RECYCLE_SHARE = 0.8;

function recycleAt({ isolation, maxWorkerMemoryMb }: PoolSettings): number | undefined {
  if (isolation === "thread" || maxWorkerMemoryMb === undefined) return maxWorkerMemoryMb;
  return maxWorkerMemoryMb * RECYCLE_SHARE;
}
