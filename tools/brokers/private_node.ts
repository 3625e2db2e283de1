import { answersAmqp } from "./amqp_probe.ts";
import { ErlangNetwork } from "./erlang_network.ts";
import { freePorts } from "./free_ports.ts";
import { pause } from "../time/waiting.ts";
import { GuardedProcess } from "./guarded_process.ts";
import type { RabbitmqInstall } from "./rabbitmq_install.ts";
import { compareVersions } from "./rabbitmq_versions.ts";

/** Options of {@linkcode PrivateNode.start}. */
export interface PrivateNodeOptions {
  /**
   * Name before the `@`; nodes of one network need different ones.
   *
   * @default {"warren"}
   */
  readonly name?: string;
  /**
   * Port for AMQP on 127.0.0.1.
   *
   * @default {a free one}
   */
  readonly amqpPort?: number;
  /**
   * Port on 127.0.0.1 for the other nodes and rabbitmqctl.
   *
   * @default {a free one}
   */
  readonly distPort?: number;
  /** Network to join, which outlives the node; by default the node gets one of its own. */
  readonly network?: ErlangNetwork;
  /**
   * Which RabbitMQ to run, if the node is to have a network of its own.
   *
   * @default {what findRabbitmq() finds}
   */
  readonly install?: RabbitmqInstall;
  /** Lines for rabbitmq.conf. */
  readonly config?: string;
  /**
   * Plugins that are enabled, by name.
   *
   * @default {[]}
   */
  readonly plugins?: readonly string[];
  /** More arguments for the Erlang machine, such as `-kernel net_ticktime 10`. */
  readonly erlangArgs?: string;
  /**
   * Longest time until the node answers.
   *
   * @default {60_000}
   */
  readonly startTimeoutMs?: number;
  /** Gives the start up. */
  readonly signal?: AbortSignal;
}

const LOOPBACK = "127.0.0.1";
const ERLANG_LOOPBACK = "-kernel inet_dist_use_interface {127,0,0,1}";
const PROBE_INTERVAL_MS = 50;
const STOP_TIMEOUT_MS = 30_000;
const MAX_ERROR_LINES = 12;
/** Somebody else can take a free port before the node does; then other ports will do. */
const MAX_ATTEMPTS = 3;
const PORT_TAKEN_REGEXP =
  /eaddrinuse|could_not_start_listener|port \d+ (?:is )?(?:already )?in use/i;

/**
 * A RabbitMQ node of one's own: in a temporary folder, on free ports of 127.0.0.1, without root.
 *
 * - It needs nothing but an installed RabbitMQ, and touches no other node.
 * - It ends with this process, however that ends.
 */
export class PrivateNode implements AsyncDisposable {
  /** Erlang's name of the node. */
  readonly name: string;
  /** Where clients connect. */
  readonly url: string;
  readonly #network: ErlangNetwork;
  readonly #ownsNetwork: boolean;
  readonly #port: number;
  readonly #env: Readonly<Record<string, string>>;
  readonly #startTimeoutMs: number;
  #process: GuardedProcess | undefined;

