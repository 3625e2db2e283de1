import type { EncodedHandler, HandlerCapacity } from "../../../internal/running/encoded_handler.ts";
import { assertEquals } from "../../../deps/std_assert.ts";
import { Prefetch } from "../../../internal/serving/prefetch.ts";
import { PoolCapacity, type PoolLoad } from "../../../workers/pool/pool_capacity.ts";
import { PoolProcedures } from "../../../workers/pool/procedures.ts";
import { Task } from "../../../workers/pool/task.ts";

function handler(capacity?: HandlerCapacity): EncodedHandler {
  const handle = () => Promise.reject(new Error("Cannot run: this handler only has a capacity"));
  return capacity === undefined ? { handle } : { handle, capacity };
}

function load(values: Partial<PoolLoad>): PoolLoad {
  return {
    workers: 2,
    maxBacklog: 100,
    tasks: 0,
    load: { workers: 2, busy: 0, crashed: 0, waiting: 0 },
    locate: () => undefined,
    resize: () => {},
    watch: () => () => {},
    ...values,
  };
}

Deno.test("Prefetch is what is wanted, and no more than the pools take", () => {
  const pool = handler(new PoolCapacity(load({ maxBacklog: 10 })));
  const cases: [EncodedHandler[], number | undefined, number][] = [
    [[handler()], undefined, 16],
    [[handler()], 100, 100],
    [[pool], 100, 12],
    [[pool], 4, 4],
    [[pool], undefined, 12],
    [[pool, pool], undefined, 12],
    [[pool, handler()], undefined, 28],
    [[pool, handler()], 100, 100],
    [[handler(new PoolCapacity(load({})))], undefined, 16],
    [[handler(new PoolCapacity(load({ workers: 500 })))], undefined, 600],
    [[handler(new PoolCapacity(load({ workers: 500, maxBacklog: 9_999 })))], undefined, 2_000],
  ];
  for (const [handlers, wanted, count] of cases) {
    assertEquals(new Prefetch(handlers, wanted).count, count);
  }
});

Deno.test("PoolCapacity leaves out what others give the pool to do", () => {
  const tasks = { tasks: 6 };
  const capacity = new PoolCapacity(Object.assign(load({}), tasks));
  assertEquals([capacity.recommended, capacity.limit], [10, 96]);
  const procedure = new PoolProcedures({ limits: {}, timeLimitMs: undefined }).get("work");
  const own = capacity.count(new Task(1, procedure, { body: "", capacity }));
  assertEquals([capacity.recommended, capacity.limit], [11, 97]);
  own.fulfil({ type: "output", body: "", contentType: "application/json" });
  assertEquals([capacity.recommended, capacity.limit], [10, 96]);
});

Deno.test("PoolCapacity is nothing without workers", () => {
  const capacity = new PoolCapacity(load({ workers: 0 }));
  assertEquals([capacity.recommended, capacity.limit], [0, 0]);
});
