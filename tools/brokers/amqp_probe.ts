/** What every AMQP 0-9-1 client says first. */
const PROTOCOL_HEADER = new Uint8Array([0x41, 0x4d, 0x51, 0x50, 0, 0, 9, 1]);

/** `connection.start`, the first method of every broker: frame type 1, class 10, method 10. */
const FRAME_METHOD = 1;
const CLASS_AND_METHOD_OFFSET = 7;
const CONNECTION_START = [0, 10, 0, 10];

/** Where to look for a broker. */
export interface AmqpAddress {
  readonly hostname: string;
  readonly port: number;
}

/** Tells whether something at an address answers as an AMQP 0-9-1 broker, within `timeoutMs`. */
export async function answersAmqp(address: AmqpAddress, timeoutMs = 1_000): Promise<boolean> {
  using cleanup = new DisposableStack();
  const expired = new Promise<false>((resolve) => {
    const timer = setTimeout(() => {
      // Closing the connection is what ends a read that nobody answers.
      cleanup.dispose();
      resolve(false);
    }, timeoutMs);
    cleanup.defer(() => clearTimeout(timer));
  });
  return await Promise.race([greets(address, cleanup), expired]);
}

async function greets(address: AmqpAddress, cleanup: DisposableStack): Promise<boolean> {
  try {
    const connection = await Deno.connect(address);
    if (cleanup.disposed) {
      connection.close();
      return false;
    }
    cleanup.use(connection);
    await connection.write(PROTOCOL_HEADER);
    const answer = new Uint8Array(64);
    const length = await connection.read(answer) ?? 0;
    return isConnectionStart(answer.subarray(0, length));
  } catch {
    // Refused, reset, unreachable, or closed by the timeout: there is no broker to talk to.
    return false;
  }
}

function isConnectionStart(frame: Uint8Array): boolean {
  return frame[0] === FRAME_METHOD &&
    CONNECTION_START.every((byte, index) => frame[CLASS_AND_METHOD_OFFSET + index] === byte);
}
