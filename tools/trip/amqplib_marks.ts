/** Marks where amqplib publishes and where it delivers; in the copy, it stands in for `connect()`. @module */

import type { ChannelModel, ConfirmChannel } from "../../deps/amqplib.ts";
import { beginAt, markPublish } from "./recorder.ts";

/** Watches the confirm channels of a connection. */
export function watchModel(model: ChannelModel): ChannelModel {
  const open = model.createConfirmChannel.bind(model);
  model.createConfirmChannel = async (...args) => watchChannel(await open(...args));
  return model;
}

function watchChannel(channel: ConfirmChannel): ConfirmChannel {
  // What `publish()` of amqplib would call, too.
  const inside: ConfirmChannel & { sendMessage?(...args: unknown[]): unknown } = channel;
  const send = inside.sendMessage?.bind(channel);
  inside.sendMessage = (...args) => {
    markPublish();
    return send?.(...args);
  };
  const consume = channel.consume.bind(channel);
  channel.consume = (queue, onMessage, options) =>
    consume(queue, (message) => beginAt("amqplib", () => onMessage(message)), options);
  return channel;
}
