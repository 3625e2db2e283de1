/** The methods of class exchange. @module */

import type { Exchange, ExchangeType } from "../model/exchange.ts";
import { assertArgument, inequivalent } from "../model/queue_settings.ts";
import type { VersionRules } from "../model/version_rules.ts";
import { AmqpError } from "../wire/amqp_error.ts";
import { type FieldTable, textOf } from "../wire/field_value.ts";
import type { MethodArguments } from "../wire/methods.ts";
import { bind, unbind } from "./bindings.ts";
import type { Channel } from "./channel.ts";
import { assertNotReserved, stripLineBreaks } from "./names.ts";

/** Handles `exchange.declare`. */
export function declareExchange(
  channel: Channel,
  values: MethodArguments<"exchange.declare">,
): void {
  const { virtualHost, user } = channel.host;
  const name = stripLineBreaks(values.exchange);
  if (values.passive) {
    assertNotDefault(name);
    if (virtualHost.rules.guardsPassiveDeclare) {
      user.assertMayAny({ kind: "exchange", name, virtualHost: virtualHost.name });
    }
    virtualHost.exchange(name);
  } else {
    const type = exchangeType(values.type, virtualHost.rules);
    assertNotDefault(name);
    user.assertMay("configure", { kind: "exchange", name, virtualHost: virtualHost.name });
    const existing = virtualHost.findExchange(name);
    if (existing === undefined) createExchange(channel, { ...values, exchange: name, type });
    else assertEquivalent(channel, existing, { ...values, type });
  }
  if (!values.nowait) channel.send("exchange.declare-ok", {});
}

/** Handles `exchange.delete`. */
export function deleteExchange(channel: Channel, values: MethodArguments<"exchange.delete">): void {
  const { virtualHost, user } = channel.host;
  const name = stripLineBreaks(values.exchange);
  assertNotDefault(name);
  if (name.startsWith("amq.")) {
    const resource = virtualHost.describe({ kind: "exchange", name });
    throw new AmqpError("access-refused", `deletion of system ${resource} not allowed`);
  }
  user.assertMay("configure", { kind: "exchange", name, virtualHost: virtualHost.name });
  const exchange = virtualHost.findExchange(name);
  if (exchange !== undefined && values.ifUnused && exchange.bindingCount > 0) {
    const resource = virtualHost.describe({ kind: "exchange", name });
    throw new AmqpError("precondition-failed", `${resource} in use`);
  }
  if (exchange !== undefined) virtualHost.deleteExchange(exchange);
  if (!values.nowait) channel.send("exchange.delete-ok", {});
}

/** Handles `exchange.bind`. */
export function bindExchange(channel: Channel, values: MethodArguments<"exchange.bind">): void {
  bind(channel, {
    source: values.source,
    destination: { kind: "exchange", name: values.destination },
    key: values,
  });
  if (!values.nowait) channel.send("exchange.bind-ok", {});
}

/** Handles `exchange.unbind`. */
export function unbindExchange(channel: Channel, values: MethodArguments<"exchange.unbind">): void {
  unbind(channel, {
    source: values.source,
    destination: { kind: "exchange", name: values.destination },
    key: values,
  });
  if (!values.nowait) channel.send("exchange.unbind-ok", {});
}

interface ExchangeRequest {
  readonly exchange: string;
  readonly type: ExchangeType;
  readonly durable: boolean;
  readonly autoDelete: boolean;
  readonly internal: boolean;
  readonly arguments: FieldTable;
}

function createExchange(channel: Channel, request: ExchangeRequest): void {
  const { virtualHost, user } = channel.host;
  const name = request.exchange;
  assertNotReserved("exchange", name);
  const alternate = request.arguments.get("alternate-exchange");
  if (alternate !== undefined) {
    const alternateName = textOf(alternate);
    if (alternateName === undefined) {
      const resource = virtualHost.describe({ kind: "exchange", name });
      throw new AmqpError(
        "precondition-failed",
        `invalid type '${alternate.type}' for arg 'alternate-exchange' in ${resource}`,
      );
    }
    const where = { kind: "exchange", virtualHost: virtualHost.name } as const;
    user.assertMay("read", { ...where, name });
    user.assertMay("write", { ...where, name: alternateName });
  }
  virtualHost.declareExchange({ ...request, name });
}

function assertEquivalent(channel: Channel, existing: Exchange, request: ExchangeRequest): void {
  const { declaration } = existing;
  const resource = channel.host.virtualHost.describe({ kind: "exchange", name: existing.name });
  const pairs = [
    ["type", declaration.type, request.type],
    ["durable", declaration.durable, request.durable],
    ["auto_delete", declaration.autoDelete, request.autoDelete],
    ["internal", declaration.internal, request.internal],
  ] as const;
  for (const [name, current, received] of pairs) {
    if (current === received) continue;
    throw inequivalent(resource, { name, current: `'${current}'`, received: `'${received}'` });
  }
  assertArgument(resource, {
    name: "alternate-exchange",
    current: declaration.arguments.get("alternate-exchange"),
    received: request.arguments.get("alternate-exchange"),
  });
}

function exchangeType(type: string, rules: VersionRules): ExchangeType {
  switch (type) {
    case "direct":
    case "fanout":
    case "topic":
    case "headers":
      return type;
    case "x-local-random":
      if (rules.hasLocalRandom) return type;
  }
  throw new AmqpError(rules.unknownExchangeType, `unknown exchange type '${type}'`);
}

function assertNotDefault(name: string): void {
  if (name !== "") return;
  throw new AmqpError("access-refused", "operation not permitted on the default exchange");
}
