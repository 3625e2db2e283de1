/**
 * All slots of a pool: how many there are, and which one gets the next task.
 *
 * @module
 */

import { waitAtMost } from "../../internal/time.ts";
import type { HostStarter, WorkerHost } from "../host/host.ts";
import { FlushTiming } from "./flush_timing.ts";
import type { PoolEvent } from "./pool_events.ts";
import type { PoolSettings } from "./pool_options.ts";
import { Slot, type SlotOwner } from "./slot.ts";
import type { Task } from "./task.ts";

/** So much work a worker may hold, in milliseconds: it hides the way from thread to thread. */
const MAX_LOAD_MS = 3;

/** How often it is looked whether tasks wait inside a worker behind one that takes too long. */
const STUCK_CHECK_MS = 5;

/** How long a worker that was terminated is waited for: one that was busy may go on for ever. */
const MAX_END_MS = 1_000;

/** What the slots need of their pool. */
export type SlotsOwner = Omit<
  SlotOwner,
  | "url"
  | "startHost"
  | "startTimeoutMs"
  | "abortGraceMs"
  | "maxTasksPerWorker"
  | "maxWorkerMemoryMb"
  | "onZombie"
  | "onReplacementDue"
>;

type Timer = ReturnType<typeof setTimeout>;

/** The slots of one pool. */
export class Slots {
  readonly #settings: PoolSettings;
  readonly #starter: HostStarter;
  readonly #owner: SlotOwner;
  readonly #slots: Slot[];
  /** Slots that still run tasks, beside their successors. */
  readonly #retiring = new Set<Slot>();
  readonly #idleTimers = new Map<number, Timer>();
  #stuckTimer: Timer | undefined;
  /** The ends of all workers that still run, those that were abandoned included. */
  readonly #ending = new Set<Promise<void>>();
  readonly #timing = new FlushTiming(() => this.#flush());
  /** How many workers there are to be always. */
  #minWorkers: number;
  #zombies = 0;
  #isClosed = false;

