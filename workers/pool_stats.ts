/**
 * What a pool tells of itself when asked.
 *
 * @module
 */

/** What a pool is doing, and what it has done since it was opened. */
export interface PoolStats {
  /** Workers that wait for a task. */
  readonly idle: number;
  /** Workers that hold tasks. */
  readonly busy: number;
  /** Workers that are not ready yet. */
  readonly starting: number;
  /** Slots whose worker died, and that wait before they start the next. */
  readonly crashed: number;
  /** Tasks that wait for a worker. */
  readonly backlog: number;
  /** Tasks that gave an output. */
  readonly done: number;
  /** Tasks that gave an error reply. */
  readonly failed: number;
  /** Workers that died. */
  readonly crashes: number;
  /** Tasks that were given up: aborted, or over their time. */
  readonly cancelled: number;
}
