/** A connection: its frames, its channels, its end. @module */

import type { DropKind } from "../faults.ts";
import type { User } from "../model/users.ts";
import type { VirtualHost } from "../model/virtual_host.ts";
import { AmqpError, toAmqpError } from "../wire/amqp_error.ts";
import {
  type Frame,
  FrameType,
  headerForForeigner,
  isKnownFrame,
  unexpectedFrame,
  unknownFrame,
} from "../wire/frame.ts";
import { decodeMethod, methodIds } from "../wire/method_codec.ts";
import type { Method, MethodArguments, MethodName } from "../wire/methods.ts";
import type { BrokerContext } from "./broker_context.ts";
import type { Channel, ChannelHost, OutgoingContent } from "./channel.ts";
import { ChannelTable } from "./channel_table.ts";
import { ConnectionOutput } from "./connection_output.ts";
import { FrameInput } from "./frame_input.ts";
import { type Agreement, Handshake } from "./handshake.ts";
import { Liveness } from "./liveness.ts";
import type { Transport, TransportEvents } from "./transport.ts";

/** Deliveries wait for a client that reads too slowly. */
const MAX_DELIVERY_BACKLOG = 1024 * 1024;
/** A client that does not read at all is not read either. */
const MAX_BACKLOG = 8 * 1024 * 1024;
const HANDSHAKE_TIMEOUT_MS = 10_000;
const CLOSE_TIMEOUT_MS = 10_000;

/** What a connection is made of. */
export interface ConnectionOptions {
  /** Its number in the log. */
  readonly number: number;
  /** The broker around it. */
  readonly context: BrokerContext;
  /** The stream of bytes under it. */
  readonly transport: Transport;
  /** Called once it is gone. */
  readonly onClosed: (connection: Connection) => void;
}

type State = "header" | "handshake" | "running" | "closing" | "closed";

/** A connection of a client. */
export class Connection implements ChannelHost, TransportEvents {
  /** The broker around it. */
  readonly context: BrokerContext;
  /** Its number in the log. */
  readonly number: number;
  readonly #transport: Transport;
  readonly #onClosed: (connection: Connection) => void;
  readonly #input: FrameInput;
  readonly #output: ConnectionOutput;
  readonly #liveness: Liveness;
  readonly #handshake: Handshake;
  readonly #channels: ChannelTable;
  #agreement: Agreement | undefined;
  #state: State = "header";
  #awaitsDrain = false;

