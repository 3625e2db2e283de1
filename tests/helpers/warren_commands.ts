/** Every command of warren that needs a broker, and what becomes of it. @module */

import type { ChildResult } from "./child.ts";
import { warren } from "./warren.ts";

const WORKER = new URL("../fixtures/workers/plain_worker.ts", import.meta.url).pathname;
const CONTRACT = new URL("../fixtures/warren/contract.json", import.meta.url).pathname;

/** How it ends: 0 done, 1 not as it should be, 3 done in part, 69 nobody there. */
type ExitCode = 0 | 1 | 3 | 69;

/** A command. */
export interface WarrenCommand {
  /** Its words, with `QUEUE` where the queue goes. */
  readonly words: string;
  /** How it ends where there is no such queue. */
  readonly withoutQueue: ExitCode;
  /** How it ends where a server serves the queue, and has nothing in hand. */
  readonly atRest: ExitCode;
  /** Whether it sees others at work, or disturbs them. */
  readonly isAlone?: true;
  /** Whether it waits for the answers of servers: for how many, and how long, can be told. */
  readonly asks?: true;
}

/** In an order in which each finds a server that serves. */
const TABLE: Readonly<Record<string, Omit<WarrenCommand, "words">>> = {
  "call QUEUE echo 1": { withoutQueue: 69, atRest: 0 },
  "bench QUEUE echo 1 --duration 50ms": { withoutQueue: 69, atRest: 0 },
  "ls QUEUE": { withoutQueue: 69, atRest: 0, asks: true },
  "info QUEUE": { withoutQueue: 69, atRest: 0, asks: true },
  "stats QUEUE": { withoutQueue: 69, atRest: 0, asks: true },
  "ping QUEUE": { withoutQueue: 69, atRest: 0, asks: true },
  "active QUEUE": { withoutQueue: 69, atRest: 0, asks: true },
  "why QUEUE x": { withoutQueue: 69, atRest: 0, asks: true },
  // They watch what comes; a broker that takes longer to answer is another end.
  "top QUEUE -n 1 --watch 5s": { withoutQueue: 0, atRest: 0 },
  "events QUEUE -n 1 --watch 5s": { withoutQueue: 0, atRest: 0 },
  // It has nothing to cancel.
  "cancel QUEUE x --yes": { withoutQueue: 69, atRest: 3, asks: true },
  // It has no pool.
  "scale QUEUE 2 --yes": { withoutQueue: 69, atRest: 3, asks: true },
  "types QUEUE": { withoutQueue: 69, atRest: 0, asks: true },
  [`diff QUEUE ${CONTRACT}`]: { withoutQueue: 69, atRest: 0, asks: true },
  // That there is no queue is a finding.
  "doctor QUEUE": { withoutQueue: 1, atRest: 0, isAlone: true, asks: true },
  "parked ls QUEUE": { withoutQueue: 0, atRest: 0, isAlone: true },
  "parked show QUEUE x": { withoutQueue: 3, atRest: 3, isAlone: true },
  "parked redrive QUEUE x --yes": { withoutQueue: 3, atRest: 3, isAlone: true },
  "parked drop QUEUE x --yes": { withoutQueue: 3, atRest: 3, isAlone: true },
  [`parked replay QUEUE x ${WORKER}`]: { withoutQueue: 3, atRest: 3, isAlone: true },
  "pause QUEUE --yes": { withoutQueue: 69, atRest: 0, isAlone: true, asks: true },
  "resume QUEUE --yes": { withoutQueue: 69, atRest: 0, isAlone: true, asks: true },
  "drain QUEUE --yes": { withoutQueue: 69, atRest: 0, isAlone: true, asks: true },
};

/** All of them. */
export const WARREN_COMMANDS: readonly WarrenCommand[] = Object.entries(TABLE).map(
  ([words, ends]) => ({ words, ...ends }),
);

/** `serve`, which goes on where there is a broker that lets it. */
export const SERVE: WarrenCommand = {
  words: `serve ${WORKER} --queue QUEUE`,
  withoutQueue: 0,
  atRest: 0,
};

/** The words by which people know a command. */
export function nameOf({ words }: WarrenCommand): string {
  return words.replace(/ QUEUE.*| \/.*/, "");
}

/** The words as arguments. */
export function argumentsOf({ words }: WarrenCommand, queue: string): string[] {
  return words.split(" ").map((word) => word === "QUEUE" ? queue : word);
}

/** How a command ended. */
export interface EndedCommand {
  readonly command: WarrenCommand;
  readonly result: ChildResult;
}

/** So many processes at a time: more would wait for each other until they give up. */
const LANES = 3;

/** Runs some things, a few beside each other. */
export async function inLanes<Each>(
  each: readonly Each[],
  run: (each: Each) => Promise<ChildResult>,
  lanes: number = LANES,
): Promise<(readonly [Each, ChildResult])[]> {
  const ended: (readonly [Each, ChildResult])[] = [];
  const waiting = each.values();
  const lane = async () => {
    for (const next of waiting) ended.push([next, await run(next)]);
  };
  await Promise.all(Array.from({ length: lanes }, lane));
  return ended;
}

/**
 * Runs commands: first those that may have others beside them, then one after the other.
 *
 * @param run How one of them is run.
 */
export async function runCommands(
  commands: readonly WarrenCommand[],
  run: (command: WarrenCommand) => Promise<ChildResult>,
): Promise<EndedCommand[]> {
  const ended = [
    ...await inLanes(commands.filter(({ isAlone }) => !isAlone), run),
    ...await inLanes(commands.filter(({ isAlone }) => isAlone), run, 1),
  ];
  return ended.map(([command, result]) => ({ command, result }));
}

/** Runs commands on a broker, with more arguments. */
export function runOn(
  url: string,
  queue: string,
  commands: readonly WarrenCommand[],
  more: (command: WarrenCommand) => readonly string[] = () => [],
): Promise<EndedCommand[]> {
  return runCommands(
    commands,
    (command) => warren([...argumentsOf(command, queue), ...more(command)], url),
  );
}
