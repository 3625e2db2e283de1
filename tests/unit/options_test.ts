import { assert, assertEquals, assertStringIncludes } from "../../deps/std_assert.ts";
import { createJsonCodec, RpcClient, RpcConnection, RpcServer } from "../../mod.ts";
import { RpcControl } from "../../extras/control/rpc_control.ts";
import { healthHandler, HeartbeatFile } from "../../extras/health/mod.ts";
import { ParkedRequests } from "../../extras/parked/parked_requests.ts";
import { withResilience } from "../../extras/resilience/resilience.ts";
import {
  checkBatchOptions,
  checkCallOptions,
  resolveStreamOptions,
} from "../../internal/callers/call_options.ts";
import { readGraceMs } from "../../internal/check.ts";
import { checkMessageHeaders } from "../../internal/message_headers.ts";
import { TestBroker } from "../../testing/mod.ts";
import { WorkerPool } from "../../workers/mod.ts";
import { checkRunOptions, checkStreamOptions } from "../../workers/pool/pool_options.ts";
import { textOf } from "../helpers/source_files.ts";

/** Options as an untyped caller may give them. */
// deno-lint-ignore no-explicit-any -- what the compiler would refuse
type Untyped = any;

/** Who takes options of an interface. */
interface Taker {
  readonly file: string;
  readonly interface: string;
  /** Gives the options to what takes them. */
  readonly give: (options: Untyped) => unknown;
  /** Options of which every value is right, or whose value no error may show. */
  readonly except?: readonly string[];
}

const URL_OF_NOBODY = "amqp://127.0.0.1:1";
const WORKER = import.meta.resolve("../../workers/fibonacci.ts");
const caller = { call: () => Promise.resolve(1) };

function connect(options: Untyped): Promise<unknown> {
  return RpcClient.connect(URL_OF_NOBODY, { queue: "q", ...options });
}

function listen(options: Untyped): Promise<unknown> {
  return RpcServer.listen(URL_OF_NOBODY, { queue: "q", handlers: { a: () => 1 }, ...options });
}

function openPool(options: Untyped): Promise<unknown> {
  return WorkerPool.open(WORKER, options);
}

