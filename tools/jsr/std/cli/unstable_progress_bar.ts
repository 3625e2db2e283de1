/**
 * A progress bar on one line of a terminal.
 *
 * @module
 */

/** What a `fmt` function gets for each drawing. */
export interface ProgressBarFormatter {
  /** Elapsed time as `mm:ss`. */
  styledTime: string;
  /** The bar itself, for example `###-------`. */
  progressBar: string;
  /** Milliseconds since the bar was made. */
  time: number;
  /** `time` at the drawing before. */
  previousTime: number;
  /** Progress so far. */
  value: number;
  /** `value` at the drawing before. */
  previousValue: number;
  /** Progress at which the bar is full. */
  max: number;
}

/** Options of {@linkcode ProgressBar}. */
export interface ProgressBarOptions {
  /**
   * Receives the drawings.
   *
   * @default {Deno.stderr.writable}
   */
  writable?: WritableStream<Uint8Array>;
  /**
   * Progress at the start.
   *
   * @default {0}
   */
  value?: number;
  /** Progress at which the bar is full. */
  max: number;
  /**
   * Length of the bar in characters.
   *
   * @default {50}
   */
  barLength?: number;
  /**
   * Character of the done part.
   *
   * @default {"#"}
   */
  fillChar?: string;
  /**
   * Character of the part to do.
   *
   * @default {"-"}
   */
  emptyChar?: string;
  /**
   * Whether `stop()` takes the bar off the screen.
   *
   * @default {false}
   */
  clear?: boolean;
  /** Makes the line; the default is `[mm:ss] [###---] [0.24/97.6 KiB]`. */
  fmt?: (fmt: ProgressBarFormatter) => string;
  /**
   * Whether `writable` stays open after `stop()`.
   *
   * @default {true}
   */
  keepOpen?: boolean;
}

const CLEAR_LINE = "\r\u001b[K";
const REDRAW_MS = 1_000;
const UNITS = ["KiB", "MiB", "GiB", "TiB", "PiB"] as const;

/** Draws its `value` once a second, at the start and at the end. */
export class ProgressBar {
  /** Progress so far; set it as the work goes on. */
  value: number;
  /** Progress at which the bar is full. */
  max: number;

  readonly #options: Required<Omit<ProgressBarOptions, "writable" | "value" | "max">>;
  readonly #writer: WritableStreamDefaultWriter<string>;
  readonly #written: Promise<void>;
  readonly #startTime = Date.now();
  readonly #timer: ReturnType<typeof setInterval>;
  #previousTime = 0;
  #previousValue: number;

  /**
   * Draws the bar for the first time.
   *
   * @param options Where to draw and how.
   */
  constructor(options: ProgressBarOptions) {
    const { writable = Deno.stderr.writable, value = 0, max, ...look } = options;
    this.value = value;
    this.max = max;
    this.#previousValue = value;
    this.#options = {
      barLength: 50,
      fillChar: "#",
      emptyChar: "-",
      clear: false,
      fmt: defaultFormat,
      keepOpen: true,
      ...look,
    };
    const encoder = new TextEncoderStream();
    this.#writer = encoder.writable.getWriter();
    this.#written = encoder.readable
      .pipeTo(writable, { preventClose: this.#options.keepOpen })
      .catch(() => clearInterval(this.#timer));
    this.#timer = setInterval(() => this.#draw(), REDRAW_MS);
    this.#draw();
  }

  /** Draws the bar for the last time, or clears it, and ends the line. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    if (this.#options.clear) {
      await this.#write(CLEAR_LINE);
    } else {
      await this.#draw();
      await this.#write("\n");
    }
    await this.#writer.close().catch(ignore);
    await this.#written;
  }

  async #draw(): Promise<void> {
    const { fmt } = this.#options;
    const state = this.#state();
    this.#previousTime = state.time;
    this.#previousValue = state.value;
    await this.#write(CLEAR_LINE + fmt(state));
  }

  #state(): ProgressBarFormatter {
    const { barLength, fillChar, emptyChar } = this.#options;
    const time = Date.now() - this.#startTime;
    const done = Math.min(Math.max(this.value / this.max, 0), 1);
    const filled = Math.trunc(done * barLength);
    return {
      styledTime: minutesAndSeconds(time),
      progressBar: fillChar.repeat(filled) + emptyChar.repeat(barLength - filled),
      time,
      previousTime: this.#previousTime,
      value: this.value,
      previousValue: this.#previousValue,
      max: this.max,
    };
  }

  // A bar whose terminal has gone must not fail the work that it reports on.
  async #write(text: string): Promise<void> {
    await this.#writer.write(text).catch(ignore);
  }
}

function defaultFormat(state: ProgressBarFormatter): string {
  const power = UNITS.findIndex((_, index) => state.max < 2 ** (10 * (index + 2)));
  const index = power === -1 ? UNITS.length - 1 : power;
  const [value, max] = [state.value, state.max].map((n) =>
    (n / 2 ** (10 * (index + 1))).toFixed(2)
  );
  return `[${state.styledTime}] [${state.progressBar}] [${value}/${max} ${UNITS[index]}]`;
}

function minutesAndSeconds(timeMs: number): string {
  const seconds = Math.trunc(timeMs / 1_000);
  return [seconds / 60, seconds % 60]
    .map((part) => Math.trunc(part).toString().padStart(2, "0"))
    .join(":");
}

function ignore(): void {}
