/** A server whose task sleeps: `sleeping_server.ts URL QUEUE PREFETCH`. @module */

import { pid } from "node:process";
import { RpcServer } from "../../mod.ts";

const [url = "", queue = "", prefetch] = Deno.args;
await RpcServer.listen(url, {
  queue,
  prefetch: Number(prefetch),
  durability: "durable",
  handlers: {
    pid: () => pid,
    sleep: async (ms: number) => {
      if (ms > 0) await new Promise((resolve) => setTimeout(resolve, ms));
    },
  },
});
console.log("ready");
