import { type Broker, findBroker } from "./broker.ts";
import { say } from "../tasks/say.ts";
import type { Task, TaskContext } from "../tasks/task.ts";

/** Makes a task that runs with a broker, whose URL is in `AMQP_URL`. */
export function withBroker(task: Task): Task {
  return async (context) => {
    await using broker = await announcedBroker(context);
    return await task({ ...context, env: { ...context.env, ...brokerEnv(broker) } });
  };
}

/** Finds a broker and tells the user which. */
export async function announcedBroker({ interruption }: TaskContext): Promise<Broker> {
  const broker = await findBroker({ signal: interruption.signal });
  say(`Broker: ${broker.origin} (${withoutPassword(broker.url)})`);
  return broker;
}

/** Variables that tell a program which broker to use, and of what kind it is. */
export function brokerEnv(broker: Broker): Record<string, string> {
  return { AMQP_URL: broker.url, WARREN_BROKER: broker.origin };
}

function withoutPassword(url: string): string {
  return url.replace(/\/\/.*@/, "//");
}
