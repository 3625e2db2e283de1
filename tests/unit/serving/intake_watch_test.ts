import { assertEquals } from "../../../deps/std_assert.ts";
import { IntakeWatch } from "../../../internal/serving/intake_watch.ts";
import { eventually } from "../../helpers/eventually.ts";

interface Server {
  deliveries: number;
  waiting: number;
  isIdle: boolean;
  /** What happens between two looks. */
  onLook: () => void;
}

/** A watch of a server that does as it is told. */
function startWatch(server: Partial<Server> = {}) {
  const told = { looks: 0, stalls: 0 };
  const { waiting = 1, isIdle = true, onLook = () => {} } = server;
  const watch = new IntakeWatch({
    isIdle: () => isIdle,
    countDeliveries: () => server.deliveries ?? 0,
    countWaiting: () => {
      told.looks++;
      onLook();
      return Promise.resolve(waiting);
    },
    isBlocked: () => false,
    onStall: () => told.stalls++,
    quietMs: 1,
    againMs: 1,
  });
  watch.start();
  return { told, [Symbol.dispose]: () => watch.stop() };
}

Deno.test("IntakeWatch tells once when requests wait for nobody", async () => {
  using place = startWatch();
  await eventually(() => assertEquals(place.told, { looks: 2, stalls: 1 }));
});

Deno.test("IntakeWatch goes on while no request waits", async () => {
  using place = startWatch({ waiting: 0 });
  await eventually(() => assertEquals(place.told.looks > 5, true));
  assertEquals(place.told.stalls, 0);
});

Deno.test("IntakeWatch takes a request that comes as a sign of life", async () => {
  const server = { deliveries: 0, onLook: () => server.deliveries++ };
  using place = startWatch(server);
  await eventually(() => assertEquals(place.told.looks > 5, true));
  assertEquals(place.told.stalls, 0);
});

Deno.test("IntakeWatch outlives a queue that cannot be asked", async () => {
  let failures = 3;
  using place = startWatch({
    onLook() {
      if (failures-- > 0) throw new Error("Cannot be asked");
    },
  });
  await eventually(() => assertEquals(place.told, { looks: 5, stalls: 1 }));
});

Deno.test("IntakeWatch asks nothing while the server is busy", async () => {
  using place = startWatch({ isIdle: false });
  using idle = startWatch({ waiting: 0 });
  await eventually(() => assertEquals(idle.told.looks > 5, true));
  assertEquals(place.told, { looks: 0, stalls: 0 });
});

Deno.test("IntakeWatch that was stopped before it started looks at nothing", async () => {
  let looks = 0;
  const watch = new IntakeWatch({
    isIdle: () => true,
    countDeliveries: () => 0,
    countWaiting: () => Promise.resolve(++looks),
    isBlocked: () => false,
    onStall: () => looks++,
    quietMs: 0,
    againMs: 0,
  });
  watch.stop();
  await watch.start();
  assertEquals(looks, 0);
});

/** A watch of a broker that answers nothing. */
function silentWatch(broker: { deliveries?: () => number; isBlocked?: boolean } = {}) {
  const { deliveries = () => 0, isBlocked = false } = broker;
  const told: string[] = [];
  const watch = new IntakeWatch({
    isIdle: () => true,
    countDeliveries: deliveries,
    countWaiting: () => Promise.withResolvers<number>().promise,
    isBlocked: () => isBlocked,
    onStall: (reason) => told.push(reason),
    quietMs: 1,
    againMs: 1,
    answerMs: 1,
  });
  return { watch, told };
}

Deno.test("IntakeWatch tells of a broker that does not answer", async () => {
  const { watch, told } = silentWatch();
  await watch.start();
  assertEquals(told, ["unanswered"]);
});

Deno.test("IntakeWatch bears with a broker that is blocked, or delivers", async () => {
  let deliveries = 0;
  const watches = [
    silentWatch({ isBlocked: true }),
    silentWatch({ deliveries: () => deliveries++ }),
  ];
  const ended = watches.map(({ watch }) => watch.start());
  using place = startWatch({ waiting: 0 });
  await eventually(() => assertEquals(place.told.looks > 30, true));
  for (const { watch } of watches) watch.stop();
  await Promise.all(ended);
  assertEquals(watches.map(({ told }) => told), [[], []]);
});
