/** What servers have run, in files that outlive them. @module */

import type { Execution } from "./history.ts";
import { now } from "./history.ts";

/** Writes what a server runs, so that not even SIGKILL loses a line. */
export class ExecutionLog implements Disposable {
  readonly #file: Deno.FsFile;
  readonly #encoder = new TextEncoder();

  /** Opens a file that several threads may write at a time. */
  constructor(path: string) {
    this.#file = Deno.openSync(path, { append: true, create: true });
  }

  /** Says that a handler begins. */
  begin(call: number, redeliveries: number): void {
    this.#write(`begin ${call} ${redeliveries} ${now()}`);
  }

  /** Says that a handler has come to its end. */
  end(call: number): void {
    this.#write(`end ${call}`);
  }

  [Symbol.dispose](): void {
    this.#file.close();
  }

  /** One system call for each line: what it has written, the kernel keeps. */
  #write(line: string): void {
    this.#file.writeSync(this.#encoder.encode(`${line}\n`));
  }
}

/**
 * Reads what a server has run.
 *
 * @param text The text of its file.
 * @param server Its name.
 */
export function readExecutions(text: string, server: string): Execution[] {
  const executions: { -readonly [Key in keyof Execution]: Execution[Key] }[] = [];
  const running = new Map<number, typeof executions>();
  for (const line of text.split("\n")) {
    const [word, ...numbers] = line.split(" ");
    const [call = NaN, redeliveries = NaN, startedAt = NaN] = numbers.map(Number);
    if (word === "begin") {
      const execution = { call, server, redeliveries, startedAt, isComplete: false };
      executions.push(execution);
      running.set(call, [...running.get(call) ?? [], execution]);
    } else if (word === "end") {
      const execution = running.get(call)?.shift();
      if (execution !== undefined) execution.isComplete = true;
    }
  }
  return executions;
}
