/** What a connection needs from the socket under it. @module */

import type { DropKind } from "../faults.ts";

/** A two-way stream of bytes. */
export interface Transport {
  /** The number of bytes that wait to be sent. */
  readonly backlog: number;
  /** Sends bytes; the caller gives them away. */
  write(bytes: Uint8Array): void;
  /** Stops or starts reading. */
  setReading(isReading: boolean): void;
  /** Sends what waits and ends the stream. */
  end(): void;
  /** Ends the stream at once. */
  drop(kind: DropKind): void;
}

/** What a transport tells its connection. */
export interface TransportEvents {
  /** Bytes have arrived. */
  onBytes(bytes: Uint8Array): void;
  /** The backlog has been sent. */
  onDrain(): void;
  /** The stream has ended, for whatever reason. */
  onClose(): void;
}
