/**
 * Brings tasks to workers, and replies back.
 *
 * @module
 */

import { safeObserver } from "../../internal/observer.ts";
import { isExpired, waitAtMost } from "../../internal/time.ts";
import { Backlog } from "./backlog.ts";
import type { PoolEvent } from "./pool_events.ts";
import type { PoolSettings } from "./pool_options.ts";
import { type PoolStats, TaskCounts } from "./pool_stats.ts";
import type { ReplyMessage } from "../wire/protocol.ts";
import { RunTimes } from "./run_times.ts";
import { Slots } from "./slots.ts";
import { hostStarter } from "../host/host_starter.ts";
import { Task, type TaskRequest } from "./task.ts";
import {
  closedError,
  crashedError,
  expiredError,
  overloadedError,
  overrunError,
  zombiesError,
} from "./task_errors.ts";

/** The tasks of one pool. */
export class Scheduler {
  readonly #settings: PoolSettings;
  readonly #observe: (event: PoolEvent) => void;
  readonly #slots: Slots;
  readonly #backlog = new Backlog();
  readonly #runTimes = new RunTimes();
  readonly #counts = new TaskCounts();
  readonly #drained = Promise.withResolvers<void>();
  readonly #loadListeners = new Set<() => void>();
  #isOpen = true;
  #lastId = 0;

  /**
   * Makes a scheduler whose workers are not started.
   *
   * @param url The absolute URL of the worker file.
   * @param settings Size and limits.
   */
  constructor(url: string, settings: PoolSettings) {
    const { limits, timeLimitMs } = settings;
    this.#settings = settings;
    this.#observe = safeObserver(settings.onEvent);
    this.#slots = new Slots(settings, hostStarter(url, settings), {
      timeLimitOf: (procedure) => limits[procedure]?.timeLimitMs ?? timeLimitMs,
      onOverrun: (task, limitMs) => {
        this.giveUp(task, overrunError(task.request.procedure, limitMs));
      },
      onRoom: () => this.#onRoom(),
      onReply: (task, reply) => this.#finish(task, reply),
      onLeft: (task) => this.#leave(task),
      onCrash: (running, reason) => {
        this.#counts.crashes++;
        if (running === undefined) return;
        this.#leave(running);
        running.fail(crashedError(running.request.procedure, reason));
      },
      onUnstarted: (tasks, reason) => this.#takeBack(tasks, reason),
      emit: (event) => this.#emit(event),
    });
  }

  /** The procedures that the workers expose. */
  get procedures(): readonly string[] {
    return this.#slots.procedures;
  }

  /** Workers that run tasks or could be started to. */
  get workers(): number {
    const { zombies } = this.#slots;
    if (!this.#isOpen || (zombies > 0 && zombies >= this.#settings.maxZombies)) return 0;
    return this.#settings.maxWorkers - this.#slots.count().crashed;
  }

  /** The most tasks that wait for a worker. */
  get maxBacklog(): number {
    return this.#settings.maxBacklog;
  }

  /** Tasks that run or wait. */
  get tasks(): number {
    return this.#counts.held + this.#backlog.size;
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

  /** Tells what goes on, and what has gone on. */
  stats(): PoolStats {
    const { closed: _closed, ...states } = this.#slots.count();
    const [zombies, backlog] = [this.#slots.zombies, this.#backlog.size];
    return { ...states, zombies, backlog, ...this.#counts.read() };
  }

  /**
   * Takes a task.
   *
   * @param request What to do.
   * @returns The task, with the promise of its reply.
   * @throws {RpcError} `closed` or `overloaded`.
   */
  submit(request: TaskRequest): Task {
    const { procedure, priority = 0 } = request;
    const { maxBacklog, maxZombies } = this.#settings;
    const { zombies } = this.#slots;
    if (!this.#isOpen) throw closedError(procedure);
    if (zombies > 0 && zombies >= maxZombies) throw zombiesError(procedure, zombies);
    if (this.#backlog.size >= maxBacklog && this.#slots.pick(true) === undefined) {
      throw overloadedError(procedure, maxBacklog);
    }
    // Ids fit the 31 bits in which JavaScript engines keep small integers.
    this.#lastId = (this.#lastId + 1) & 0x7fffffff;
    const task = new Task(this.#lastId, request, (aborted) => this.#abandon(aborted));
    this.#backlog.push(task, priority);
    this.#dispatch();
    this.#onLoad();
    return task;
  }

  /** Fails a task that nobody waits for any more. */
  giveUp(task: Task, reason: unknown): void {
    if (task.isSettled) return;
    task.fail(reason);
    this.#abandon(task);
  }

  /** Takes no more tasks, lets those that are there end, and ends the workers. */
  async close(graceMs: number): Promise<void> {
    this.#isOpen = false;
    this.#onLoad();
    this.#checkDrained();
    await waitAtMost(graceMs, this.#drained.promise);
    const tasks = [...this.#slots.wanted(), ...this.#backlog.clear()];
    const closed = this.#slots.close();
    for (const task of tasks) task.fail(closedError(task.request.procedure));
    await closed;
  }

  /** Gives waiting tasks to workers with room, in order. */
  #dispatch(): void {
    for (let task = this.#backlog.peek(); task !== undefined; task = this.#backlog.peek()) {
      if (isExpired(task.request.deadline)) {
        this.#backlog.shift();
        task.fail(expiredError(task.request.procedure));
        continue;
      }
      if (this.#mustStayBack(task)) {
        this.#backlog.shift();
        this.#backlog.setAside(task);
        continue;
      }
      // A task whose body moves with it could not be given to another worker later.
      const slot = this.#slots.pick(task.isRepeatable);
      if (slot === undefined) return this.#slots.grow();
      this.#backlog.shift();
      const { procedure } = task.request;
      this.#counts.start(task);
      task.holder = slot;
      slot.assign(task, this.#runTimes.expect(procedure));
      this.#slots.flushSoon();
    }
  }

  /** Whether as many tasks of its procedure run as may run at a time. */
  #mustStayBack({ request: { procedure } }: Task): boolean {
    const max = this.#settings.limits[procedure]?.maxConcurrent;
    return max !== undefined && this.#counts.runningOf(procedure) >= max;
  }

  /** Sees to it that a task that has settled is not started, or knows that it may stop. */
  #abandon(task: Task): void {
    this.#counts.cancelled++;
    if (task.holder === undefined) this.#backlog.drop();
    else if (task.holder.abort(task)) this.#leave(task);
    this.#checkDrained();
  }

  #onRoom(): void {
    this.#dispatch();
    this.#checkDrained();
  }

  #finish(task: Task, { type, body, contentType, runMs }: ReplyMessage): void {
    this.#runTimes.learn(task.request.procedure, runMs);
    this.#leave(task);
    if (task.isSettled) return;
    this.#counts.finish(type, runMs);
    task.fulfil({ type, body, contentType });
  }

  /** The task holds no worker any more, so another of its procedure may run. */
  #leave(task: Task): void {
    task.holder = undefined;
    const { procedure } = task.request;
    this.#counts.leave(procedure);
    this.#backlog.resume(procedure);
    this.#onLoad();
  }

  /** Tasks that a lost worker had not started go to another, before all that came later. */
  #takeBack(tasks: readonly Task[], reason: string): void {
    for (const task of tasks) this.#leave(task);
    const waiting = tasks.filter((task) => {
      if (task.isSettled) return false;
      if (task.isRepeatable) return true;
      task.fail(crashedError(task.request.procedure, reason));
      return false;
    });
    this.#backlog.unshift(waiting);
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
