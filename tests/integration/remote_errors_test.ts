import { RpcRemoteError, type RpcServerOptions } from "../../mod.ts";
import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStrictEquals,
} from "../../deps/std_assert.ts";
import { WorkerPool } from "../../workers/mod.ts";
import { mistakes } from "../fixtures/workers/mistakes.ts";
import { startPair } from "../helpers/pair.ts";

class StockError extends Error {
  override readonly name = "StockError";
  readonly details: unknown;

  constructor(message: string, details: unknown, options?: ErrorOptions) {
    super(message, options);
    this.details = details;
  }
}

const handlers = {
  order() {
    throw new StockError("Cannot order as none is left", { left: 0 });
  },
  /** Throws an error of any name that the caller chooses. */
  imitate(name: string) {
    throw Object.assign(new Error("imitated"), { name });
  },
};

function toStockError(remote: RpcRemoteError): StockError {
  return new StockError(remote.message, remote.details, { cause: remote });
}

Deno.test("A registered error arrives as its own class, with its data", async () => {
  const errors = { StockError: toStockError };
  await using pair = await startPair(handlers, { client: { errors } });
  const error = await assertRejects(() => pair.client.call("order"), StockError);
  assertEquals([error.message, error.details], ["Cannot order as none is left", { left: 0 }]);
  assertInstanceOf(error.cause, RpcRemoteError);
  assertEquals(error.cause.call?.phase, "replied");
});

Deno.test("An error that is not registered arrives as RpcRemoteError", async () => {
  await using pair = await startPair(handlers, { client: { errors: { Other: toStockError } } });
  const error = await assertRejects(() => pair.client.call("order"), RpcRemoteError);
  assertEquals([error.remoteName, error.code], ["StockError", "handler-error"]);
});

Deno.test("The wire cannot choose what a client constructs", async () => {
  await using pair = await startPair(handlers, { client: { errors: { Own: toStockError } } });
  const names = ["constructor", "__proto__", "toString", "RpcTimeoutError", "TypeError", "own"];
  for (const name of names) {
    const error = await assertRejects(() => pair.client.call("imitate", name), RpcRemoteError);
    assertStrictEquals(Object.getPrototypeOf(error), RpcRemoteError.prototype, name);
    assertEquals(error.remoteName, name);
  }
});

Deno.test("A maker of errors that throws rejects its call with that", async () => {
  const bug = new TypeError("Cannot make it");
  const errors = {
    StockError() {
      throw bug;
    },
  };
  await using pair = await startPair(handlers, { client: { errors } });
  assertStrictEquals(await pair.client.call("order").catch((error) => error), bug);
  assertEquals(pair.client.pending, 0);
});

Deno.test("A handler's stack stays on its server unless it is sent", async () => {
  for (const sendStacks of [undefined, false, true]) {
    const server = sendStacks === undefined ? {} : { sendStacks };
    await using pair = await startPair(handlers, { server });
    const { remoteStack, stack } = await assertRejects(
      () => pair.client.call("order"),
      RpcRemoteError,
    );
    assertEquals(remoteStack?.includes("remote_errors_test.ts") ?? false, sendStacks ?? false);
    assert(stack !== remoteStack);
  }
});

/** What a program that handles an error can tell of it. */
function told(error: unknown): unknown {
  if (!(error instanceof RpcRemoteError)) return error;
  const { remoteName, message, code, details, cause, errors } = error;
  return [remoteName, message, code, details, told(cause), errors.map(told)];
}

const error = (name: string, message: string, code = "handler-error") =>
  [name, message, code, undefined, undefined, []] as const;

const CAUSED = [
  "RangeError",
  "Cannot order",
  "handler-error",
  undefined,
  [
    "Error",
    "Cannot read the stock",
    "handler-error",
    undefined,
    error("TypeError", "Cannot connect", "ECONNREFUSED"),
    [],
  ],
  [],
];

async function assertWhole(handlers: RpcServerOptions["handlers"]): Promise<void> {
  await using pair = await startPair({}, { server: { handlers } });
  const outcome = async (name: string) =>
    told(await assertRejects(() => pair.client.call(name), RpcRemoteError));
  assertEquals(await outcome("caused"), CAUSED);
  assertEquals(await outcome("gathered"), [
    "AggregateError",
    "Cannot order of any",
    "handler-error",
    undefined,
    undefined,
    [
      error("RangeError", "one"),
      ["TypeError", "two", "handler-error", undefined, error("Error", "three"), []],
      error("Error", "4"),
    ],
  ]);
  const [name, , , , , errors] = await outcome("suppressed") as unknown[];
  assertEquals([name, errors], ["SuppressedError", [
    error("TypeError", "while it was closed"),
    error("RangeError", "while it was used"),
  ]]);
  const plain = ["Error", "Cannot order", "sold-out", { left: 0 }, undefined, []];
  assertEquals(await outcome("plainObject"), plain);
  assertEquals(await outcome("numericCode"), error("Error", "Cannot find it", "404"));
}

Deno.test("Causes and gathered errors arrive with a function's error", async () => {
  await assertWhole(mistakes);
});

for (const isolation of ["thread", "process"] as const) {
  Deno.test(`Causes and gathered errors arrive from a ${isolation}, too`, async () => {
    const url = import.meta.resolve("../fixtures/workers/mistakes_worker.ts");
    await using pool = await WorkerPool.open<typeof mistakes>(url, { isolation, maxWorkers: 1 });
    await assertWhole(pool.handlers());
    const { cause } = await assertRejects(() => pool.run("caused", null), RpcRemoteError);
    assertInstanceOf(cause, RpcRemoteError);
    assertEquals(cause.message, "Cannot read the stock");
  });
}
