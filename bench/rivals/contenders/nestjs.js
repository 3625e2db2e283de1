/** NestJS: its microservice on RabbitMQ, with acknowledgements by hand as it is without `noAck`. */

import "reflect-metadata";
import { Module } from "@nestjs/common";
import { NestFactory } from "@nestjs/core";
import { ClientProxyFactory, ServerRMQ, Transport } from "@nestjs/microservices";
import { lastValueFrom } from "rxjs";
import { procedures } from "../sides/procedures.js";

class Empty {}
Module({})(Empty);

function rabbitmq({ url, queue, durable, prefetch }) {
  return {
    urls: [url],
    queue,
    queueOptions: { durable },
    prefetchCount: prefetch,
    noAck: true,
    persistent: false,
    socketOptions: { connectionOptions: { noDelay: true } },
  };
}

export async function serve(options) {
  const strategy = new ServerRMQ(rabbitmq(options));
  const service = await NestFactory.createMicroservice(Empty, { strategy, logger: false });
  for (const [name, procedure] of Object.entries(procedures)) {
    strategy.addHandler(name, async (input) => await procedure(input));
  }
  await service.listen();
}

export async function connect(options) {
  const client = ClientProxyFactory.create({
    transport: Transport.RMQ,
    options: rabbitmq(options),
  });
  await client.connect();
  return { call: (name, input) => lastValueFrom(client.send(name, input)) };
}
