/** The work of all chaos rows: a function whose outputs cannot be mistaken for each other. @module */

/** What a request carries; all of it follows from the number of the call and the row's salt. */
export interface WorkInput {
  /** Number of the call, unique within a history. */
  readonly call: number;
  /** The same for all calls of a history, so that those of two histories differ. */
  readonly salt: number;
  /** How long the work takes, in milliseconds. */
  readonly ms: number;
  /** Makes the body longer, and comes back in capital letters. */
  readonly pad: string;
}

/** Options of {@linkcode workInput}. */
export interface WorkShape {
  /** Longest work, in milliseconds; the durations of calls differ. */
  readonly maxMs: number;
  /** Whether some bodies are longer than a frame, up to 150 kB. */
  readonly hasLargeBodies: boolean;
  /** Duration of one call in 100, in milliseconds; 0 is that of the others. */
  readonly slowMs: number;
}

const TEXT = "abcdefghijklmnopqrstuvwxyz".repeat(6_000);

/** Makes the input of a call. */
export function workInput(call: number, salt: number, shape: WorkShape): WorkInput {
  const mixed = mix(call, ~salt);
  const isSlow = shape.slowMs > 0 && call % 100 === 0;
  const ms = isSlow ? shape.slowMs : mixed % (shape.maxMs + 1);
  return { call, salt, ms, pad: TEXT.slice(0, padLength(mixed, shape)) };
}

/** What a server must answer. */
export function outputOf({ call, salt, pad }: Omit<WorkInput, "ms">): string {
  return `${mix(call, salt).toString(36)}/${pad.toUpperCase()}`;
}

/** One body in 20 is longer than a packet, and one in 500 longer than a frame of AMQP. */
function padLength(mixed: number, { hasLargeBodies }: WorkShape): number {
  if (hasLargeBodies && mixed % 500 === 0) return 150_000;
  return mixed % 20 === 0 ? 3_000 : mixed % 50;
}

/** For one salt, no two calls have the same result: each step can be undone. */
function mix(call: number, salt: number): number {
  let mixed = (call ^ salt) >>> 0;
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}
