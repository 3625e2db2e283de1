/**
 * The socket of amqplib's connection, for what amqplib does not offer. It hides the socket, so that is
 * looked at before it is used.
 *
 * @module
 */

/** The part of `node:stream`'s Writable that counts here. */
interface Socket {
  write(...args: unknown[]): boolean;
  cork(): void;
  uncork(): void;
  destroy(reason: Error): void;
}

/**
 * Gathers what is written in one turn of the event loop: amqplib makes a call of the operating system
 * for each message, which takes longer than all else that a message needs.
 *
 * @param connection amqplib's connection.
 */
export function gatherWrites(connection: unknown): void {
  const socket = socketOf(connection);
  const write = socket.write;
  let isGathering = false;
  socket.write = function (this: Socket, ...args): boolean {
    if (!isGathering) {
      isGathering = true;
      this.cork();
      queueMicrotask(() => {
        isGathering = false;
        this.uncork();
      });
    }
    return write.apply(this, args);
  };
}

/**
 * Ends the connection without a word, as the peer does not hear any.
 *
 * @param connection amqplib's connection.
 * @param reason What it closes with, if it is not closed.
 */
export function destroySocket(connection: unknown, reason: Error): void {
  socketOf(connection).destroy(reason);
}

/** @throws {Error} If this is another amqplib than the one that this was written for. */
function socketOf(connection: unknown): Socket {
  const isConnection = typeof connection === "object" && connection !== null;
  if (isConnection && "stream" in connection && isSocket(connection.stream)) {
    return connection.stream;
  }
  throw new Error("Cannot use the connection as amqplib has changed: use amqplib 2.3");
}

function isSocket(stream: unknown): stream is Socket {
  if (typeof stream !== "object" || stream === null) return false;
  const methods: readonly (keyof Socket)[] = ["write", "cork", "uncork", "destroy"];
  return methods.every((name) => typeof Reflect.get(stream, name) === "function");
}
