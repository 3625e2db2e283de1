import { testUnless } from "../helpers/features.ts";
import { assertStringIncludes } from "../../deps/std_assert.ts";
import { TestBroker } from "../../testing/mod.ts";

const FIXTURES = new URL("./fixtures/", import.meta.url);

/** The tutorials in one language, and how to run them. */
interface Tutorials {
  readonly client: "pika" | "amqplib";
  readonly isMissing: boolean;
  command(program: string): [string, ...string[]];
}

const PIKA: Tutorials = {
  client: "pika",
  isMissing: !await hasPika(),
  command: (program) => ["/usr/bin/python3", "-u", fixture(`pika/${program}.py`)],
};
const AMQPLIB: Tutorials = {
  client: "amqplib",
  isMissing: false,
  command: (program) => [Deno.execPath(), "run", "--allow-all", fixture(`amqplib/${program}.js`)],
};

for (const tutorials of [PIKA, AMQPLIB]) {
  const { client, isMissing } = tutorials;
  const why = isMissing ? `${client} is missing` : undefined;

  Deno.test(
    testUnless(
      why,
      `TestBroker runs ${client} tutorial 1, hello world`,
      () => receiveWhileSending(tutorials, ["receive"], ["send"], "Received Hello World!"),
    ),
  );

  Deno.test(testUnless(why, `TestBroker runs ${client} tutorial 2, work queues`, async () => {
    await using broker = await TestBroker.start();
    await using sender = start(tutorials, broker, ["new_task", "one task"]);
    await sender.exited();
    await using worker = start(tutorials, broker, ["worker"]);
    await worker.printed("Received one task");
    await worker.printed("Done");
  }));

  Deno.test(
    testUnless(
      why,
      `TestBroker runs ${client} tutorial 3, publish and subscribe`,
      () => receiveWhileSending(tutorials, ["receive_logs"], ["emit_log", "a log"], "[x] a log"),
    ),
  );

  Deno.test(
    testUnless(why, `TestBroker runs ${client} tutorial 4, routing`, () =>
      receiveWhileSending(
        tutorials,
        ["receive_logs_direct", "warning", "error"],
        ["emit_log_direct", "error", "it burns"],
        "[x] error:it burns",
      )),
  );

  Deno.test(
    testUnless(why, `TestBroker runs ${client} tutorial 5, topics`, () =>
      receiveWhileSending(
        tutorials,
        ["receive_logs_topic", "kern.*", "*.critical"],
        ["emit_log_topic", "kern.critical", "A critical kernel error"],
        "[x] kern.critical:A critical kernel error",
      )),
  );

  Deno.test(
    testUnless(
      why,
      `TestBroker runs ${client} tutorial 6, RPC`,
      () => receiveWhileSending(tutorials, ["rpc_server"], ["rpc_client"], "fib(20)", "Got 6765"),
    ),
  );
}

async function receiveWhileSending(
  tutorials: Tutorials,
  receiver: readonly [string, ...string[]],
  sender: readonly [string, ...string[]],
  ...[received, sent = "Sent"]: [string, string?]
): Promise<void> {
  await using broker = await TestBroker.start();
  await using receiving = start(tutorials, broker, receiver);
  await receiving.printed(receiver[0] === "rpc_server" ? "Awaiting" : "Waiting");
  await using sending = start(tutorials, broker, sender);
  if (sender[0] !== "rpc_client") await sending.printed("Sent");
  await sending.printed(sent === "Sent" ? "[x]" : sent);
  await receiving.printed(received);
}

/** A program under observation. */
class Program implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #reading: Promise<void>;
  #output = "";
  #wake: () => void = () => {};

  constructor(child: Deno.ChildProcess) {
    this.#child = child;
    this.#reading = this.#read();
  }

  /** Waits until the program has printed a text. */
  async printed(text: string): Promise<void> {
    let hasEnded = false;
    this.#reading.then(() => {
      hasEnded = true;
      this.#wake();
    });
    while (!this.#output.includes(text) && !hasEnded) {
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
    assertStringIncludes(this.#output, text);
  }

  /** Waits until the program has ended. */
  async exited(): Promise<void> {
    await this.#child.status;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#child.kill("SIGKILL");
    } catch {
      // It has ended by itself.
    }
    await this.#child.status;
    await this.#reading;
  }

  async #read(): Promise<void> {
    for await (const text of this.#child.stdout.pipeThrough(new TextDecoderStream())) {
      this.#output += text;
      this.#wake();
    }
  }
}

function start(
  tutorials: Tutorials,
  broker: TestBroker,
  [program, ...args]: readonly [string, ...string[]],
): Program {
  const [command, ...rest] = tutorials.command(program);
  const env = { AMQP_PORT: String(broker.port) };
  const child = new Deno.Command(command, { args: [...rest, ...args], env, stdout: "piped" });
  return new Program(child.spawn());
}

function fixture(path: string): string {
  return new URL(path, FIXTURES).pathname;
}

async function hasPika(): Promise<boolean> {
  try {
    const python = new Deno.Command("/usr/bin/python3", {
      args: ["-c", "import pika"],
      stderr: "null",
    });
    return (await python.output()).success;
  } catch {
    return false;
  }
}