  /**
   * Makes slots without workers.
   *
   * @param settings How many, and their limits.
   * @param starter Starts the workers.
   * @param owner The pool.
   */
  constructor(settings: PoolSettings, starter: HostStarter, owner: SlotsOwner) {
    const { maxWorkers, startTimeoutMs, abortGraceMs, maxTasksPerWorker } = settings;
    this.#minWorkers = settings.minWorkers;
    this.#settings = settings;
    this.#starter = starter;
    this.#owner = {
      ...owner,
      url: starter.url,
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
      onReplacementDue: (slot) => this.#replace(slot),
      emit: (event) => {
        this.#watchIdle(event);
        owner.emit(event);
      },
    };
    this.#slots = Array.from({ length: maxWorkers }, (_, index) => new Slot(index, this.#owner));
  }

  /** How many workers there may be. */
  get size(): number {
    return this.#slots.length;
  }

  /** Threads that were replaced because they ran on, and still do. */
  get zombies(): number {
    return this.#zombies;
  }

  /** Whether no worker holds a task. */
  get areEmpty(): boolean {
    return this.#all().every(({ held }) => held === undefined || held.size === 0);
  }

  /** Whether a task waits inside a worker for one before it. */
  get haveWaiting(): boolean {
    return this.#all().some(({ held }) => held !== undefined && held.size > 1);
  }

  /** The procedures that the workers expose. */
  get procedures(): readonly string[] {
    return this.#slots.find(({ procedures }) => procedures.length > 0)?.procedures ?? [];
  }

  /** The tasks that workers hold. */
  tasks(): Task[] {
    return this.#all().flatMap(({ held }) => held?.tasks ?? []);
  }

  /**
   * Finds a task that a worker holds.
   *
   * @returns The task, and the number of its slot; `undefined` if none is that one.
   */
  find(
    isMeant: (task: Task) => boolean,
  ): { readonly task: Task; readonly slot: number } | undefined {
    for (const { held, index } of this.#all()) {
      const task = held?.tasks.find(isMeant);
      if (task !== undefined) return { task, slot: index };
    }
    return undefined;
  }

  /** Starts as many workers as there are to be always; settles when all are ready. */
  async open(): Promise<void> {
    await Promise.all(this.#slots.slice(0, this.#minWorkers).map((slot) => slot.start()));
  }

  /** Has more workers, or fewer: those that are too many end with what they have in hand. */
  resize(workers: number): void {
    const { size } = this;
    const isFixed = this.#minWorkers === size;
    this.#minWorkers = isFixed ? workers : Math.min(this.#minWorkers, workers);
    for (let index = size; index < workers; index++) {
      const slot = new Slot(index, this.#owner);
      this.#slots.push(slot);
      // A start that fails is told as an event, and tried again.
      if (isFixed) slot.start().catch(() => {});
    }
    for (const slot of this.#slots.splice(workers)) {
      clearTimeout(this.#idleTimers.get(slot.index));
      this.#retiring.add(slot);
      slot.retire();
    }
  }

  /** How many slots are in each state. */
  count(): Record<Slot["state"], number> {
    const counts = { idle: 0, busy: 0, starting: 0, crashed: 0, closed: 0, retiring: 0 };
    for (const { state } of this.#slots) counts[state]++;
    return counts;
  }

  /**
   * An idle slot, or else the one with the least to do.
   *
   * @param mayWait Whether the task may be handed to a worker that is busy.
   */
  pick(mayWait: boolean): Slot | undefined {
    let best: Slot | undefined;
    let leastMs = MAX_LOAD_MS;
    for (const slot of this.#slots) {
      const { held } = slot;
      if (held === undefined) continue;
      if (held.size === 0) return slot;
      if (!mayWait || !held.hasRoom || held.loadMs >= leastMs) continue;
      best = slot;
      leastMs = held.loadMs;
    }
    return best;
  }

  /** Gives a task to a slot; it leaves soon, together with others. */
  assign(slot: Slot, task: Task): void {
    slot.assign(task);
    if (slot.held !== undefined && slot.held.size > 1) this.#watchStuck();
    this.#timing.due();
  }

  /** Starts one more worker, unless one is starting or there are as many as there may be. */
  grow(): void {
    if (this.#isClosed || this.#slots.some(({ state }) => state === "starting")) return;
    const vacant = this.#slots.find(({ state }) => state === "closed");
    // A start that fails is told as an event, and tried again.
    vacant?.start().catch(() => {});
  }

  /** Ends all workers, and waits for them as long as it is of use. */
  async close(): Promise<void> {
    this.#isClosed = true;
    for (const timer of this.#idleTimers.values()) clearTimeout(timer);
    clearTimeout(this.#stuckTimer);
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

  #watchStuck(): void {
    this.#stuckTimer ??= setTimeout(() => this.#takeBackStuck(), STUCK_CHECK_MS);
  }

  /** What was expected to be short and is not must not keep tasks from workers that are idle. */
  #takeBackStuck(): void {
    this.#stuckTimer = undefined;
    const slots = this.#all();
    const tasks = slots.flatMap((slot) => slot.takeBackStuck());
    if (slots.some(({ held }) => held?.mayBeStuck)) this.#watchStuck();
    if (tasks.length > 0) this.#owner.onUnstarted(tasks, "the task before it took too long");
  }

  /** Starts the successor of a worker first, so that there are never too few. */
  #replace(old: Slot): void {
    if (this.#isClosed) return;
    const fresh = new Slot(old.index, this.#owner);
    fresh.start().then(() => {
      if (this.#isClosed || this.#slots[old.index] !== old) return fresh.close();
      this.#slots[old.index] = fresh;
      this.#retiring.add(old);
      old.retire();
      this.#owner.onRoom();
    }, () => fresh.close());
  }

  /** Ends workers that had nothing to do for long, as long as there are more than always. */
  #watchIdle(event: PoolEvent): void {
    const { idleTimeoutMs } = this.#settings;
    if (this.#minWorkers >= this.size || (event.type !== "idle" && event.type !== "busy")) return;
    const { slot, type } = event;
    clearTimeout(this.#idleTimers.get(slot));
    if (type === "busy") return;
    this.#idleTimers.set(slot, setTimeout(() => this.#shrink(slot), idleTimeoutMs));
  }

  #shrink(index: number): void {
    const { idle, busy } = this.count();
    const slot = this.#slots[index];
    if (slot?.state === "idle" && idle + busy > this.#minWorkers) slot.close();
  }
}

/** Near V8's own limit a process only collects garbage, and past it dies in the middle of a task. */
const RECYCLE_SHARE = 0.8;

function recycleAt({ isolation, maxWorkerMemoryMb }: PoolSettings): number | undefined {
  if (isolation === "thread" || maxWorkerMemoryMb === undefined) return maxWorkerMemoryMb;
  return maxWorkerMemoryMb * RECYCLE_SHARE;
}
