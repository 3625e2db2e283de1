/** What is in a new service. @module */

/** The version of this package, which a test compares with deno.json. */
const VERSION = "0.2.0";

const CONTRACT = `/** What the service offers. Callers need this file and nothing else of it. */
export interface PrimesContract {
  /** How many primes there are from \`from\` up to but not including \`to\`. */
  countPrimes(input: { from: number; to: number }): number;
  /** Says that a server is there. */
  ping(): string;
}

/** The queue that requests come from. */
export const QUEUE = "primes";

/** Where the broker is. */
export const BROKER_URL: string = Deno.env.get("AMQP_URL") ?? "amqp://127.0.0.1";
`;

const WORKER =
  `// A worker file: its functions run on threads of their own, and may compute as long as they like.
import { expose } from "@warren/rpc/workers/runtime";

function countPrimes({ from, to }: { from: number; to: number }): number {
  let primes = 0;
  for (let n = Math.max(from, 2); n < to; n++) if (isPrime(n)) primes++;
  return primes;
}

function isPrime(n: number): boolean {
  for (let divisor = 2; divisor * divisor <= n; divisor++) if (n % divisor === 0) return false;
  return true;
}

expose({ countPrimes });
`;

const SERVICE = `import { RpcServer } from "@warren/rpc";
import { WorkerPool } from "@warren/rpc/workers";
import { type PrimesContract, QUEUE } from "./contract.ts";

type PrimesPool = WorkerPool<Pick<PrimesContract, "countPrimes">>;

/** Opens the workers, one for each core. */
export function openPool(): Promise<PrimesPool> {
  return WorkerPool.open(new URL("./worker.ts", import.meta.url));
}

/** Serves the contract: what computes in the pool, all else on this thread. */
export function serve(url: string, pool: PrimesPool): Promise<RpcServer<PrimesContract>> {
  return RpcServer.listen<PrimesContract>(url, {
    queue: QUEUE,
    handlers: { ...pool.handlers(), ping: () => "pong" },
    waitForBroker: true,
    closeOnSignals: { graceMs: 20_000 },
  });
}
`;

const SERVER = `import { BROKER_URL } from "./contract.ts";
import { openPool, serve } from "./service.ts";

await using pool = await openPool();
const server = await serve(BROKER_URL, pool);
await server.finished; // after SIGTERM or Ctrl-C, with all that it had in hand
`;

const CLIENT = `import { RpcClient } from "@warren/rpc";
import { BROKER_URL, type PrimesContract, QUEUE } from "./contract.ts";

await using client = await RpcClient.connect<PrimesContract>(BROKER_URL, { queue: QUEUE });
const parts = [0, 1, 2, 3].map((n) => ({ from: n * 250_000, to: (n + 1) * 250_000 }));
const counts = await Promise.all(parts.map((part) => client.api.countPrimes(part)));
console.log(\`There are \${counts.reduce((a, b) => a + b)} primes below 1,000,000\`);
`;

const TEST = `import { RpcClient } from "@warren/rpc";
import { TestBroker } from "@warren/rpc/testing";
import { type PrimesContract, QUEUE } from "./contract.ts";
import { openPool, serve } from "./service.ts";

Deno.test("countPrimes() counts", async () => {
  await using broker = await TestBroker.start();
  await using pool = await openPool();
  await using _server = await serve(broker.url, pool);
  await using client = await RpcClient.connect<PrimesContract>(broker.url, { queue: QUEUE });
  const count = await client.api.countPrimes({ from: 0, to: 100 });
  if (count !== 25) throw new Error(\`There are 25 primes below 100, not \${count}\`);
});
`;

const DOCKERFILE = `FROM denoland/deno:2.9.6
WORKDIR /app
ENV DENO_DIR=/app/.deno
COPY deno.json *.ts ./
RUN deno install --entrypoint server.ts worker.ts
USER deno
CMD ["deno", "run", "--cached-only", "--allow-net", "--allow-env=AMQP_URL", "--allow-read=/app", "server.ts"]
`;

const COMPOSE = `services:
  broker:
    image: rabbitmq:4
    hostname: broker # what it keeps is filed under its host name
    volumes: ["broker-data:/var/lib/rabbitmq"]
    environment:
      RABBITMQ_DEFAULT_USER: primes
      RABBITMQ_DEFAULT_PASS: \${PRIMES_PASSWORD:?set it}
  server:
    build: .
    environment:
      AMQP_URL: amqp://primes:\${PRIMES_PASSWORD:?set it}@broker
    deploy: { replicas: 2 }
    restart: on-failure
    stop_grace_period: 30s # more than graceMs
volumes:
  broker-data:
`;

const README = `# A service

\`\`\`sh
deno task test     # the test, without RabbitMQ
deno task broker   # a broker for development, until Ctrl-C; any RabbitMQ will do instead
deno task server   # in another terminal; start it twice, and the two share the load
deno task client   # in a third one
PRIMES_PASSWORD=secret docker compose up --build   # RabbitMQ and two servers
\`\`\`

| File              | What it is                                                |
| ----------------- | --------------------------------------------------------- |
| contract.ts       | what the service offers: all that a caller needs          |
| worker.ts         | the functions that compute                                |
| service.ts        | which procedures run where                                |
| server.ts         | the program that serves, until SIGTERM or Ctrl-C          |
| client.ts         | a program that calls                                      |
| service_test.ts   | a test with the broker of @warren/rpc/testing             |
`;

/** The texts of all files, by name. */
export function serviceFiles(): Readonly<Record<string, string>> {
  return {
    "contract.ts": CONTRACT,
    "worker.ts": WORKER,
    "service.ts": SERVICE,
    "server.ts": SERVER,
    "client.ts": CLIENT,
    "service_test.ts": TEST,
    "deno.json": `${JSON.stringify(denoConfig(), undefined, 2)}\n`,
    Dockerfile: DOCKERFILE,
    "compose.yaml": COMPOSE,
    ".dockerignore": ".git\nnode_modules\n",
    ".gitignore": "node_modules/\n",
    ".vscode/settings.json": '{ "deno.enable": true }\n',
    "README.md": README,
  };
}

function denoConfig(): Readonly<Record<string, unknown>> {
  const own = "--allow-net --allow-env=AMQP_URL";
  return {
    imports: { "@warren/rpc": `jsr:@warren/rpc@^${VERSION}` },
    tasks: {
      broker: "deno run --allow-net @warren/rpc/testing/main",
      server: `deno run ${own} --allow-read=. server.ts`,
      client: `deno run ${own} client.ts`,
      // Types are checked first: Deno would check each worker while it starts, within its time limit.
      test:
        "deno check *.ts && deno test --no-check --allow-net=127.0.0.1 --allow-env=AMQP_URL --allow-read=.",
    },
  };
}
