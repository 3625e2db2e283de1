/**
 * One place in a pool. It outlives its workers: when one dies, it starts the next.
 *
 * @module
 */

import { RpcError } from "../../errors.ts";
import { toPrintable } from "../../internal/text.ts";
import type { StartHost, WorkerHost } from "../host/host.ts";
import { PROTOCOL_VERSION, type ReplyMessage, type WorkerMessage } from "../wire/protocol.ts";
import { HeldTasks } from "./held_tasks.ts";
import type { PoolEvent } from "./pool_events.ts";
import { Replacement } from "./replacement.ts";
import { RunClock, type RunLimits } from "./run_clock.ts";
import type { Task } from "./task.ts";

/** So much of a URL is shown in an error. */
const MAX_URL_CHARS = 200;

/** What a slot needs of its pool. */
export interface SlotOwner extends Omit<RunLimits, "onIgnored"> {
  /** The absolute URL of the worker file. */
  readonly url: string;
  /** Starts a worker. */
  readonly startHost: StartHost;
  /** The most time a worker has from its start until it is ready, in milliseconds. */
  readonly startTimeoutMs: number;
  /** The most tasks that a worker runs before it is replaced; absent is no limit. */
  readonly maxTasksPerWorker: number | undefined;
  /** The most memory that a worker may hold between tasks, in MiB; absent is no limit. */
  readonly maxWorkerMemoryMb: number | undefined;
  /** A worker has room for tasks. */
  onRoom(): void;
  /** A worker has run a task to its end. */
  onReply(task: Task, reply: ReplyMessage): void;
  /** A worker is rid of a task that it has not run to its end. */
  onLeft(task: Task): void;
  /** A worker died, and took these tasks with it. */
  onCrash(tasks: readonly Task[], reason: string): void;
  /** A worker is gone that had not started these tasks. */
  onUnstarted(tasks: readonly Task[], reason: string): void;
  /** A worker has run as many tasks, or holds as much memory, as it may. */
  onReplacementDue(slot: Slot): void;
  /** A worker was abandoned, which may go on for as long as it likes. */
  onZombie(host: WorkerHost, slot: number): void;
  /** Tells the observer. */
  emit(event: PoolEvent): void;
}

type Timer = ReturnType<typeof setTimeout>;

/** A worker that takes tasks. */
interface Live {
  readonly host: WorkerHost;
  readonly held: HeldTasks;
}

type SlotState =
  | { readonly name: "starting"; readonly host: WorkerHost; readonly timer: Timer }
  | { readonly name: "idle" | "busy" } & Live
  /** Takes no more tasks, and ends with the last one. */
  | { readonly name: "retiring" } & Live
  | { readonly name: "crashed"; readonly timer: Timer }
  | { readonly name: "closed" };

/** The states of which the observer is told by their names. */
type ToldState = Extract<SlotState, { readonly name: "starting" | "idle" | "busy" | "closed" }>;

/** One place in a pool, with the worker that is in it. */
export class Slot {
  readonly index: number;
  readonly #owner: SlotOwner;
  readonly #clock: RunClock;
  readonly #replacement: Replacement;
  #ready: PromiseWithResolvers<void> | undefined;
  #state: SlotState = { name: "closed" };
  #procedures: readonly string[] = [];

