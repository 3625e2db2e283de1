/** What events say of a connection, as numbers. @module */

/** An event; those that say nothing of a connection are left alone. */
export interface ObservedEvent {
  readonly type: string;
}

/** Who counts what happens to a connection. */
export interface ConnectionCounts {
  /** It was lost and is there again. */
  onReconnected(): void;
  /** The broker took no messages for so long, in milliseconds; also if the connection was lost over it. */
  onUnblocked(ms: number): void;
}

/** Makes an observer of the events of a client, or of one connection of a server. */
export function connectionObserver(counts: ConnectionCounts): (event: ObservedEvent) => void {
  let isFirst = true;
  let blockedAt: number | undefined;
  const unblock = () => {
    if (blockedAt !== undefined) counts.onUnblocked(performance.now() - blockedAt);
    blockedAt = undefined;
  };
  return ({ type }) => {
    switch (type) {
      case "connected":
        if (!isFirst) counts.onReconnected();
        isFirst = false;
        return;
      case "blocked":
        blockedAt ??= performance.now();
        return;
      case "unblocked":
      case "disconnected":
        return unblock();
    }
  };
}
