/** A broker without sockets, to feed connections with bytes directly. @module */

import { VirtualClock } from "../../../testing/clock.ts";
import { Faults } from "../../../testing/faults.ts";
import { MethodLog } from "../../../testing/method_log.ts";
import { User } from "../../../testing/model/users.ts";
import { type Compat, rulesOf } from "../../../testing/model/version_rules.ts";
import { VirtualHost } from "../../../testing/model/virtual_host.ts";
import type { BrokerContext } from "../../../testing/session/broker_context.ts";
import { Connection } from "../../../testing/session/connection.ts";
import { BasicProperties } from "../../../testing/wire/basic_properties.ts";
import { ByteWriter, encodeText } from "../../../testing/wire/byte_writer.ts";
import { FrameType, PROTOCOL_HEADER, writeFrameWith } from "../../../testing/wire/frame.ts";
import { encodeMethod } from "../../../testing/wire/method_codec.ts";
import type { MethodArguments, MethodName } from "../../../testing/wire/methods.ts";

/** A broker without sockets. */
export interface BareBroker {
  /** Texts of exceptions that ended connections. Where RabbitMQ itself stumbles, there is no text. */
  readonly faults: string[];
  /** Timers that are still scheduled. */
  readonly pendingTimers: number;
  /** Methods that were handled. */
  readonly handled: number;
  /** Opens a connection that has gone through its handshake. */
  open(): Connection;
  /** Feeds a connection and opens channels again that were closed; tells whether it is still open. */
  feed(connection: Connection, bytes: Uint8Array): boolean;
  /** Deletes all queues and exchanges that clients have made. */
  sweep(): void;
}

/** A clock that counts its timers. */
class CountingClock extends VirtualClock {
  pending = 0;

  override schedule(delayMs: number, callback: () => void): { cancel(): void } {
    this.pending++;
    let isPending = true;
    const settle = (): void => {
      if (isPending) this.pending--;
      isPending = false;
    };
    const timer = super.schedule(delayMs, () => {
      settle();
      callback();
    });
    return {
      cancel: () => {
        settle();
        timer.cancel();
      },
    };
  }
}

/** Starts a broker without sockets. */
export function startBare(compat: Compat = "3.10"): BareBroker {
  const rules = rulesOf(compat);
  const clock = new CountingClock();
  const limits = { maxQueues: 100, maxExchanges: 100, maxBindings: 1000 };
  const virtualHost = new VirtualHost({ name: "/", clock, rules, limits, countBytes: () => {} });
  const user = new User({ name: "guest", password: "guest" });
  const faults: string[] = [];
  const log = new MethodLog(10_000);
  let handled = 0;
  const context: BrokerContext = {
    rules,
    frameMax: 131_072,
    maxMessageBytes: 1_000_000,
    consumerTimeoutMs: 1_800_000,
    heartbeatSeconds: 0,
    limits: { maxChannels: 2047, maxConsumers: 100, maxTableDepth: 100 },
    clock,
    faults: new Faults(() => {}),
    log,
    blockedReason: undefined,
    findUser: () => user,
    findVirtualHost: () => virtualHost,
  };
  return {
    faults,
    get pendingTimers(): number {
      return clock.pending;
    },
    open(): Connection {
      const connection = new Connection({
        number: 1,
        context,
        onClosed: () => {},
        transport: {
          backlog: 0,
          write: () => {},
          setReading: () => {},
          end: () => {},
          drop: () => {},
        },
      });
      connection.start();
      for (const bytes of handshake()) connection.onBytes(bytes);
      connection.onBytes(methodFrame(1, "channel.open", { reserved1: "" }));
      return connection;
    },
    get handled(): number {
      return handled;
    },
    feed(connection: Connection, bytes: Uint8Array): boolean {
      connection.onBytes(bytes);
      const events = log.events;
      log.clear();
      let isOpen = true;
      for (const event of events) {
        if (event.direction === "received") handled++;
        else if (event.name === "connection.close" || event.name === "connection.close-ok") {
          isOpen = false;
          if (event.name === "connection.close" && isException(event.arguments)) {
            faults.push(event.arguments.replyText);
          }
        } else if (event.name === "channel.close") {
          connection.onBytes(methodFrame(event.channel, "channel.close-ok", {}));
          connection.onBytes(methodFrame(event.channel, "channel.open", { reserved1: "" }));
        } else if (event.name === "channel.close-ok") {
          connection.onBytes(methodFrame(event.channel, "channel.open", { reserved1: "" }));
        }
      }
      return isOpen;
    },
    sweep(): void {
      for (const queue of virtualHost.queues) virtualHost.deleteQueue(queue);
      for (const exchange of virtualHost.exchanges) {
        if (exchange.name !== "" && !exchange.name.startsWith("amq.")) {
          virtualHost.deleteExchange(exchange);
        }
      }
    },
  };
}

/** Encodes a method frame. */
export function methodFrame<Name extends MethodName>(
  channel: number,
  name: Name,
  values: MethodArguments<Name>,
): Uint8Array {
  const writer = new ByteWriter();
  writeFrameWith(writer, { type: FrameType.method, channel }, () => {
    encodeMethod(writer, name, values);
  });
  return writer.take();
}

/** Encodes a content header frame. */
export function headerFrame(
  channel: number,
  size: number,
  properties: BasicProperties = BasicProperties.of({}),
): Uint8Array {
  const writer = new ByteWriter();
  writeFrameWith(writer, { type: FrameType.header, channel }, () => {
    writer.short(60);
    writer.short(0);
    writer.longLongNumber(size);
    writer.bytes(properties.bytes);
  });
  return writer.take();
}

/** Returns what a client sends to open a connection. */
export function handshake(heartbeat = 0): Uint8Array[] {
  return [
    PROTOCOL_HEADER,
    methodFrame(0, "connection.start-ok", {
      clientProperties: new Map(),
      mechanism: "PLAIN",
      response: encodeText("\0guest\0guest"),
      locale: "en_US",
    }),
    methodFrame(0, "connection.tune-ok", { channelMax: 2047, frameMax: 131_072, heartbeat }),
    methodFrame(0, "connection.open", { virtualHost: "/", reserved1: "", reserved2: false }),
  ];
}

function isException(
  { replyCode, replyText }: MethodArguments<"connection.close">,
): boolean {
  return replyCode === 541 && replyText !== "INTERNAL_ERROR";
}