const TAKERS: readonly Taker[] = [
  {
    file: "options/connect_options.ts",
    interface: "ConnectOptions",
    give: connect,
    except: ["tls"],
  },
  {
    file: "options/connect_options.ts",
    interface: "ConnectOptions",
    give: listen,
    except: ["tls"],
  },
  {
    file: "options/connect_options.ts",
    interface: "ConnectOptions",
    give: (options) => RpcConnection.open(URL_OF_NOBODY, options),
    except: ["tls"],
  },
  {
    file: "options/client_options.ts",
    interface: "RpcClientOptions",
    give: connect,
    except: ["callbackKeys"],
  },
  {
    file: "caller.ts",
    interface: "CallOptions",
    give: (options) => {
      checkCallOptions("call", options);
      checkMessageHeaders("call", options.headers ?? {});
    },
  },
  {
    file: "caller.ts",
    interface: "StreamOptions",
    give: (options) => resolveStreamOptions(options, 1),
    // It is checked with those of a call.
    except: ["timeoutMs"],
  },
  { file: "caller.ts", interface: "BatchOptions", give: checkBatchOptions },
  { file: "options/server_options.ts", interface: "RpcServerOptions", give: listen },
  {
    file: "options/server_options.ts",
    interface: "ReplyCacheOptions",
    give: (replyCache) => listen({ replyCache }),
  },
  { file: "workers/pool/pool_options.ts", interface: "WorkerPoolOptions", give: openPool },
  {
    file: "workers/pool/pool_options.ts",
    interface: "ProcedureLimits",
    give: (fibonacci) => openPool({ limits: { fibonacci } }),
  },
  {
    file: "workers/pool/pool_options.ts",
    interface: "RunOptions",
    give: (options) => checkRunOptions("fibonacci", options),
  },
  {
    file: "workers/pool/pool_options.ts",
    interface: "PoolStreamOptions",
    give: (options) => checkStreamOptions("fibonacci", options),
  },
  {
    file: "workers/pool/pool_options.ts",
    interface: "PoolCloseOptions",
    give: (options) => readGraceMs("close the pool", options, 0),
  },
  {
    file: "workers/host/process_options.ts",
    interface: "ProcessOptions",
    give: (process) => openPool({ isolation: "process", process }),
  },
  {
    file: "workers/host/process_options.ts",
    interface: "ProcessPermissions",
    give: (permissions) => openPool({ isolation: "process", process: { permissions } }),
  },
  {
    file: "extras/resilience/resilience.ts",
    interface: "ResilienceOptions",
    give: (options) => withResilience(caller, options),
  },
  {
    file: "extras/resilience/retry.ts",
    interface: "RetryOptions",
    give: (retry) => withResilience(caller, { retry }),
  },
  {
    file: "extras/resilience/breaker.ts",
    interface: "BreakerOptions",
    give: (breaker) => withResilience(caller, { breaker }),
  },
  {
    file: "extras/resilience/bulkhead.ts",
    interface: "BulkheadOptions",
    give: (bulkhead) => withResilience(caller, { bulkhead: { maxConcurrent: 1, ...bulkhead } }),
  },
  {
    file: "extras/parked/parked_requests.ts",
    interface: "ParkedRequestsOptions",
    give: (options) => ParkedRequests.open(URL_OF_NOBODY, options),
  },
  {
    file: "options/client_options.ts",
    interface: "BatchingOptions",
    give: (batching) => connect({ batching }),
  },
  {
    file: "options/idempotency_options.ts",
    interface: "IdempotencyOptions",
    give: (idempotency) => listen({ idempotency }),
  },
  {
    file: "extras/health/handler.ts",
    interface: "HealthHandlerOptions",
    give: (options) => healthHandler({}, options),
  },
  {
    file: "extras/health/heartbeat_file.ts",
    interface: "HeartbeatFileOptions",
    give: (options) => HeartbeatFile.start("/nowhere/heartbeat", {}, options),
  },
  {
    file: "extras/control/rpc_control.ts",
    interface: "RpcControlOptions",
    give: (options) => RpcControl.connect(URL_OF_NOBODY, options),
  },
  { file: "codec.ts", interface: "JsonCodecOptions", give: createJsonCodec },
  {
    file: "testing/broker_options.ts",
    interface: "TestBrokerOptions",
    give: (options) => TestBroker.start({ port: 0, ...options }),
  },
];

/** The members of an interface, as its file has them. */
function optionsOf({ file, interface: name, except = [] }: Taker): string[] {
  const found = new RegExp(`export interface ${name}\\b[^{]*\\{(.*?)\\n\\}`, "s").exec(
    textOf(file),
  );
  const members = found?.[1]?.matchAll(/^ {2}readonly (\w+)\??:/gm) ?? [];
  return [...members].map(([, name = ""]) => name).filter((name) => !except.includes(name));
}

async function errorOf(give: () => unknown): Promise<unknown> {
  try {
    return await give();
  } catch (error) {
    return error;
  }
}

for (const [index, taker] of TAKERS.entries()) {
  Deno.test(`Every option of ${taker.interface} is checked (${index})`, async () => {
    const names = optionsOf(taker);
    assert(names.length > 0);
    for (const name of names) {
      // No option takes a symbol.
      const error = await errorOf(() => taker.give({ [name]: Symbol("wrong") }));
      assert(error instanceof TypeError || error instanceof RangeError, `${name}: ${error}`);
      const words = /^Cannot [^"]+ as (?:the |its )?"([^"]+)"[^:]*: .*Symbol\(wrong\)/;
      assertEquals(words.exec(error.message)?.[1]?.split(".").at(-1), name, error.message);
    }
  });
}

Deno.test("A worker that is no absolute URL is refused with what to write", async () => {
  for (const worker of ["./worker.ts", "/worker.ts", undefined, 5, {}]) {
    const error = await errorOf(() => WorkerPool.open(worker as Untyped));
    assert(error instanceof TypeError);
    assertStringIncludes(error.message, 'new URL("./worker.ts", import.meta.url)');
  }
});

Deno.test("A place to connect to that is none is refused", async () => {
  for (const place of [undefined, null, 5, {}]) {
    const error = await errorOf(() => RpcClient.connect(place as Untyped, { queue: "q" }));
    assert(error instanceof TypeError);
    assertStringIncludes(error.message, 'Cannot connect as "url" must be a text, a URL or a list');
  }
});
