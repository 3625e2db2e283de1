import { assert, assertEquals } from "../../../deps/std_assert.ts";
import { EventQueue, Random } from "../../../bench/simulation/event_queue.ts";
import { type RpcSystem, simulate } from "../../../bench/simulation/rpc_system.ts";
import { Station } from "../../../bench/simulation/station.ts";

/** Mean waiting time and utilization of a queue with Poisson arrivals, simulated. */
function simulateQueue(servers: number, serviceMs: () => number, everyMs: number): Station {
  const events = new EventQueue();
  const random = new Random(7);
  const station = new Station(events, servers);
  const arrive = () => {
    station.visit(serviceMs(), () => {});
    events.after(random.exponential(everyMs), arrive);
  };
  arrive();
  events.runUntil(1_200_000 * everyMs);
  return station;
}

/** Erlang's C formula: the probability of a wait, for an offered load in servers. */
function erlangC(servers: number, load: number): number {
  let term = 1;
  let sum = 1;
  for (let busy = 1; busy < servers; busy++) sum += term *= load / busy;
  const last = term * load / servers * servers / (servers - load);
  return last / (sum + last);
}

function assertNear(actual: number, expected: number, share: number): void {
  const message = `${actual} is not within ${share * 100} % of ${expected}`;
  assert(Math.abs(actual - expected) <= expected * share, message);
}

Deno.test("Station waits as M/M/1 does", () => {
  for (const load of [0.3, 0.6, 0.8]) {
    const random = new Random(3);
    const station = simulateQueue(1, () => random.exponential(1), 1 / load);
    assertNear(station.utilization, load, 0.01);
    assertNear(station.meanWaitMs, load / (1 - load), 0.04);
  }
});

Deno.test("Station waits as M/M/c does", () => {
  for (const [servers, load] of [[2, 1.5], [8, 6.4]] as const) {
    const random = new Random(3);
    const station = simulateQueue(servers, () => random.exponential(1), 1 / load);
    assertNear(station.utilization, load / servers, 0.01);
    assertNear(station.meanWaitMs, erlangC(servers, load) / (servers - load), 0.05);
  }
});

Deno.test("Station waits half as long if all take the same, M/D/1", () => {
  const station = simulateQueue(1, () => 1, 1 / 0.7);
  assertNear(station.meanWaitMs, 0.7 / (2 * (1 - 0.7)), 0.03);
});

Deno.test("EventQueue keeps to time, and to the order of plans", () => {
  const events = new EventQueue();
  const happened: string[] = [];
  events.after(2, () => happened.push("third"));
  events.after(1, () => happened.push("first"));
  events.after(1, () => events.after(0, () => happened.push("second")));
  events.after(4, () => happened.push("never"));
  events.runUntil(3);
  assertEquals([happened, events.now], [["first", "second", "third"], 3]);
});

const SYSTEM: RpcSystem = {
  costs: { clientMs: 0.1, brokerMs: 0.1, serverMs: 0.1, hopMs: 0.05 },
  servers: 1,
  prefetch: 1,
  taskMs: 20,
  queues: 1,
  brokerCores: 8,
  load: { inFlight: 1 },
  forMs: 20_000,
};

Deno.test("simulate() takes the sum of all parts for a lone call", () => {
  const { p50, perSecond } = simulate(SYSTEM);
  // Client, three of the broker's four parts, server, four hops, and the task.
  assertNear(p50, 0.1 + 0.075 + 0.1 + 4 * 0.05 + 20, 1e-6);
  assertNear(perSecond, 1_000 / p50, 0.01);
});

Deno.test("simulate() has as many calls as the broker can bring", () => {
  const system = { ...SYSTEM, prefetch: 8, forMs: 2_000 };
  const one = simulate({ ...system, servers: 50, load: { inFlight: 600 } });
  assertNear(one.perSecond, 10_000, 0.02);
  assertNear(one.busy.broker, 1, 0.01);
  // Four queues use four cores.
  const four = simulate({ ...system, servers: 200, queues: 4, load: { inFlight: 2_400 } });
  assertNear(four.perSecond, 40_000, 0.02);
});

Deno.test("simulate() has as many calls as the workers can do", () => {
  const system = { ...SYSTEM, servers: 10, prefetch: 8, load: { inFlight: 200 } };
  const { perSecond, busy } = simulate(system);
  assert(busy.workers > 0.95 && busy.broker < 0.5, JSON.stringify(busy));
  assertNear(perSecond, 10 * 8 / 20 * 1_000 * busy.workers, 0.02);
});

Deno.test("simulate() lets calls wait when more come than are served", () => {
  const system = { ...SYSTEM, servers: 2, prefetch: 8 };
  const calm = simulate({ ...system, load: { perSecond: 400, clients: 1 } });
  const crowded = simulate({ ...system, load: { perSecond: 900, clients: 1 } });
  assertNear(calm.perSecond, 400, 0.03);
  assert(calm.p99 < 40, `${calm.p99}`);
  assert(crowded.p99 > 500 && crowded.perSecond < 800, JSON.stringify(crowded));
});
