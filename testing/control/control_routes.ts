/** The requests that the control interface takes, and what each does. @module */

import { checkOneOf, wrongValue } from "../../internal/check.ts";
import { VirtualClock } from "../clock.ts";
import type { ChannelClosePoint, DropPoint } from "../faults.ts";
import type { MethodEvent } from "../method_log.ts";
import type { UserOptions } from "../model/users.ts";
import { type MethodName, METHODS } from "../wire/methods.ts";
import type { ControlBody } from "./control_body.ts";
import type { ControlTarget } from "./control_target.ts";
import { type Json, methodJson } from "./method_json.ts";

/** A request that cannot be done now, whatever it says. */
export class ControlConflict extends Error {
  /** Creates an error. */
  constructor(message: string) {
    super(message);
    this.name = "ControlConflict";
  }
}

/** What a route works with. */
export interface ControlCall {
  /** The broker. */
  readonly target: ControlTarget;
  /** The fields of the body, or of the query of a `GET` or `DELETE`. */
  readonly body: ControlBody;
  /** Aborted when the interface ends. */
  readonly signal: AbortSignal;
}

/** What a request asks for. */
export interface ControlRoute {
  /** The fields that it may have. */
  readonly fields: readonly string[];
  /** Does it; what it returns is sent as JSON, `undefined` as `{}`. */
  readonly run: (call: ControlCall) => unknown;
}

const SCOPE = ["connection", "channel"];
const POINT = ["method", "when", "nth", ...SCOPE];

const FAULT_ROUTES: Readonly<Record<string, ControlRoute>> = {
  "POST /faults/drop-connection": route([...POINT, "direction", "how"], ({ target, body }) => {
    const how = body.text("how");
    const point = { ...pointOf(body), direction: body.neededText("direction"), how };
    // The faults check it, as they do for tests.
    struckLater(target.broker.faults.dropConnectionAt(point as DropPoint));
  }),
  "POST /faults/close-channel": route([...POINT, "code", "text"], ({ target, body }) => {
    const point = { ...pointOf(body), code: body.text("code"), text: body.text("text") };
    // The faults check it, as they do for tests.
    struckLater(target.broker.faults.closeChannelAt(point as ChannelClosePoint));
  }),
  "POST /faults/nack-confirms": route(["count", ...SCOPE], ({ target, body }) => {
    target.broker.faults.nackConfirms(body.number("count"), body.scope());
  }),
  "POST /faults/hold-confirms": route(SCOPE, ({ target, body }) => {
    target.broker.faults.holdConfirms(body.scope());
  }),
  "POST /faults/release-confirms": route(
    [],
    ({ target }) => target.broker.faults.releaseConfirms(),
  ),
  "POST /faults/delay": route(["ms", ...SCOPE], ({ target, body }) => {
    target.broker.faults.delay(body.neededNumber("ms"), body.scope());
  }),
  "POST /faults/block-publishers": route(["reason"], ({ target, body }) => {
    target.broker.faults.blockPublishers(body.text("reason"));
  }),
  "POST /faults/unblock-publishers": route(
    [],
    ({ target }) => target.broker.faults.unblockPublishers(),
  ),
  "POST /faults/refuse-connections": route(
    [],
    ({ target }) => target.broker.faults.refuseConnections(),
  ),
  "POST /faults/accept-connections": route(
    [],
    ({ target }) => target.broker.faults.acceptConnections(),
  ),
  "DELETE /faults": route([], ({ target }) => target.broker.faults.clear()),
};

const BROKER_ROUTES: Readonly<Record<string, ControlRoute>> = {
  "GET /": route(
    [],
    ({ target: { broker, compat, clock } }) => ({ url: broker.url, compat, now: clock.now() }),
  ),
  "GET /connections": route([], ({ target }) => target.broker.connections()),
  "POST /connections/close": route(["reason", "connection"], ({ target, body }) => {
    target.broker.closeConnections(body.text("reason"), body.number("connection"));
  }),
  "POST /connections/reset": route(["connection"], ({ target, body }) => {
    target.broker.resetConnections(body.number("connection"));
  }),
  "GET /queues": route(["vhost"], ({ target, body }) => target.broker.queues(body.text("vhost"))),
  "POST /queues/cancel-consumers": route(["queue", "vhost"], ({ target, body }) => {
    target.broker.cancelConsumers(body.neededText("queue"), body.text("vhost"));
  }),
  "POST /broker/stop": route([], ({ target }) => target.broker.stopApp()),
  "POST /broker/start": route([], ({ target }) => target.broker.startApp()),
  "POST /broker/restart": route([], ({ target }) => target.broker.restart()),
};

