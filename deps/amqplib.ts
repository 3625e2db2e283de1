/** The AMQP 0-9-1 client library. @module */

export { connect } from "npm:amqplib@2.3.1";
export type {
  Channel,
  ChannelModel,
  ConfirmChannel,
  ConsumeMessage,
  Message,
  Options,
} from "npm:amqplib@2.3.1";
