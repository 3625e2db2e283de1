/** Calls for tests of what waits for their replies. @module */

import type { AmqpDelivery } from "../../internal/broker/amqp.ts";
import type { CallRequest } from "../../internal/calling/call_request.ts";
import { fakeDelivery } from "./fake_delivery.ts";

let lastId = 0;

/** A request as the client makes it. */
export function callRequest(parts: Partial<CallRequest> = {}): CallRequest {
  const request = {
    kind: "call",
    correlationId: `id-${lastId++}`,
    queue: "math",
    procedure: "add",
    body: "1",
    contentType: "application/json",
    timeoutMs: 60_000,
    idempotent: true,
    immediate: false,
    idempotencyKey: undefined,
    callback: undefined,
    signals: [],
    ...parts,
  };
  // Whatever else a request may say is as good as absent here.
  return request as CallRequest;
}

/** A reply to a request. */
export function replyTo({ correlationId }: CallRequest): AmqpDelivery {
  return fakeDelivery({ properties: { correlationId } });
}

/** A signal that knows its listeners. */
export interface CountedSignal {
  readonly signal: AbortSignal;
  readonly listeners: ReadonlySet<unknown>;
  abort(reason: unknown): void;
}

/** Makes a signal that knows its listeners. */
export function countedSignal(): CountedSignal {
  const controller = new AbortController();
  const listeners = new Set<unknown>();
  const { signal } = controller;
  const [add, remove] = [signal.addEventListener, signal.removeEventListener];
  signal.addEventListener = (...args: unknown[]) => {
    listeners.add(args[1]);
    Reflect.apply(add, signal, args);
  };
  signal.removeEventListener = (...args: unknown[]) => {
    listeners.delete(args[1]);
    Reflect.apply(remove, signal, args);
  };
  return { signal, listeners, abort: (reason: unknown) => controller.abort(reason) };
}