const USER_FIELDS = ["name", "password", "permissions", "impersonator"];

/** All routes by method and path. */
export const CONTROL_ROUTES: Readonly<Record<string, ControlRoute>> = {
  ...BROKER_ROUTES,
  ...FAULT_ROUTES,
  "GET /methods": route([...SCOPE, "name", "direction", "after", "waitMs"], methodsOf),
  "DELETE /methods": route([], ({ target }) => target.broker.log.clear()),
  "GET /clock": route([], ({ target: { clock } }) => ({ now: clock.now() })),
  "POST /clock/advance": route(["ms"], ({ target: { clock }, body }) => {
    const ms = body.neededNumber("ms");
    if (!(clock instanceof VirtualClock)) {
      throw new ControlConflict("Cannot advance clock as it is not a VirtualClock: the system's");
    }
    clock.advance(ms);
    return { now: clock.now() };
  }),
  "GET /users": route([], ({ target }) => target.broker.users()),
  "POST /users": route(USER_FIELDS, ({ target, body }) => {
    // The broker checks it, as it does for tests.
    target.broker.setUser(body.all() as UserOptions);
  }),
  "DELETE /users": route(["name"], ({ target, body }) => {
    target.broker.deleteUser(body.neededText("name"));
  }),
  "POST /vhosts": route(["name"], ({ target, body }) => {
    target.broker.addVirtualHost(body.neededText("name"));
  }),
};

function route(fields: readonly string[], run: ControlRoute["run"]): ControlRoute {
  return { fields, run };
}

/** Nobody waits here for the fault to strike; the log of methods tells of it. */
function struckLater(struck: Promise<MethodEvent>): void {
  struck.catch(() => {});
}

function pointOf(body: ControlBody): Record<string, unknown> {
  return {
    method: body.neededText("method"),
    when: body.text("when"),
    nth: body.number("nth"),
    ...body.scope(),
  };
}

/** Answers with methods of the log; if there is none, waits for the next one for a while. */
async function methodsOf(
  { target: { broker: { log } }, body, signal }: ControlCall,
): Promise<Json> {
  const name = body.text("name");
  if (name !== undefined && !isMethodName(name)) {
    throw new TypeError(wrongValue("read methods", ["name", name], "the name of a method"));
  }
  const direction = body.text("direction");
  checkOneOf("read methods", { direction }, ["received", "sent"]);
  const [after, waitMs] = [queryNumber(body, "after"), queryNumber(body, "waitMs")];
  const { connection, channel } = {
    connection: queryNumber(body, "connection"),
    channel: queryNumber(body, "channel"),
  };
  const matches = (event: MethodEvent): boolean =>
    (name === undefined || event.name === name) &&
    (direction === undefined || event.direction === direction) &&
    (connection === undefined || event.connection === connection) &&
    (channel === undefined || event.channel === channel);
  const read = (): Json[] =>
    log.numbered(after ?? 0).filter(([, event]) => matches(event)).map(([number, event]) =>
      methodJson(number, event)
    );
  const methods = read();
  if (methods.length > 0 || waitMs === undefined) return { last: log.count, methods };
  const ends = AbortSignal.any([signal, AbortSignal.timeout(waitMs)]);
  await log.next(matches, { signal: ends }).catch(() => {});
  return { methods: read(), last: log.count };
}

function isMethodName(name: string): name is MethodName {
  return Object.hasOwn(METHODS, name);
}

/** What comes in a query is text. */
function queryNumber(body: ControlBody, name: string): number | undefined {
  const text = body.text(name);
  if (text === undefined || /^\d{1,15}$/.test(text)) {
    return text === undefined ? text : Number(text);
  }
  throw new RangeError(wrongValue("read methods", [name, text], "an integer of at least 0"));
}
