/** A thread that runs the procedures, for ../contenders/amqplib_thread.js. */

import { procedures } from "./procedures.js";

globalThis.onmessage = async ({ data: { id, type, input } }) => {
  globalThis.postMessage({ id, output: await procedures[type](input) });
};
