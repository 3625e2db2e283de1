/** How deliveries end. @module */

/** What becomes of a delivery that has ended. */
export interface SettleOutcome {
  /** Whether it is done with, becomes a dead letter, or goes back into the queue. */
  readonly end: "ack" | "dead-letter" | "requeue";
  /** Whether RabbitMQ 4.3 counts it as a failed delivery. */
  readonly isFailure: boolean;
  /** Whether a client asked for it; if not, its channel is gone. */
  readonly isAsked: boolean;
}

/** `basic.ack`. */
export const ACKED: SettleOutcome = { end: "ack", isFailure: false, isAsked: true };
/** `basic.reject` without requeue. */
export const REJECTED: SettleOutcome = { end: "dead-letter", isFailure: true, isAsked: true };
/** `basic.nack` without requeue. */
export const NACKED: SettleOutcome = { end: "dead-letter", isFailure: false, isAsked: true };
/** `basic.reject` with requeue. */
export const RETURNED: SettleOutcome = { end: "requeue", isFailure: true, isAsked: true };
/** `basic.nack` with requeue, and `basic.recover`. */
export const REQUEUED: SettleOutcome = { end: "requeue", isFailure: false, isAsked: true };
/** The end of the channel. */
export const ABANDONED: SettleOutcome = { end: "requeue", isFailure: true, isAsked: false };
/** The end of the time that a consumer of a quorum queue has. */
export const TIMED_OUT: SettleOutcome = { end: "requeue", isFailure: false, isAsked: false };
