import type { Interruption } from "./interruption.ts";

/** What a task has to work with. */
export interface TaskContext {
  /** What the user has written after the task's name. */
  readonly args: readonly string[];
  /** Variables for every `deno` that the task starts. */
  readonly env: Readonly<Record<string, string>>;
  /** Signals to pass on to whatever the task starts. */
  readonly interruption: Interruption;
}

/** One thing that `deno task` can do here; gives the exit code. */
export type Task = (context: TaskContext) => Promise<number>;
