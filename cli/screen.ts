/** A terminal as a whole: its size, its keys, and a screen that leaves it as it was. @module */

import { writeAll } from "./output.ts";

/** How much fits on a screen. */
export interface ScreenSize {
  readonly columns: number;
  readonly rows: number;
}

const ESCAPE = "\x1b";
/** Another screen than the one with the user's text, without a cursor, and back again. */
const ENTER = `${ESCAPE}[?1049h${ESCAPE}[?25l`;
const LEAVE = `${ESCAPE}[0m${ESCAPE}[?25h${ESCAPE}[?1049l`;

/** Keys that send more than what is printed on them. */
const KEYS: Readonly<Record<string, string>> = {
  [`${ESCAPE}[A`]: "up",
  [`${ESCAPE}OA`]: "up",
  [`${ESCAPE}[B`]: "down",
  [`${ESCAPE}OB`]: "down",
  [ESCAPE]: "escape",
  "\r": "enter",
  "\n": "enter",
  "\x7f": "escape",
  "\b": "escape",
  "\x03": "interrupt",
};

/** What ends a program and must not leave its screen behind. */
const ENDINGS = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;

/** Whether the program has a terminal that can show screens and has keys. */
export function hasScreen(): boolean {
  const term = Deno.env.get("TERM") ?? "";
  return term !== "" && term !== "dumb" && Deno.stdin.isTerminal() && Deno.stdout.isTerminal();
}

/** Whether words may be coloured: nobody said no, and it is a terminal that shows it. */
export function hasColors(): boolean {
  return !Deno.env.get("NO_COLOR") && hasScreen();
}

/** Takes the terminal, and gives it back when it is disposed of, or when the program ends. */
export class Screen implements Disposable {
  readonly #onKey: (key: string) => void;
  readonly #onResize: () => void;
  readonly #endings = Object.entries(ENDINGS).map(([signal, code]) => ({
    // Only these names are in it.
    signal: signal as keyof typeof ENDINGS,
    end: () => Deno.exit(code),
  }));
  readonly #leave = () => this[Symbol.dispose]();
  #isTaken = true;

  /**
   * Takes the terminal.
   *
   * @param onKey Told each key: its character, or `up`, `down`, `enter`, `escape`, `interrupt`.
   * @param onResize Told that there is another size.
   */
  constructor(onKey: (key: string) => void, onResize: () => void) {
    this.#onKey = onKey;
    this.#onResize = onResize;
    Deno.stdin.setRaw(true);
    writeAll(ENTER);
    // Deno.exit() tells it, whoever calls it.
    globalThis.addEventListener("unload", this.#leave);
    for (const { signal, end } of this.#endings) Deno.addSignalListener(signal, end);
    Deno.addSignalListener("SIGWINCH", this.#onResize);
    void this.#readKeys();
  }

  /** How much fits now. */
  get size(): ScreenSize {
    try {
      return Deno.consoleSize();
    } catch {
      // The terminal is gone; the program is about to be told.
      return { columns: 80, rows: 24 };
    }
  }

  /** Shows lines, which must fit, in place of those that were there. */
  show(lines: readonly string[]): void {
    if (!this.#isTaken) return;
    const text = lines.map((line) => `${line}${ESCAPE}[0m${ESCAPE}[K`).join("\r\n");
    writeAll(`${ESCAPE}[H${text}${ESCAPE}[J`);
  }

  [Symbol.dispose](): void {
    if (!this.#isTaken) return;
    this.#isTaken = false;
    globalThis.removeEventListener("unload", this.#leave);
    for (const { signal, end } of this.#endings) Deno.removeSignalListener(signal, end);
    Deno.removeSignalListener("SIGWINCH", this.#onResize);
    try {
      writeAll(LEAVE);
      Deno.stdin.setRaw(false);
    } catch {
      // Nobody is left who sees it.
    }
  }

  async #readKeys(): Promise<void> {
    const bytes = new Uint8Array(64);
    const decoder = new TextDecoder();
    while (this.#isTaken) {
      const count = await Deno.stdin.read(bytes).catch(() => null);
      if (!this.#isTaken) return;
      // Whoever typed is gone.
      if (count === null) return this.#onKey("interrupt");
      for (const key of keysOf(decoder.decode(bytes.subarray(0, count)))) this.#onKey(key);
    }
  }
}

/** Keys that were read together. */
export function keysOf(text: string): string[] {
  // deno-lint-ignore no-control-regex -- a key sends it
  const parts = text.match(/\x1b[[O][\d;]*[A-Za-z~]|[^]/gu) ?? [];
  return parts.map((part) => KEYS[part] ?? part);
}
