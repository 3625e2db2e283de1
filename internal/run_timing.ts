/** How long a request takes in a server, part by part. @module */

/** What a worker measures of a task, in milliseconds. */
export interface WorkerTiming {
  /** When it began, on the clock that all threads and processes of a machine share. */
  readonly startedAt: number;
  /** How long the handler ran. */
  readonly runMs: number;
  /** How long its input was decoded and its output encoded. */
  readonly encodeMs: number;
}

/** The moments of one request, by `performance.now()`, and how long its parts took. */
export class RunTiming {
  /** When it was delivered. */
  readonly deliveredAt: number = performance.now();
  /** How long it waited for its handler. */
  backlogMs = 0;
  runMs = 0;
  encodeMs = 0;
  /** How long the broker took to confirm the reply. */
  confirmMs = 0;
  /** Absent if no handler was run for this request alone. */
  #startedAt: number | undefined;
  /** When its output was encoded, which is the end of a handler that gives one. */
  #encodedAt: number | undefined;
  /** When the broker had confirmed its reply. */
  #confirmedAt: number | undefined;

  /** Told that the handler is about to run. */
  start(): void {
    const now = performance.now();
    this.#startedAt = now;
    this.backlogMs = now - this.deliveredAt;
  }

  /** Told that its input is decoded, which is the first that is done after the start. */
  decoded(): void {
    this.encodeMs += performance.now() - (this.#startedAt ?? NaN);
  }

  /** Told that an output is encoded, since then: the last that is done before the end. */
  encoded(startedAt: number): void {
    this.#encodedAt = performance.now();
    this.encodeMs += this.#encodedAt - startedAt;
  }

  /** Told that its output is encoded, or that it has thrown. */
  end(): void {
    const endedAt = this.#encodedAt ?? performance.now();
    this.runMs = endedAt - (this.#startedAt ?? NaN) - this.encodeMs;
  }

  /**
   * Told that a reply is about to be published: without a run, all the time was a wait for it.
   *
   * @returns When that is.
   */
  reply(): number {
    const now = performance.now();
    if (this.#startedAt === undefined) this.backlogMs = now - this.deliveredAt;
    return now;
  }

  /** Told that the broker has the reply that was published then. */
  confirmed(publishedAt: number): void {
    this.#confirmedAt = performance.now();
    this.confirmMs = this.#confirmedAt - publishedAt;
  }

  /** What an observer is told, in milliseconds; the last of it is from the delivery until the end. */
  report(): Record<"backlogMs" | "runMs" | "encodeMs" | "confirmMs" | "totalMs", number> {
    const { backlogMs, runMs, encodeMs, confirmMs } = this;
    const totalMs = (this.#confirmedAt ?? performance.now()) - this.deliveredAt;
    return { backlogMs, runMs, encodeMs, confirmMs, totalMs };
  }

  /** What a worker tells its pool. */
  toWorkerTiming(): WorkerTiming {
    const { runMs, encodeMs } = this;
    return { startedAt: performance.timeOrigin + (this.#startedAt ?? NaN), runMs, encodeMs };
  }

  /** Takes what a worker has measured. */
  take({ startedAt, runMs, encodeMs }: WorkerTiming): void {
    const elapsedMs = performance.now() - this.deliveredAt;
    const waitedMs = startedAt - performance.timeOrigin - this.deliveredAt;
    this.#startedAt = this.deliveredAt + waitedMs;
    // Somebody may have set the clock between the start of the pool and that of its worker.
    this.backlogMs = Math.max(0, Math.min(waitedMs, elapsedMs - runMs - encodeMs));
    this.runMs = runMs;
    this.encodeMs = encodeMs;
  }
}
