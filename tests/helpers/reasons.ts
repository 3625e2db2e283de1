/** Rows of the table "What happens when…", as tests. @module */

import { assert, assertEquals, assertLess } from "../../deps/std_assert.ts";
import { type CallPhase, RpcClient, type RpcClientOptions, RpcError } from "../../mod.ts";
import { AmqpPeer } from "./amqp_peer.ts";
import { brokerUrl } from "./broker.ts";

/** Within this time of being knowable, a reason must have come. */
const MAX_LATE_MS = 100;

/** What else the machine does only adds to what is measured: the best of so many counts. */
const MAX_ATTEMPTS = 3;

/** How a call failed. */
export interface Failure {
  readonly error: unknown;
  /** On the clock of `performance.now()`. */
  readonly at: number;
}

/** A failing call. */
export interface Provoked {
  readonly failure: Promise<Failure>;
  /** When its reason could be known, on the clock of `performance.now()`. */
  readonly knowableAt: number;
}

/** One row of the table. */
export interface Row {
  /** What happens, such as `whose queue does not exist`. */
  readonly call: string;
  readonly code: string;
  readonly phase: CallPhase;
  readonly retryable?: boolean;
  /** Makes it happen; what it opens goes with the stack. */
  readonly provoke: (stack: AsyncDisposableStack) => Promise<Provoked>;
  /** What else must hold. */
  readonly check?: (error: RpcError) => void;
}

/** Registers the test of a row. */
export function reasonTest(row: Row): void {
  Deno.test(`A call ${row.call} rejects with ${row.code}`, async () => {
    const lateness: number[] = [];
    do {
      await using stack = new AsyncDisposableStack();
      const { failure, knowableAt } = await row.provoke(stack);
      const { error, at } = await failure;
      checkError(row, error);
      lateness.push(at - knowableAt);
    } while (Math.min(...lateness) > MAX_LATE_MS && lateness.length < MAX_ATTEMPTS);
    assertLess(Math.min(...lateness), MAX_LATE_MS);
  });
}

/** Notes how and when a call fails. */
export async function failureOf(call: Promise<unknown>): Promise<Failure> {
  try {
    await call;
  } catch (error) {
    return { error, at: performance.now() };
  }
  throw new Error("Cannot go on as the call has an output");
}

/** A call whose reason can be known at once. */
export function failingNow(call: () => Promise<unknown>): Provoked {
  const knowableAt = performance.now();
  return { failure: failureOf(call()), knowableAt };
}

/** A queue that others have declared, and a client that calls it. */
export async function startUnserved(
  stack: AsyncDisposableStack,
  queueArguments: Readonly<Record<string, unknown>> = {},
  options: Partial<RpcClientOptions> = {},
): Promise<{ readonly peer: AmqpPeer; readonly queue: string; readonly client: RpcClient }> {
  const peer = stack.use(await AmqpPeer.open());
  // The client declares the exchange to which the queue is to send what it drops.
  const queue = `warren-test-${crypto.randomUUID()}`;
  const client = stack.use(await RpcClient.connect(brokerUrl(), { queue, ...options }));
  stack.defer(() => client.close({ graceMs: 0 }));
  await peer.declareQueue(queue, { durable: true, arguments: { ...queueArguments } });
  return { peer, queue, client };
}

function checkError({ code, phase, retryable, check }: Row, error: unknown): void {
  assert(error instanceof RpcError, `not an RpcError: ${error}`);
  assertEquals([error.code, error.call?.phase], [code, phase]);
  if (retryable !== undefined) assertEquals(error.retryable, retryable);
  assert(error.call !== undefined && error.call.procedure !== "" && error.call.queue !== "");
  assert(error.call.elapsedMs >= 0);
  check?.(error);
}
