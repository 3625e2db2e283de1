/**
 * One side of a rival in JavaScript, a server or a client, on Deno or Node.
 *
 * Arguments: `server` or `client`, the contender's module, the broker's URL, the queue, `durable` or
 * `transient`. See ./orders.js for what a client is told to do.
 */

import { obeyOrders } from "./orders.js";

const [role, module, url, queue, durability] = process.argv.slice(2);
const { connect, serve } = await import(`../contenders/${module}.js`);
const options = { url, queue, durable: durability === "durable", prefetch: 256 };
if (role === "server") {
  await serve(options);
  console.log("ready");
} else {
  await obeyOrders(await connect(options));
}
