import { type Broker, findBroker } from "./broker.ts";
import { startNamedBroker, takeBrokers } from "./named_broker.ts";
import { say } from "../tasks/say.ts";
import type { Task, TaskContext } from "../tasks/task.ts";

/** Makes a task that runs with a broker, whose URL is in `AMQP_URL`; `--broker` may name it. */
export function withBroker(task: Task): Task {
  return async (context) => {
    const { names: [name, other], rest: args } = takeBrokers(context.args);
    if (other !== undefined) throw new TypeError("Cannot use more than one broker here");
    const { signal } = context.interruption;
    await using broker = name
      ? await startNamedBroker(name, { signal })
      : await findBroker({ signal });
    announce(broker);
    return await task({ ...context, args, env: { ...context.env, ...brokerEnv(broker) } });
  };
}

/** Finds a broker and tells the user which. */
export async function announcedBroker({ interruption }: TaskContext): Promise<Broker> {
  const broker = await findBroker({ signal: interruption.signal });
  announce(broker);
  return broker;
}

/** Variables that tell a program which broker to use, and of what kind it is. */
export function brokerEnv(broker: Broker): Record<string, string> {
  const { url, origin, install } = broker;
  const env = { AMQP_URL: url, WARREN_BROKER: origin };
  // Nodes that the program starts are then of the same release.
  return install === undefined ? env : { ...env, WARREN_RABBITMQ: install.root };
}

/** A broker's name for people. */
export function brokerLabel({ origin, install, compat }: Broker): string {
  if (install?.version) return `RabbitMQ ${install.version}`;
  if (origin !== "embedded broker") return `the broker of ${origin}`;
  return compat === undefined || compat === "3.10"
    ? "the embedded broker"
    : `the embedded broker as ${compat}`;
}

function announce(broker: Broker): void {
  say(`Broker: ${brokerLabel(broker)}, ${broker.origin} (${withoutPassword(broker.url)})`);
}

function withoutPassword(url: string): string {
  return url.replace(/\/\/.*@/, "//");
}
