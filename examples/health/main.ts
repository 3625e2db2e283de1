// deno run --allow-net --allow-env=AMQP_URL examples/health/main.ts
import { healthHandler } from "../../extras/health/mod.ts";
import { metricsText } from "../../extras/metrics/mod.ts";
import { RpcClient, RpcServer } from "../../mod.ts";
import { main } from "../command_line.ts";

const handlers = { ping: () => "pong" };

await main("health/main.ts", async ({ url, queue = "ping_queue" }) => {
  const server = await RpcServer.listen(url, { queue, handlers });
  await using client = await RpcClient.connect<typeof handlers>(url, { queue });
  await client.call("ping");

  const parts = { server, client };
  // Mostly { port: 8080 }, where Kubernetes, Prometheus or a browser finds it.
  const options = { hostname: "127.0.0.1", port: 0, onListen: () => {} };
  await using probes = Deno.serve(
    options,
    healthHandler(parts, { page: true, metrics: () => metricsText(parts) }),
  );
  const get = (path: string) => fetch(`http://127.0.0.1:${probes.addr.port}${path}`);

  console.log(`/livez ${(await get("/livez")).status}`);
  console.log(`/readyz ${(await get("/readyz")).status}`);
  const metrics = await (await get("/metrics")).text();
  const types = metrics.split("\n").filter((line) => line.startsWith("# TYPE"));
  console.log(`/metrics has ${types.length} metrics`);

  // A server that is closed takes no requests: whoever asks is told so, and sends none.
  await server.close();
  console.log(`/readyz ${(await get("/readyz")).status}, as the server is closed`);
});