  private constructor(network: ErlangNetwork, options: PrivateNodeOptions) {
    const { name = "warren", network: shared, startTimeoutMs = 60_000 } = options;
    const [amqpPort = 0, distPort = 0] = freePorts(2);
    this.#network = network;
    this.#ownsNetwork = shared === undefined;
    this.#port = options.amqpPort ?? amqpPort;
    this.#startTimeoutMs = startTimeoutMs;
    this.name = `${name}@localhost`;
    this.url = `amqp://guest:guest@${LOOPBACK}:${this.#port}`;
    this.#env = {
      ...network.env,
      ...nodeEnv(`${network.folder}/${name}`, options.erlangArgs ?? ""),
      RABBITMQ_NODENAME: this.name,
      RABBITMQ_NODE_PORT: `${this.#port}`,
      RABBITMQ_DIST_PORT: `${options.distPort ?? distPort}`,
    };
  }

  /**
   * Starts a node and waits until it serves clients.
   *
   * @throws {Error} If RabbitMQ is not installed, or the node ends or takes too long.
   */
  static async start(options: PrivateNodeOptions = {}): Promise<PrivateNode> {
    const mayMove = options.amqpPort === undefined && options.distPort === undefined;
    for (let attempt = 1;; attempt++) {
      try {
        return await PrivateNode.#startOnce(options);
      } catch (error) {
        const lostPort = error instanceof Error && PORT_TAKEN_REGEXP.test(error.message);
        if (!lostPort || !mayMove || attempt === MAX_ATTEMPTS) throw error;
      }
    }
  }

  static async #startOnce(options: PrivateNodeOptions): Promise<PrivateNode> {
    const { install, network = await ErlangNetwork.open(install), config = "", signal } = options;
    const node = new PrivateNode(network, options);
    try {
      await node.#prepareFolder(`${releaseConfig(network.install)}${config}`, options.plugins);
      await node.#boot(signal);
      return node;
    } catch (error) {
      await node[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Process id of the node, for faults such as SIGSTOP; `undefined` while it is down. */
  get pid(): number | undefined {
    return this.#process?.running ? this.#process.pid : undefined;
  }

  /** The network that further nodes can join. */
  get network(): ErlangNetwork {
    return this.#network;
  }

  /** Kills the node as a power cut would; its data stays for {@linkcode restart}. */
  async kill(): Promise<void> {
    await this.#process?.[Symbol.asyncDispose]();
  }

  /** Shuts the node down in order; its data stays for {@linkcode restart}. */
  async stop(): Promise<void> {
    const process = this.#process;
    if (process === undefined) return;
    process.kill("SIGTERM");
    const lastResort = setTimeout(() => process.kill("SIGKILL"), STOP_TIMEOUT_MS);
    await process.exited;
    clearTimeout(lastResort);
  }

  /** Starts the node again with the same data and ports, after stopping it if it runs. */
  async restart(options: { readonly signal?: AbortSignal } = {}): Promise<void> {
    await this.stop();
    await this.#boot(options.signal);
  }

  /**
   * Runs rabbitmqctl on the node.
   *
   * @returns What it has printed.
   * @throws {Error} If it fails.
   */
  async ctl(...args: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await new Deno.Command(this.#network.install.ctl, {
      args: ["--quiet", "--node", this.name, ...args],
      env: { ...this.#env },
      clearEnv: true,
      stdin: "null",
    }).output();
    const decoder = new TextDecoder();
    if (code === 0) return decoder.decode(stdout);
    throw new Error(
      `Cannot run "rabbitmqctl ${args.join(" ")}" as it failed with code ${code}: ${
        decoder.decode(stderr).trim() || decoder.decode(stdout).trim()
      }`,
    );
  }

  /** Kills the node and removes its data, and the network with it unless it is shared. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    if (this.#ownsNetwork) await this.#network[Symbol.asyncDispose]();
  }

  get #folder(): string {
    return `${this.#network.folder}/${this.name.split("@")[0]}`;
  }

  async #prepareFolder(config: string, plugins: readonly string[] = []): Promise<void> {
    await Deno.mkdir(this.#folder, { recursive: true });
    await Deno.writeTextFile(`${this.#folder}/env.conf`, "");
    await Deno.writeTextFile(`${this.#folder}/enabled_plugins`, `[${plugins.join(",")}].\n`);
    await Deno.writeTextFile(`${this.#folder}/advanced.config`, "[].\n");
    // Without this file the node skips the translation of it, which takes a tenth of the start.
    if (config !== "") await Deno.writeTextFile(`${this.#folder}/rabbitmq.conf`, `${config}\n`);
  }

  async #boot(signal: AbortSignal | undefined): Promise<void> {
    signal?.throwIfAborted();
    const process = await GuardedProcess.start({
      command: [this.#network.install.server, "-noinput"],
      env: this.#env,
      log: `${this.#folder}/out`,
    });
    this.#process = process;
    const deadline = Date.now() + this.#startTimeoutMs;
    while (!await answersAmqp({ hostname: LOOPBACK, port: this.#port })) {
      signal?.throwIfAborted();
      if (!process.running) throw await this.#startError("it has ended");
      if (Date.now() > deadline) {
        throw await this.#startError(`it does not answer after ${this.#startTimeoutMs} ms`);
      }
      await pause(PROBE_INTERVAL_MS, signal);
    }
    // The port answers a moment before the node calls itself started.
    await this.ctl("await_startup");
  }

  async #startError(reason: string): Promise<Error> {
    const logs = [`${this.#folder}/out`, `${this.#folder}/log/${this.name}.log`];
    const texts = await Promise.all(logs.map((path) => Deno.readTextFile(path).catch(() => "")));
    return new Error(
      `Cannot start the private node "${this.name}" as ${reason}: ${bootErrors(texts.join("\n"))}`,
    );
  }
}

/** What the node itself has said about its failure, before pages of crash reports. */
function bootErrors(output: string): string {
  const lines = output.split("\n").filter((line) => line.trim() !== "");
  const errors = lines.filter((line) => line.includes("[error]"))
    .map((line) => line.replace(/^.*\[error\] <[\d.]+>/, "").trim())
    .filter((line) => line !== "");
  const telling = errors.length > 0 ? errors : lines.slice(-MAX_ERROR_LINES);
  return telling.slice(0, MAX_ERROR_LINES).join("\n  ");
}

/** Debian's 4.3 still permits what RabbitMQ's own 4.3 denies. */
function releaseConfig({ version }: RabbitmqInstall): string {
  if (version === "" || compareVersions(version, "4.3") < 0) return "";
  return "deprecated_features.permit.transient_nonexcl_queues = false\n";
}

function nodeEnv(folder: string, erlangArgs: string): Record<string, string> {
  return {
    // The script then becomes the node rather than its parent, so that its pid is the node's.
    RABBITMQ_ALLOW_INPUT: "1",
    RABBITMQ_CONF_ENV_FILE: `${folder}/env.conf`,
    RABBITMQ_CONFIG_FILE: `${folder}/rabbitmq.conf`,
    RABBITMQ_ADVANCED_CONFIG_FILE: `${folder}/advanced.config`,
    RABBITMQ_ENABLED_PLUGINS_FILE: `${folder}/enabled_plugins`,
    RABBITMQ_MNESIA_BASE: `${folder}/data`,
    RABBITMQ_LOG_BASE: `${folder}/log`,
    ERL_CRASH_DUMP: `${folder}/erl_crash.dump`,
    RABBITMQ_PID_FILE: `${folder}/pid`,
    RABBITMQ_NODE_IP_ADDRESS: LOOPBACK,
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: `${ERLANG_LOOPBACK} ${erlangArgs}`,
    // Ctrl-C is for the owner of the node; Erlang would stop and ask what to do.
    RABBITMQ_SERVER_START_ARGS: "+B i",
    RABBITMQ_CTL_ERL_ARGS: ERLANG_LOOPBACK,
  };
}
