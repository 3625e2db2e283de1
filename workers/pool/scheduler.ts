/**
 * Gives tasks to workers, and their replies to whoever waits.
 *
 * @module
 */

import { RpcError } from "../../errors.ts";
import { safeObserver } from "../../internal/observer.ts";
import { MAX_PAUSE_MS, PAUSE_IN_NEED_MS } from "../../internal/streaming/stream_credits.ts";
import { isExpired, waitAtMost } from "../../internal/time.ts";
import type { CapacityLoad, WorkPlace } from "../../internal/running/encoded_handler.ts";
import type { HostStarter } from "../host/host.ts";
import type { ReplyMessage } from "../wire/protocol.ts";
import { Backlog } from "./backlog.ts";
import type { PoolEvent } from "./pool_events.ts";
import type { PoolSettings } from "./pool_options.ts";
import { type PoolStats, TaskCounts } from "./pool_stats.ts";
import { PoolProcedures } from "./procedures.ts";
import { Slots } from "./slots.ts";
import {
  closedError,
  crashedError,
  expiredError,
  overloadedError,
  overrunError,
  pausedError,
  Task,
  type TaskParts,
  zombiesError,
} from "./task.ts";

/** How often streams are looked at. */
const STREAM_WATCH_MS = 1_000;

/** The tasks of one pool. */
export class Scheduler {
  readonly #settings: PoolSettings;
  readonly #observe: (event: PoolEvent) => void;
  readonly #slots: Slots;
  readonly #procedures: PoolProcedures;
  readonly #backlog = new Backlog();
  readonly #counts = new TaskCounts();
  readonly #drained = Promise.withResolvers<void>();
  readonly #loadListeners = new Set<() => void>();
  readonly #taskOwner = { onAbort: (task: Task): void => this.#cancelled(task) };
  #streamTimer: ReturnType<typeof setTimeout> | undefined;
  #isOpen = true;
  #lastOrder = 0;

