/** Notices that the broker delivers nothing though requests wait. @module */

/** What an {@linkcode IntakeWatch} asks and tells. */
export interface IntakeWatchOptions {
  /** Whether the server has nothing in hand, and asks for requests. */
  readonly isIdle: () => boolean;
  /** Counts the requests that wait in the queue. */
  readonly countWaiting: () => Promise<number>;
  /** Called once, if requests wait all the same. */
  readonly onStall: () => void;
  /**
   * How long nothing must have come before the queue is asked, in milliseconds.
   *
   * @default {2_000}
   */
  readonly quietMs?: number;
  /**
   * Time until it is asked once more, in milliseconds: a request may just be on its way.
   *
   * @default {500}
   */
  readonly againMs?: number;
}

/**
 * Looks at the queue of a server that has nothing to do. When the process of a quorum queue dies, what
 * it was just delivering is lost on its way, and counts against the prefetch for as long as the
 * channel lives: with little luck, the server never gets anything again.
 */
export class IntakeWatch {
  readonly #options: Required<IntakeWatchOptions>;
  #deliveries = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isOn = false;

  constructor(options: IntakeWatchOptions) {
    this.#options = { quietMs: 2_000, againMs: 500, ...options };
  }

  /** Begins to look. */
  start(): void {
    this.#isOn = true;
    this.#watch();
  }

  /** Says that a request has come. */
  onDelivery(): void {
    this.#deliveries++;
  }

  /** Ends the watch. */
  stop(): void {
    this.#isOn = false;
    clearTimeout(this.#timer);
  }

  /** Looks twice before it says anything. */
  #watch(): void {
    const { quietMs, againMs, onStall } = this.#options;
    this.#wait(quietMs, () => this.#wait(againMs, onStall));
  }

  /** Looks after a while whether anything has come. */
  #wait(ms: number, onStalled: () => void): void {
    const since = this.#deliveries;
    this.#timer = setTimeout(() => this.#look(since, onStalled), ms);
  }

  async #look(since: number, onStalled: () => void): Promise<void> {
    const isStalled = await this.#hasStalled(since);
    if (!this.#isOn) return;
    if (isStalled) onStalled();
    else this.#watch();
  }

  async #hasStalled(since: number): Promise<boolean> {
    const { isIdle, countWaiting } = this.#options;
    const isQuiet = () => this.#deliveries === since && isIdle();
    try {
      return isQuiet() && await countWaiting() > 0 && isQuiet();
    } catch {
      // The queue is gone or has no leader, or the connection is being replaced.
      return false;
    }
  }
}
