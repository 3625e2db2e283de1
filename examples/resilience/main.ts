// deno run --allow-net --allow-env=AMQP_URL examples/resilience/main.ts
import { withResilience } from "../../extras/resilience/resilience.ts";
import { RpcClient, RpcError, RpcServer } from "../../mod.ts";
import { main } from "../command_line.ts";

let isWell = false;
let attempts = 0;
const handlers = {
  weather(town: string): string {
    if (++attempts === 3) isWell = true;
    // The handler decides whether another try makes sense.
    if (!isWell) {
      throw new RpcError("busy", "Cannot look as clouds are in the way", { retryable: true });
    }
    return `Sunny in ${town}`;
  },
};

await main("resilience/main.ts", async ({ url, queue = "weather_queue" }) => {
  await using server = await RpcServer.listen(url, { queue, handlers });
  await using client = await RpcClient.connect<typeof handlers>(url, { queue });
  const steady = withResilience(client, {
    retry: { maxAttempts: 3, firstDelayMs: 10, attemptTimeoutMs: 200 },
    breaker: { failureRatio: 0.5, minCalls: 3, coolDownMs: 60_000 },
  });
  console.log(`${await steady.call("weather", "Oslo")}, after ${attempts} attempts`);

  // Nobody answers any more. The breaker opens, and calls fail at once instead of waiting.
  await server.close();
  for (const town of ["Rome", "Riga", "Reno"]) {
    await steady.call("weather", town, { timeoutMs: 500 })
      .catch((error: RpcError) => console.log(`${town}: ${error.code}`));
  }
});