  /**
   * Makes a slot without a worker.
   *
   * @param index The number of the slot in its pool.
   * @param owner The pool.
   */
  constructor(index: number, owner: SlotOwner) {
    this.index = index;
    this.#owner = owner;
    const { abortGraceMs, maxTasksPerWorker, maxWorkerMemoryMb } = owner;
    this.#replacement = new Replacement(maxTasksPerWorker, maxWorkerMemoryMb);
    this.#clock = new RunClock({
      abortGraceMs,
      onOverrun: (task, limitMs) => owner.onOverrun(task, limitMs),
      onIgnored: (task) => this.#abandon(task),
    });
  }

  /** What the slot is doing. */
  get state(): SlotState["name"] {
    return this.#state.name;
  }

  /** What the worker holds, if there is a worker that is ready. */
  get held(): HeldTasks | undefined {
    return "held" in this.#state ? this.#state.held : undefined;
  }

  /** The procedures that the worker exposes. */
  get procedures(): readonly string[] {
    return this.#procedures;
  }

  /** Starts a worker; settles when the first one is ready, or cannot be started. */
  start(): Promise<void> {
    const ready = Promise.withResolvers<void>();
    this.#ready = ready;
    this.#startWorker();
    return ready.promise;
  }

  /** Gives the worker a task, which leaves with the next {@linkcode flush}. */
  assign(task: Task): void {
    if (this.#state.name !== "idle" && this.#state.name !== "busy") {
      throw new TypeError(`Cannot assign a task as slot ${this.index} is ${this.#state.name}`);
    }
    const { name, host, held } = this.#state;
    if (name === "idle") this.#become({ name: "busy", host, held });
    task.holder = this;
    held.add(task);
    this.#clock.watch(held.timed);
  }

  /** Sends the tasks that were assigned since the last time; returns how many. */
  flush(): number {
    if (!("held" in this.#state)) return 0;
    const { host, held } = this.#state;
    const outgoing = held.takeUnsent();
    if (outgoing === undefined) return 0;
    try {
      host.post(outgoing.messages, outgoing.transfer);
      return outgoing.messages.length;
    } catch (error) {
      const ids = new Set(outgoing.messages.map(({ id }) => id));
      // Another worker could not be sent them either.
      this.#crash(`it cannot be reached: ${describe(error)}`, ids);
      return 0;
    }
  }

  /** Tells the worker that nobody waits for a task; returns whether it had not started it. */
  abort(task: Task): boolean {
    if (!("held" in this.#state)) return false;
    const { host, held } = this.#state;
    const aborted = held.find(task);
    if (aborted === undefined) return false;
    if (held.takeBack(aborted)) return true;
    host.control?.cancel(aborted.cell);
    // The task may still wait here; the worker must not be told of its end before its start.
    this.flush();
    host.post([{ type: "abort", id: task.id }], []);
    this.#clock.watch(held.timed);
    return false;
  }

  /** Takes back what waits behind a task that takes longer than expected. */
  takeBackStuck(): Task[] {
    return this.held?.takeBackStuck() ?? [];
  }

  /** Allows a task that streams so many items more. */
  grant(task: Task, count: number): void {
    if (!("held" in this.#state) || this.#state.held.find(task) === undefined) return;
    this.flush();
    this.#state.host.post([{ type: "credit", id: task.id, count }], []);
  }

  /** Takes no more tasks, and ends once the worker has run those that it holds. */
  retire(): void {
    this.flush();
    if (!("held" in this.#state)) return this.close();
    const { host, held } = this.#state;
    this.#state = { name: "retiring", host, held };
    this.#closeIfRetired();
  }

  /** Ends the worker, and starts no other. */
  close(): void {
    this.#release();
    if (this.#state.name !== "closed") this.#become({ name: "closed" });
    this.#ready?.reject(this.#notStarted("the pool was closed"));
  }

  #startWorker(): void {
    const startedAt = performance.now();
    const { startTimeoutMs, startHost } = this.#owner;
    let host: WorkerHost;
    try {
      host = startHost({
        onMessages: (messages) => {
          for (const message of messages) this.#receive(message, startedAt);
          this.#afterMessages();
        },
        onDeath: (reason) => this.#crash(reason),
      });
    } catch (error) {
      return this.#planRestart(describe(error), undefined);
    }
    const timer = setTimeout(
      () => this.#crash(`it was not ready within ${startTimeoutMs} ms: does it call expose()?`),
      startTimeoutMs,
    );
    this.#become({ name: "starting", host, timer });
  }

  #receive(message: WorkerMessage, startedAt: number): void {
    switch (message?.type) {
      case "ready":
        return this.#welcome(message, performance.now() - startedAt);
      case "unusable":
        return this.#crash(message.reason);
      case "output":
      case "error":
        return this.#finish(message);
      case "item":
      case "progress":
        return this.held?.get(message.id)?.tell(message.type, message);
      case "skipped":
        return this.#skip(message.id);
      case "ending":
        return;
      default:
        // A task may have changed the built-ins that messages are written with.
        return this.#crash("it sent a message of an unknown type");
    }
  }

  #welcome(message: WorkerMessage & { type: "ready" }, startMs: number): void {
    if (this.#state.name !== "starting") return;
    const { version, procedures } = message;
    if (version !== PROTOCOL_VERSION) {
      return this.#crash(`it speaks protocol version ${version}, and the pool ${PROTOCOL_VERSION}`);
    }
    this.#procedures = procedures;
    this.#replacement.onReady();
    const { timer, host } = this.#state;
    clearTimeout(timer);
    this.#state = { name: "idle", host, held: new HeldTasks(host.control) };
    this.#owner.emit({ type: "ready", slot: this.index, startMs, procedures });
    this.#ready?.resolve();
    this.#owner.onRoom();
  }

  #finish(reply: ReplyMessage): void {
    const held = this.held?.remove(reply.id);
    if (held === undefined || held.isTakenBack) return;
    this.#owner.onReply(held.task, reply);
    if (this.#replacement.onTask(reply.memoryMb)) this.#owner.onReplacementDue(this);
  }

  #skip(id: number): void {
    const held = this.held?.remove(id);
    // A task that was taken back has left at once.
    if (held !== undefined && !held.isTakenBack) this.#owner.onLeft(held.task);
  }

  /** One batch of replies has been dealt with: the next task begins its time, or there is none. */
  #afterMessages(): void {
    if (this.#state.name !== "busy" && this.#state.name !== "retiring") return;
    this.#clock.watch(this.#state.held.timed);
    this.#owner.onRoom();
    if (this.#state.name === "busy" && this.#state.held.size === 0) {
      const { host, held } = this.#state;
      this.#become({ name: "idle", host, held });
    }
    this.#closeIfRetired();
  }

  #closeIfRetired(): void {
    if (this.#state.name === "retiring" && this.#state.held.size === 0) this.close();
  }

  /** The worker runs on although its task was cancelled: it makes way for another. */
  #abandon(task: Task): void {
    if (!("held" in this.#state)) return;
    const { name, host, held } = this.#state;
    const { tasks } = held;
    const procedure = task.procedure.name;
    this.#owner.emit({ type: "abandoned", slot: this.index, procedure });
    this.#release();
    if (host.control !== undefined) this.#owner.onZombie(host, this.index);
    if (name === "retiring") this.#become({ name: "closed" });
    else this.#startWorker();
    // One that was taken back has left already.
    if (tasks.includes(task)) this.#owner.onLeft(task);
    const unstarted = tasks.filter((one) => one !== task);
    this.#owner.onUnstarted(unstarted, `it went on with "${procedure}" after its end`);
  }

  /**
   * Ends the worker and everything it held, and plans the next.
   *
   * @param cause Why, also in words of the worker's own.
   * @param lost The ids of tasks that did not reach it, and would reach no other.
   */
  #crash(cause: string, lost: ReadonlySet<number> = new Set()): void {
    if (!("host" in this.#state)) return;
    const reason = toPrintable(cause, { lines: true });
    const tasks = this.held?.tasks ?? [];
    const started = this.held?.findStarted() ?? [];
    this.#planRestart(reason, started.at(-1)?.procedure.name);
    const failed = tasks.filter((task) => started.includes(task) || lost.has(task.id));
    const unstarted = tasks.filter((task) => !failed.includes(task));
    this.#owner.onCrash(failed, reason);
    this.#owner.onUnstarted(unstarted, reason);
  }

  #planRestart(reason: string, procedure: string | undefined): void {
    const { name } = this.#state;
    this.#release();
    const restartInMs = this.#replacement.onDeath("held" in this.#state);
    const timer = setTimeout(() => this.#startWorker(), restartInMs);
    this.#state = { name: "crashed", timer };
    this.#owner.emit({ type: "crashed", slot: this.index, reason, procedure, restartInMs });
    this.#ready?.reject(this.#notStarted(reason));
    if (name === "retiring") this.close();
  }

  /** Lets go of the worker, and of whatever was planned. */
  #release(): void {
    this.#clock.stop();
    if ("timer" in this.#state) clearTimeout(this.#state.timer);
    if ("host" in this.#state) this.#state.host.terminate();
  }

  #notStarted(reason: string): RpcError {
    // That of a worker file without a place of its own holds all of it.
    const url = toPrintable(this.#owner.url.slice(0, MAX_URL_CHARS));
    return new RpcError("worker-not-started", `Cannot start a worker of "${url}": ${reason}`);
  }

  #become(state: ToldState): void {
    this.#state = state;
    this.#owner.emit({ type: state.name, slot: this.index });
  }
}

function describe(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