  /**
   * Makes a scheduler whose workers are not started.
   *
   * @param settings Size and limits.
   * @param starter Starts the workers.
   */
  constructor(settings: PoolSettings, starter: HostStarter) {
    this.#settings = settings;
    this.#observe = safeObserver(settings.onEvent);
    this.#procedures = new PoolProcedures(settings);
    this.#slots = new Slots(settings, starter, {
      onOverrun: (task, limitMs) => this.cancel(task, overrunError(task.procedure.name, limitMs)),
      onRoom: () => this.#onRoom(),
      onReply: (task, reply) => this.#finish(task, reply),
      onLeft: (task) => this.#leave(task),
      onCrash: (tasks, reason) => this.#lose(tasks, reason),
      onUnstarted: (tasks, reason) => this.#takeBack(tasks, reason),
      emit: (event) => this.#emit(event),
    });
  }

  /** The procedures that the workers expose. */
  get procedures(): readonly string[] {
    return this.#slots.procedures;
  }

  /** The longest that a task of any procedure runs, in milliseconds; `undefined` without a limit. */
  get timeLimitMs(): number | undefined {
    return this.#procedures.longestOf(this.procedures);
  }

  /** Workers that run tasks or could be started to. */
  get workers(): number {
    const { zombies } = this.#slots;
    if (!this.#isOpen || (zombies > 0 && zombies >= this.#settings.maxZombies)) return 0;
    return this.#slots.size - this.#slots.count().crashed;
  }

  /** The most tasks that wait for a worker. */
  get maxBacklog(): number {
    return this.#settings.maxBacklog;
  }

  /** Tasks that run or wait. */
  get tasks(): number {
    return this.#counts.held + this.#backlog.size;
  }

  /** Tells where the task is that has this signal; `undefined` if there is none. */
  locate(signal: AbortSignal): WorkPlace | undefined {
    const isMeant = (task: Task) => task.signal === signal;
    const held = this.#slots.find(isMeant);
    if (held !== undefined) {
      const forMs = performance.now() - held.task.heldAt;
      return { state: "running", worker: held.slot, forMs };
    }
    const waiting = this.#backlog.find(isMeant);
    return waiting && { state: "waiting", ahead: waiting.ahead };
  }

  /** Tells how busy the workers are. */
  get load(): CapacityLoad {
    const { idle, busy, starting, crashed } = this.#slots.count();
    return { workers: idle + busy + starting, busy, crashed, waiting: this.#backlog.size };
  }

  /** Calls back whenever {@linkcode workers} or {@linkcode tasks} may have changed. */
  watch(listener: () => void): () => void {
    this.#loadListeners.add(listener);
    return () => this.#loadListeners.delete(listener);
  }

  /** Starts the workers; settles when they are ready. */
  open(): Promise<void> {
    return this.#slots.open();
  }

  /**
   * Has more workers, or fewer.
   *
   * @throws {RpcError} `closed`.
   */
  resize(workers: number): void {
    if (!this.#isOpen) throw new RpcError("closed", "Cannot resize the pool as it is closed");
    this.#slots.resize(workers);
    this.#onRoom();
    this.#onLoad();
  }

  /** Tells what goes on, and what has gone on. */
  stats(): PoolStats {
    const { idle, busy, starting, crashed } = this.#slots.count();
    const [zombies, backlog] = [this.#slots.zombies, this.#backlog.size];
    return { idle, busy, starting, crashed, zombies, backlog, ...this.#counts.read() };
  }

  /**
   * Takes a task.
   *
   * @param procedure Its name.
   * @param parts What to do.
   * @returns The task, with the promise of its reply.
   * @throws {RpcError} `closed` or `overloaded`.
   */
  submit(procedure: string, parts: TaskParts): Task {
    const { maxBacklog, maxZombies } = this.#settings;
    const { zombies } = this.#slots;
    if (!this.#isOpen) throw closedError(procedure);
    if (zombies > 0 && zombies >= maxZombies) throw zombiesError(procedure, zombies);
    if (this.#backlog.size >= maxBacklog && this.#slots.pick(true) === undefined) {
      throw overloadedError(procedure, maxBacklog);
    }
    const task = new Task(++this.#lastOrder, this.#procedures.get(procedure), parts);
    task.watch(this.#taskOwner);
    this.#backlog.push(task);
    if (task.credits !== undefined) this.#watchStreams();
    this.#dispatch();
    this.#onLoad();
    return task;
  }

  /** Fails a task that nobody waits for any more. */
  cancel(task: Task, reason: unknown): void {
    if (task.isSettled) return;
    task.fail(reason);
    this.#cancelled(task);
  }

  /** Takes no more tasks, lets those that are there end, and ends the workers. */
  async close(graceMs: number): Promise<void> {
    this.#isOpen = false;
    clearTimeout(this.#streamTimer);
    this.#onLoad();
    this.#checkDrained();
    await waitAtMost(graceMs, this.#drained.promise);
    const tasks = [...this.#slots.tasks(), ...this.#backlog.clear()];
    const closed = this.#slots.close();
    for (const task of tasks) task.fail(closedError(task.procedure.name));
    await closed;
  }

  /** Gives waiting tasks to workers with room, in order. */
  #dispatch(): void {
    for (let task = this.#backlog.peek(); task !== undefined; task = this.#backlog.peek()) {
      if (isExpired(task.deadline)) {
        this.#backlog.shift();
        task.fail(expiredError(task.procedure.name));
        continue;
      }
      // A task whose body moves with it could not be given to another worker later.
      const slot = this.#slots.pick(task.isRepeatable);
      if (slot === undefined) return this.#slots.grow();
      this.#backlog.shift();
      this.#counts.start(task);
      this.#slots.assign(slot, task);
    }
  }

  /** Looks at streams while there are any: no reader that does not come keeps a worker from others. */
  #watchStreams(): void {
    this.#streamTimer ??= setTimeout(() => {
      this.#streamTimer = undefined;
      const streams = this.#slots.tasks().filter(({ credits }) => credits !== undefined);
      const limitMs = this.#backlog.size > 0 || this.#slots.haveWaiting
        ? PAUSE_IN_NEED_MS
        : MAX_PAUSE_MS;
      for (const task of streams) {
        if ((task.credits?.pauseMs ?? 0) < limitMs) continue;
        this.cancel(task, pausedError(task.procedure.name, limitMs));
      }
      const isWatched = streams.length > 0 || this.#backlog.size > 0;
      if (this.#isOpen && isWatched) this.#watchStreams();
    }, STREAM_WATCH_MS);
  }

  /** Sees to it that a task that has settled is not started, or is told that it may stop. */
  #cancelled(task: Task): void {
    this.#counts.cancelled++;
    if (task.holder === undefined) this.#backlog.drop();
    else if (task.holder.abort(task)) {
      this.#leave(task);
      // Its place may be what another task of its procedure waits for.
      this.#dispatch();
    }
    this.#checkDrained();
  }

  #onRoom(): void {
    this.#dispatch();
    this.#checkDrained();
  }

  #finish(task: Task, reply: ReplyMessage): void {
    task.procedure.learn(reply.runMs);
    this.#leave(task);
    if (task.isSettled) return;
    if (reply.timing !== undefined) task.timing?.take(reply.timing);
    this.#counts.finish(reply.type, reply.runMs);
    task.fulfil(reply);
  }

  /** No worker holds the task any more, so another of its procedure may run. */
  #leave(task: Task): void {
    task.holder = undefined;
    this.#counts.leave(task);
    this.#onLoad();
  }

  #lose(tasks: readonly Task[], reason: string): void {
    this.#counts.crashes++;
    for (const task of tasks) {
      this.#leave(task);
      task.fail(crashedError(task.procedure.name, reason));
    }
  }

  /** Tasks that a worker had not started go to another, before all that came later. */
  #takeBack(tasks: readonly Task[], reason: string): void {
    for (const task of tasks) this.#leave(task);
    const waiting = tasks.filter((task) => {
      if (task.isSettled) return false;
      if (task.isRepeatable) return true;
      task.fail(crashedError(task.procedure.name, reason));
      return false;
    });
    this.#backlog.restore(waiting.toSorted((a, b) => a.order - b.order));
    this.#onRoom();
  }

  #checkDrained(): void {
    if (this.#isOpen || this.#backlog.size > 0) return;
    if (this.#slots.areEmpty) this.#drained.resolve();
  }

  #onLoad(): void {
    for (const listener of this.#loadListeners) listener();
  }

  #emit(event: PoolEvent): void {
    this.#onLoad();
    this.#observe(event);
  }
}
