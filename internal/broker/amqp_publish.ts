/** A message as it is published. @module */

import type { Body } from "../../codec.ts";

/** The properties of a message that we use. Source: AMQP 0-9-1, class basic. */
export interface AmqpProperties {
  readonly appId?: string | undefined;
  readonly contentEncoding?: string | undefined;
  readonly contentType?: string | undefined;
  readonly correlationId?: string | undefined;
  readonly deliveryMode?: 1 | 2 | undefined;
  readonly expiration?: string | undefined;
  readonly headers?: Readonly<Record<string, unknown>> | undefined;
  readonly messageId?: string | undefined;
  readonly priority?: number | undefined;
  readonly replyTo?: string | undefined;
  readonly timestamp?: number | undefined;
  readonly type?: string | undefined;
  /** The user that published the message: the broker takes nobody else's. */
  readonly userId?: string | undefined;
  /** Why there are no headers though the message has some: they cannot be decoded. */
  readonly malformed?: string;
}

/** A message to publish. */
export interface AmqpPublish {
  /** Absent for the default exchange, where a routing key is the name of a queue. */
  readonly exchange?: string | undefined;
  readonly routingKey: string;
  readonly body: Body;
  readonly properties: AmqpProperties;
  /** Whether the broker returns the message if there is no such queue. */
  readonly mandatory: boolean;
  /** Whether the body came from the broker as it is: no limit is for it but the broker's own. */
  readonly isForwarded?: boolean;
}
