import { answersAmqp } from "./amqp_probe.ts";
import { say } from "../tasks/say.ts";
import { until } from "../time/waiting.ts";

/** A broker in a container of its own. */
export interface BrokerContainer extends AsyncDisposable {
  /** Where clients connect. */
  readonly url: string;
}

/** Options of {@linkcode startBrokerContainer}. */
export interface BrokerContainerOptions {
  /** Gives the start up. */
  readonly signal?: AbortSignal;
}

const IMAGE = "rabbitmq:4-alpine";
const INFO_TIMEOUT_MS = 5_000;
/** A first run downloads the image. */
const RUN_TIMEOUT_MS = 300_000;
const READY_TIMEOUT_MS = 60_000;

/**
 * Starts a broker in a container on a free port of 127.0.0.1, or says why it cannot.
 *
 * The container goes when it is disposed of; should this process be killed before, the one that
 * stays is called "warren-…".
 */
export async function startBrokerContainer(
  options: BrokerContainerOptions = {},
): Promise<BrokerContainer | string> {
  const { signal } = options;
  const info = await docker(["info"], { timeoutMs: INFO_TIMEOUT_MS });
  if (!info.success) return `docker info: ${info.text}`;
  say(`No RabbitMQ is installed here: starting ${IMAGE} in a container`);
  const name = `warren-${crypto.randomUUID()}`;
  try {
    const run = await docker(
      ["run", "--detach", "--rm", "--name", name, "--publish", "127.0.0.1::5672", IMAGE],
      { timeoutMs: RUN_TIMEOUT_MS, ...(signal && { signal }) },
    );
    if (!run.success) return await removed(name, `docker run: ${run.text}`);
    const port = Number((await docker(["port", name, "5672/tcp"])).text.split(":").at(-1));
    const ready = await isReady(name, port, signal);
    if (!ready) return await removed(name, `${IMAGE} does not answer on port ${port}`);
    return {
      url: `amqp://guest:guest@127.0.0.1:${port}`,
      [Symbol.asyncDispose]: async () => void await removed(name, ""),
    };
  } catch (error) {
    await removed(name, "");
    throw error;
  }
}

/** Docker takes connections on the port at once, so only an AMQP answer counts. */
async function isReady(
  name: string,
  port: number,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  const answers = () => answersAmqp({ hostname: "127.0.0.1", port });
  if (!await until(answers, { limitMs: READY_TIMEOUT_MS, signal })) return false;
  return (await docker(["exec", name, "rabbitmqctl", "await_startup"])).success;
}

async function removed(name: string, reason: string): Promise<string> {
  await docker(["rm", "--force", "--volumes", name]);
  return reason;
}

async function docker(
  args: readonly string[],
  options: { readonly timeoutMs?: number; readonly signal?: AbortSignal } = {},
): Promise<{ readonly success: boolean; readonly text: string }> {
  const { timeoutMs = 30_000, signal } = options;
  const timeout = AbortSignal.timeout(timeoutMs);
  try {
    const { success, stdout, stderr } = await new Deno.Command("docker", {
      args: [...args],
      stdin: "null",
      signal: signal === undefined ? timeout : AbortSignal.any([signal, timeout]),
    }).output();
    const decoder = new TextDecoder();
    return { success, text: decoder.decode(success ? stdout : stderr).trim() };
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return { success: false, text: "not installed" };
    throw error;
  }
}
