/** What a flood of control messages costs a server's callers. @module */

import { RpcClient } from "../../mod.ts";
import { quantile } from "../../tools/measuring/quantile.ts";
import { ServerProcess } from "../server_process.ts";
import type { FloodKind, FloodOrder } from "./flood_order.ts";

/** Those that must change nothing. */
const JUDGED: readonly FloodKind[] = ["garbage", "honest questions"];

/** Of each kind, in turns of a second with so many. */
const MESSAGES = 10_000;
const PER_TURN = 2_000;
const TURN_MS = 1_000;
const MAX_CHANGE = 0.1;
const MAX_GROWN_MIB = 8;
const CALLS_IN_FLIGHT = 8;

type Contract = {
  readonly echo: (value: unknown) => unknown;
  readonly memory: () => number;
  readonly cpu: () => number;
};

interface EchoFigures {
  readonly perSecond: number;
  readonly p99: number;
}

/**
 * Measures it, and says it.
 *
 * @param url The broker's.
 * @param rounds How often the messages are sent.
 * @returns Whether what must hold does.
 */
export async function measureFloods(url: string, rounds: number): Promise<boolean> {
  const queue = `bench-${crypto.randomUUID()}`;
  const args = [url, queue, "thread", "1"];
  await using _server = await ServerProcess.start("controlled_server.ts", args);
  await using client = await RpcClient.connect<Contract>(url, { queue, log: false });
  await using flooder = new Flooder();
  await flooder.order({ type: "connect", url, queue });
  const kinds: readonly FloodKind[] = [...JUDGED, "questions to nobody"];
  await echo(client, 2 * TURN_MS);
  for (const kind of kinds) await flooder.order({ type: "send", kind, count: PER_TURN });
  let isKept = true;
  const before = await client.call("memory");
  for (const kind of kinds) {
    // In turns: whatever else this machine does happens to both.
    const quiet: EchoFigures[] = [];
    const flooded: EchoFigures[] = [];
    for (let turn = 0; turn < rounds * MESSAGES / PER_TURN; turn++) {
      quiet.push(await echo(client, TURN_MS));
      const sending = flooder.order({ type: "send", kind, count: PER_TURN });
      flooded.push(await echo(client, TURN_MS));
      await sending;
    }
    isKept = compare(kind, quiet, flooded) && isKept;
  }
  for (const kind of kinds) await sayProcessorTime(client, flooder, kind);
  const grown = (await client.call("memory") - before) / 1_048_576;
  const comesBack = grown < MAX_GROWN_MIB;
  say(`memory: ${grown.toFixed(1)} MiB more, must be < ${MAX_GROWN_MIB}: ${verdict(comesBack)}`);
  return isKept && comesBack;
}

/** A thread that sends messages. */
class Flooder implements AsyncDisposable {
  readonly #worker = new Worker(new URL("./flooder.ts", import.meta.url), { type: "module" });

  /** Gives it an order, and waits until it is done. */
  order(order: FloodOrder): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#worker.onmessage = () => resolve();
    this.#worker.onerror = ({ message }) => reject(new Error(message));
    this.#worker.postMessage(order);
    return promise;
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#worker.terminate();
    return Promise.resolve();
  }
}

async function echo(client: RpcClient<Contract>, forMs: number): Promise<EchoFigures> {
  const until = performance.now() + forMs;
  const times: number[] = [];
  const turn = async () => {
    for (let at = performance.now(); at < until;) {
      await client.call("echo", 1);
      const now = performance.now();
      times.push(now - at);
      at = now;
    }
  };
  await Promise.all(Array.from({ length: CALLS_IN_FLIGHT }, turn));
  return { perSecond: times.length / forMs * 1_000, p99: quantile(times.toSorted(byNumber), 0.99) };
}

function compare(
  kind: FloodKind,
  quiet: readonly EchoFigures[],
  flooded: readonly EchoFigures[],
): boolean {
  const middle = (values: readonly number[]) => quantile(values.toSorted(byNumber), 0.5);
  const change = (figure: keyof EchoFigures) =>
    middle(flooded.map((each) => each[figure])) / middle(quiet.map((each) => each[figure])) - 1;
  const [rate, p99] = [change("perSecond"), change("p99")];
  const isKept = rate > -MAX_CHANGE && p99 < MAX_CHANGE;
  const percent = (share: number) => `${share > 0 ? "+" : ""}${(share * 100).toFixed(1)} %`;
  const figures = `${MESSAGES} ${kind}: echo rate ${percent(rate)}, p99 ${percent(p99)}`;
  const isJudged = JUDGED.includes(kind);
  say(isJudged ? `${figures}; must change by less than 10 %: ${verdict(isKept)}` : figures);
  return isKept || !isJudged;
}

/** Of the server, for each message; without calls beside. */
async function sayProcessorTime(
  client: RpcClient<Contract>,
  flooder: Flooder,
  kind: FloodKind,
): Promise<void> {
  const before = await client.call("cpu");
  await flooder.order({ type: "send", kind, count: PER_TURN });
  const taken = await client.call("cpu") - before;
  say(`${kind}: ${(taken / PER_TURN).toFixed(1)} µs of the server's processor time for each`);
}

function verdict(isKept: boolean): string {
  return isKept ? "holds" : "MISSED";
}

function byNumber(a: number, b: number): number {
  return a - b;
}

function say(line: string): void {
  console.log(line);
}
