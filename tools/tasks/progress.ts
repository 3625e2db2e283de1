import { say } from "./say.ts";

/** A test of a broker that dies and comes back is silent for longer than people like to wait. */
const EVERY_MS = 30_000;

/** Options of {@linkcode startProgress}. */
export interface ProgressOptions {
  /** What goes on, such as `Tests on RabbitMQ 4.3`. */
  readonly title: string;
  /**
   * Is told.
   *
   * @default {a line on stderr}
   */
  readonly tell?: (line: string) => void;
}

/** Tells every half a minute that something goes on, until disposed of. */
export function startProgress({ title, tell = say }: ProgressOptions): Disposable {
  const startedAt = Date.now();
  let timer = setTimeout(next, EVERY_MS);
  function next(): void {
    const seconds = Math.round((Date.now() - startedAt) / 1_000);
    tell(`${title}: still running, ${durationText(seconds)} so far`);
    timer = setTimeout(next, EVERY_MS);
  }
  return { [Symbol.dispose]: () => clearTimeout(timer) };
}

function durationText(seconds: number): string {
  const minutes = Math.floor(seconds / 60);
  return minutes === 0 ? `${seconds} s` : `${minutes} min ${seconds % 60} s`;
}
