/**
 * By hand with the guarantees of @warren/rpc, and each input goes to a thread and comes back: what a
 * pool costs at least, measured beside the broker, where the thread sleeps between two calls.
 */

import * as confirmed from "./amqplib_confirmed.js";

export async function serve(options) {
  const worker = new Worker(new URL("../sides/echo_thread.js", import.meta.url), {
    type: "module",
  });
  const pending = new Map();
  let lastId = 0;
  worker.onmessage = ({ data: { id, output } }) => {
    pending.get(id)(output);
    pending.delete(id);
  };
  const run = (type, input) => {
    const id = ++lastId;
    worker.postMessage({ id, type, input });
    return new Promise((resolve) => pending.set(id, resolve));
  };
  await confirmed.serve({ ...options, run });
}

export const connect = confirmed.connect;
