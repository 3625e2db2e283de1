/**
 * What a pool tells its observer.
 *
 * @module
 */

/** A change of a slot's state. Slots are numbered from 0 and outlive their workers. */
export type PoolEvent =
  /** A worker is being started. */
  | { readonly type: "starting"; readonly slot: number }
  /** A worker is ready for its first task. */
  | {
    readonly type: "ready";
    readonly slot: number;
    readonly startMs: number;
    readonly procedures: readonly string[];
  }
  /** A worker has nothing to do any more. */
  | { readonly type: "idle"; readonly slot: number }
  /** A worker that was idle got a task. */
  | { readonly type: "busy"; readonly slot: number }
  /** A worker died or could not be started; another is started in `restartInMs` milliseconds. */
  | {
    readonly type: "crashed";
    readonly slot: number;
    readonly reason: string;
    /** The procedure of the task that it ran, if it ran one. */
    readonly procedure: string | undefined;
    readonly restartInMs: number;
  }
  /** A worker ran on although its task was cancelled; the slot gets another. */
  | { readonly type: "abandoned"; readonly slot: number; readonly procedure: string }
  /** A worker that was abandoned has ended at last. */
  | { readonly type: "zombie-ended"; readonly slot: number }
  /** The slot has no worker and gets none any more. */
  | { readonly type: "closed"; readonly slot: number };
