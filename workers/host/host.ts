/**
 * What a slot needs of a worker, whatever runs it.
 *
 * @module
 */

import type { ControlBlock, PoolMessage, WorkerMessage } from "../wire/protocol.ts";

/** A running worker, seen from its pool. */
export interface WorkerHost {
  /** Memory shared with the worker, if it can share any. */
  readonly control: ControlBlock | undefined;
  /** Sends messages, in order. Array buffers of bodies in `transfer` move. */
  post(messages: readonly PoolMessage[], transfer: readonly ArrayBuffer[]): void;
  /** Ends the worker as soon as it can be ended; {@linkcode WorkerHost.ended} tells when it is. */
  terminate(): void;
  /** Settles when the worker is gone for good, and with it whatever it ran. */
  readonly ended: Promise<void>;
}

/** What a worker's pool is told. */
export interface HostListener {
  /** The worker sent messages. */
  onMessages(messages: readonly WorkerMessage[]): void;
  /** The worker died by itself; called once, after its last message. */
  onDeath(reason: string): void;
}

/** Starts a worker. */
export type StartHost = (listener: HostListener) => WorkerHost;

/** What starts the workers of one pool. */
export interface HostStarter {
  /** The absolute URL of the worker file. */
  readonly url: string;
  /** Starts one worker. */
  readonly start: StartHost;
  /** Releases what served all workers, once they have ended. */
  close(): Promise<void>;
}
