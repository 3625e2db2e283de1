// OTEL_DENO=true OTEL_EXPORTER_OTLP_PROTOCOL=console deno run --allow-net --allow-env=AMQP_URL examples/tracing/main.ts
import { instrumentCalls, instrumentRequests } from "../../extras/otel/mod.ts";
import { RpcClient, RpcServer } from "../../mod.ts";
import { main } from "../command_line.ts";

// Deno itself prints the spans here. Without the second variable it sends them to a collector on this
// machine, and to another one with OTEL_EXPORTER_OTLP_ENDPOINT.

type PriceContract = { priceOf: (item: string) => number };
type ShopContract = { buy: (items: string[]) => Promise<number> };

await main("tracing/main.ts", async ({ url, queue = "shop_queue" }) => {
  const priceQueue = `${queue}.prices`;
  await using _prices = await RpcServer.listen<PriceContract>(url, {
    queue: priceQueue,
    handlers: { priceOf: (item) => item.length },
    interceptors: [instrumentRequests(priceQueue)],
  });
  await using prices = await RpcClient.connect<PriceContract>(url, {
    queue: priceQueue,
    interceptors: [instrumentCalls()],
  });

  // Mostly another program: the trace goes along with the requests.
  await using _shop = await RpcServer.listen<ShopContract>(url, {
    queue,
    handlers: {
      async buy(items, { headers }) {
        console.log(`The shop works on trace ${String(headers.traceparent).split("-")[1]}`);
        let sum = 0;
        for await (const price of prices.map("priceOf", items)) sum += price;
        return sum;
      },
    },
    interceptors: [instrumentRequests(queue)],
  });
  await using shop = await RpcClient.connect<ShopContract>(url, {
    queue,
    interceptors: [instrumentCalls()],
  });
  console.log(`That makes ${await shop.call("buy", ["tea", "bread"])}`);
});