  /** Creates a connection that waits for the protocol header. */
  constructor({ number, context, transport, onClosed }: ConnectionOptions) {
    this.number = number;
    this.context = context;
    this.#transport = transport;
    this.#onClosed = onClosed;
    this.#input = new FrameInput(context.frameMax, {
      onHeader: () => this.#greet(),
      onForeignHeader: (header) => this.#refuseProtocol(header),
      onFrame: (frame) => this.#handleFrame(frame),
      onFault: (error) => this.#closeForGood(toAmqpError(error)),
      setReading: (isReading) => transport.setReading(isReading),
    });
    this.#output = new ConnectionOutput({
      number,
      context,
      transport,
      onSent: () => this.#liveness.noteSent(),
      onDrop: (how) => this.drop(how),
    });
    this.#handshake = new Handshake(
      context,
      (name, values) => this.send({ channel: 0, name }, values),
    );
    this.#channels = new ChannelTable(this, this.#output.tap);
    this.#liveness = new Liveness(context.clock, () => this.drop("end"));
  }

  /** Gives the client some time for its handshake. */
  start(): void {
    this.#liveness.expectWithin(HANDSHAKE_TIMEOUT_MS);
  }

  /** Who logged in. */
  get user(): User {
    return this.#agreed.user;
  }

  /** The virtual host that was opened. */
  get virtualHost(): VirtualHost {
    return this.#agreed.virtualHost;
  }

  /** Tells whether the client reads fast enough; if not, consumers are served again once it has. */
  hasRoom(): boolean {
    if (this.#state !== "running") return false;
    if (this.#output.backlog < MAX_DELIVERY_BACKLOG) return true;
    this.#awaitsDrain = true;
    return false;
  }

  /** Closes one of the channels. */
  closeChannel(channel: Channel, error: AmqpError): void {
    this.#channels.close(channel, error);
  }

  /** The name that the client has given its connection, if it has. */
  get clientName(): string | undefined {
    return this.#handshake.clientName;
  }

  /** The open channels. */
  get channelCount(): number {
    return this.#channels.size;
  }

  /** Who logged in, and to which virtual host; `undefined` before that. */
  get session(): Pick<Agreement, "user" | "virtualHost"> | undefined {
    return this.#agreement;
  }

  /** Whether the client wants to know of cancelled consumers. */
  get wantsCancelNotify(): boolean {
    return this.#handshake.clientCan("consumer_cancel_notify");
  }

  /** Takes bytes from the client. */
  onBytes(bytes: Uint8Array): void {
    if (!this.#output.isSilent) this.#liveness.noteReceived();
    this.#input.push(bytes);
  }

  /** Goes on after the backlog has been sent. */
  onDrain(): void {
    if (!this.#awaitsDrain || this.#state === "closed") return;
    this.#awaitsDrain = false;
    this.#channels.resumeConsumers();
    this.#input.resume("backlog");
  }

  /** Releases everything after the stream has ended. */
  onClose(): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    this.#input.stop();
    this.#output.stop();
    this.#liveness.stop();
    this.#release();
    this.#onClosed(this);
  }

  /** Sends a method, with content if given. */
  send<Name extends MethodName>(
    { channel, name }: { readonly channel: number; readonly name: Name },
    values: MethodArguments<Name>,
    content?: OutgoingContent,
  ): void {
    if (this.#state !== "closed") this.#output.send({ channel, name }, values, content);
  }

  /** Closes the connection with a reply code, as the broker does when it shuts down. */
  close(error: AmqpError, cause?: MethodName): void {
    if (this.#state === "closed" || this.#state === "closing") return;
    const before = this.#state;
    this.#release();
    if (before === "header" || !this.#mayTellWhy(error, before)) return this.drop("end");
    this.send({ channel: 0, name: "connection.close" }, {
      replyCode: error.replyCode,
      replyText: error.replyText,
      ...methodIds(error.isStumble ? undefined : error.method ?? cause),
    });
    if (!this.#isGone) this.#liveness.expectWithin(CLOSE_TIMEOUT_MS);
  }

  /** Ends the connection without a word, or lets it fall silent. */
  drop(kind: DropKind): void {
    if (this.#state === "closed") return;
    if (kind === "silence") {
      this.#input.stop();
      return this.#output.silence();
    }
    this.#transport.drop(kind);
    this.onClose();
  }

  /** Lets a blocked connection go on. */
  unblock(): void {
    if (!this.#input.isPausedFor("blocked")) return;
    this.#liveness.listen(true);
    if (this.#handshake.clientCan("connection.blocked")) {
      this.send({ channel: 0, name: "connection.unblocked" }, {});
    }
    this.#input.resume("blocked");
  }

  get #agreed(): Agreement {
    if (this.#agreement !== undefined) return this.#agreement;
    throw new TypeError("Cannot use connection as it is not open: handshake");
  }

  /** A getter, because the compiler takes a checked state for unchanged after a call. */
  get #isGone(): boolean {
    return this.#state === "closed";
  }

  #greet(): void {
    this.#state = "handshake";
    this.#handshake.start();
  }

  #refuseProtocol(header: Uint8Array): void {
    this.#output.write(headerForForeigner(header, this.context.rules.ownProtocol));
    this.#transport.end();
    this.onClose();
  }

  #closeForGood(error: AmqpError): void {
    this.close(error);
    if (!this.#isGone) this.#finish();
  }

  #handleFrame(frame: Frame): void {
    if (this.#output.backlog > MAX_BACKLOG) {
      this.#awaitsDrain = true;
      this.#input.pause("backlog");
    }
    if (frame.channel === 0) return this.#handleConnectionFrame(frame);
    if (this.#state === "closing") return;
    if (this.#state !== "running") return this.close(unexpectedFrame(frame));
    if (!isKnownFrame(frame)) return this.close(unknownFrame(frame));
    if (frame.type === FrameType.heartbeat) return this.close(unexpectedFrame(frame));
    this.#channels.handleFrame(frame, (error, cause) => this.close(error, cause));
    const isPublishing = frame.type === FrameType.header || frame.type === FrameType.body;
    if (isPublishing && this.context.blockedReason !== undefined) {
      this.#block(this.context.blockedReason);
    }
  }

  #handleConnectionFrame(frame: Frame): void {
    if (!isKnownFrame(frame)) return this.close(unknownFrame(frame));
    if (frame.type === FrameType.heartbeat) return;
    if (frame.type !== FrameType.method) return this.close(unexpectedFrame(frame));
    let method: Method | undefined;
    try {
      method = decodeMethod(frame.payload, this.context.limits.maxTableDepth);
      if (!this.#output.tap.before({ channel: 0, direction: "received", method })) return;
      this.#handleConnectionMethod(method);
    } catch (error) {
      return this.close(toAmqpError(error), method?.name);
    }
    this.#output.tap.after({ channel: 0, direction: "received", method });
  }

  #handleConnectionMethod(method: Method): void {
    if (this.#state === "closing") {
      if (method.name === "connection.close") this.#answerClose();
      else if (method.name === "connection.close-ok") this.#finish();
      return;
    }
    if (this.#state === "handshake") {
      const agreement = this.#handshake.handle(method);
      if (agreement !== undefined) this.#open(agreement);
      return;
    }
    switch (method.name) {
      case "connection.close":
        this.#release();
        return this.#answerClose();
      case "connection.update-secret":
        return this.send({ channel: 0, name: "connection.update-secret-ok" }, {});
      default:
        throw new AmqpError("channel-error", "unexpected method in connection state running");
    }
  }

  #open(agreement: Agreement): void {
    this.#agreement = agreement;
    this.#state = "running";
    this.#input.maxFrameSize = agreement.frameMax;
    this.#output.setMaxFrameSize(agreement.frameMax);
    this.#channels.maxChannels = agreement.channelMax;
    this.#liveness.startHeartbeats(
      agreement.heartbeatSeconds * 1000,
      () => this.#output.heartbeat(),
    );
  }

  #answerClose(): void {
    this.send({ channel: 0, name: "connection.close-ok" }, {});
    this.#finish();
  }

  #finish(): void {
    this.#output.end(() => this.onClose());
  }

  #release(): void {
    // From here on no channel takes what the others give back.
    if (this.#state !== "closed") this.#state = "closing";
    this.#channels.release();
    if (this.#agreement === undefined) return;
    for (const queue of this.virtualHost.queues) {
      if (queue.declaration.owner === this) this.virtualHost.deleteQueue(queue);
    }
  }

  #block(reason: string): void {
    this.#input.pause("blocked");
    this.#liveness.listen(false);
    if (this.#handshake.clientCan("connection.blocked")) {
      this.send({ channel: 0, name: "connection.blocked" }, { reason });
    }
  }

  /** During the handshake RabbitMQ explains a refused login only to clients that can take it. */
  #mayTellWhy(error: AmqpError, state: State): boolean {
    const isLogin = state === "handshake" && error.replyCode === 403;
    return !isLogin || this.#handshake.clientCan("authentication_failure_close");
  }
}
