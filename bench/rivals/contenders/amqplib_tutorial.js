/** RabbitMQ's tutorial 6 in JavaScript, as it stands: one request at a time, and no `noDelay`. */

import * as bare from "./amqplib_bare.js";

export const serve = (options) => bare.serve({ ...options, prefetch: 1, noDelay: false });
export const connect = (options) => bare.connect({ ...options, noDelay: false });
