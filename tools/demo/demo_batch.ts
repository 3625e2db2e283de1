import { ProgressBar } from "../../deps/std_cli.ts";
import type { RpcClient } from "../../mod.ts";
import type { FibonacciContract } from "../../workers/fibonacci.ts";
import { pause } from "../time/waiting.ts";
import { column, line } from "./demo_text.ts";

/** What {@linkcode runBatch} measured. */
export interface BatchResult {
  /** From the first call to the last reply. */
  readonly elapsedMs: number;
  /** How long each `fibonacci(1)` took meanwhile, shortest first. */
  readonly quickMs: readonly number[];
}

const TASK_MS = 250;
const GOLDEN_RATIO = (1 + Math.sqrt(5)) / 2;
const QUICK_INTERVAL_MS = 5;
const TIMEOUT_MS = 25_000;

/** Finds the `n` for which `slowFibonacci(n)` takes about a quarter of a second here. */
export async function calibrate(client: RpcClient<FibonacciContract>): Promise<number> {
  for (let n = 28;; n++) {
    const taskMs = await shortestMs(client, n);
    // Each step takes 1.6 times as long as the one before.
    if (taskMs < TASK_MS / 6) continue;
    return n + Math.round(Math.log(TASK_MS / taskMs) / Math.log(GOLDEN_RATIO));
  }
}

/** Other programs, and code that is not compiled yet, only ever make a task longer. */
async function shortestMs(client: RpcClient<FibonacciContract>, n: number): Promise<number> {
  const times: number[] = [];
  while (times.length < 3) {
    const start = performance.now();
    await client.call("slowFibonacci", n, { timeoutMs: TIMEOUT_MS });
    times.push(performance.now() - start);
  }
  return Math.min(...times);
}

/** Calls `slowFibonacci(n)` many times at once, and `fibonacci(1)` all the while. */
export async function runBatch(
  client: RpcClient<FibonacciContract>,
  batch: { readonly label: string; readonly n: number; readonly tasks: number },
): Promise<BatchResult> {
  const { label, n, tasks } = batch;
  await using progress = new Progress(label, tasks);
  const start = performance.now();
  const calls = Array.from({ length: tasks }, async () => {
    await client.call("slowFibonacci", n, { timeoutMs: TIMEOUT_MS });
    progress.advance();
  });
  const done = new AbortController();
  const [elapsedMs, quickMs] = await Promise.all([
    Promise.all(calls).then(() => performance.now() - start).finally(() => done.abort()),
    timeQuickCalls(client, done.signal),
  ]);
  return { elapsedMs, quickMs };
}

async function timeQuickCalls(
  client: RpcClient<FibonacciContract>,
  done: AbortSignal,
): Promise<number[]> {
  const times: number[] = [];
  while (!done.aborted) {
    const start = performance.now();
    await client.call("fibonacci", 1);
    times.push(performance.now() - start);
    await pause(QUICK_INTERVAL_MS);
  }
  return times.sort((a, b) => a - b);
}

/** A bar in a terminal; elsewhere one line at the end. */
class Progress implements AsyncDisposable {
  readonly #label: string;
  readonly #tasks: number;
  readonly #start = performance.now();
  readonly #bar: ProgressBar | undefined;
  #done = 0;

  constructor(label: string, tasks: number) {
    this.#label = label;
    this.#tasks = tasks;
    if (!Deno.stdout.isTerminal()) return;
    this.#bar = new ProgressBar({
      max: tasks,
      writable: Deno.stdout.writable,
      barLength: 40,
      fillChar: "█",
      emptyChar: "░",
      fmt: ({ progressBar }) => `${column(label)}${progressBar} ${this.#summary()}`,
    });
  }

  advance(): void {
    this.#done++;
    if (this.#bar !== undefined) this.#bar.value = this.#done;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#bar !== undefined) return await this.#bar.stop();
    line(this.#label, this.#summary());
  }

  #summary(): string {
    const seconds = (performance.now() - this.#start) / 1_000;
    return `${this.#done}/${this.#tasks}  ${seconds.toFixed(1)} s`;
  }
}
