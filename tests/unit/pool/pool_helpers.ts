import type { AnyContract, CallContext, Contract, PoolHandler } from "../../../contract.ts";
import {
  type EncodedRequest,
  openHandler,
  type RunningRequest,
} from "../../../internal/running/encoded_handler.ts";
import type { EncodedReply, ItemSink } from "../../../internal/encoded_reply.ts";
import { type PoolEvent, WorkerPool, type WorkerPoolOptions } from "../../../workers/mod.ts";
import { callContext } from "../../helpers/call_context.ts";

export function workerUrl(file: string): URL {
  return new URL(`../../fixtures/workers/${file}`, import.meta.url);
}

export function openPool<C extends Contract = AnyContract>(
  file: string,
  options: WorkerPoolOptions = {},
): Promise<WorkerPool<C>> {
  return WorkerPool.open<C>(workerUrl(file), { maxWorkers: 1, ...options });
}

/** What a server finds inside a pool's handler. */
export function insideOf(handler: PoolHandler): {
  handle(request: EncodedRequest): Promise<EncodedReply>;
  start(request: EncodedRequest, sink: ItemSink): RunningRequest;
} {
  const inside = openHandler(handler);
  if (inside?.start === undefined) throw new TypeError("Cannot open what no pool has made");
  const start = inside.start.bind(inside);
  return { handle: async (request) => await inside.handle(request), start };
}

/** A request as a server hands it over, with a body as amqplib gives it: a view of a larger chunk. */
export function encodedRequest(
  procedure: string,
  body: string | Uint8Array,
  context: Partial<CallContext> & { readonly contentType?: string } = {},
): EncodedRequest {
  const bytes = typeof body === "string" ? new TextEncoder().encode(body) : body;
  const chunk = new Uint8Array(bytes.length + 200).fill(0x7a);
  chunk.set(bytes, 100);
  const { contentType, ...rest } = context;
  return {
    procedure,
    body: chunk.subarray(100, 100 + bytes.length),
    contentType,
    context: { ...callContext(procedure), ...rest },
  };
}

/** Collects what a pool tells, and lets a test wait for it. */
export class PoolObserver {
  readonly events: PoolEvent[] = [];
  #onChange: () => void = () => {};

  readonly observe = (event: PoolEvent): void => {
    this.events.push(event);
    this.#onChange();
  };

  /** Waits until something holds, which is looked at after each event. */
  async until(holds: () => boolean): Promise<void> {
    while (!holds()) await new Promise<void>((resolve) => this.#onChange = resolve);
  }

  /** Waits until so many events of a type have come. */
  async count(type: PoolEvent["type"], count: number): Promise<PoolEvent[]> {
    for (;;) {
      const found = this.events.filter((event) => event.type === type);
      if (found.length >= count) return found;
      await new Promise<void>((resolve) => this.#onChange = resolve);
    }
  }
}

/** The test's end of `gated_worker.ts`. */
export class Gates implements Disposable {
  readonly #channel = new BroadcastChannel("gates");
  readonly #heard = new Set<string>();
  #onHeard: () => void = () => {};

  constructor() {
    this.#channel.onmessage = ({ data }) => {
      this.#heard.add(data);
      this.#onHeard();
    };
  }

  /** A name that no other test uses. */
  name(): string {
    return crypto.randomUUID();
  }

  open(name: string): void {
    this.#channel.postMessage(name);
  }

  hasHeard(event: "started" | "aborted", name: string): boolean {
    return this.#heard.has(`${event} ${name}`);
  }

  async heard(event: "started" | "aborted", name: string): Promise<void> {
    while (!this.hasHeard(event, name)) {
      await new Promise<void>((resolve) => this.#onHeard = resolve);
    }
  }

  [Symbol.dispose](): void {
    this.#channel.close();
  }
}
