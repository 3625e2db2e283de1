/** R13: after many reconnects and calls, everything is as it was before. @module */

import { ClientProcess } from "../processes/client_process.ts";
import type { Fault, RowFigures } from "../fault.ts";
import { atMost } from "../limits.ts";
import type { Memory } from "../checking/memory.ts";
import { FaultProxy } from "../../tools/network/fault_proxy.ts";
import type { Scene } from "../scene.ts";

const MIB = 2 ** 20;
const LANES = 64;
/** The first part fills caches, compiles code, and gives young objects their room. */
const WARM_UP_SHARE = 0.5;
const PAUSE_MS = 150;

/** Memory is compared after the first half and at the end. */
export const leaks: Fault = {
  id: "R13",
  title: "many reconnects, many calls",
  seconds: 55,
  run,
};

async function run(scene: Scene): Promise<RowFigures> {
  const { budget, queue } = scene;
  const node = await scene.node();
  const proxy = scene.use(FaultProxy.start(node.url));
  const server = await scene.startServer({ urls: [proxy.url] });
  const settings = { url: proxy.url, queue, mode: "call", count: 0, lanes: LANES } as const;
  const client = scene.use(await ClientProcess.start(settings));
  const processes = [client.process, server.process] as const;
  const begin = budget.leftMs;
  // A row without time of its own has the least of rounds, as a short run.
  const isLeast = budget.isShort || begin === 0;
  let reconnects = 0;
  let early: readonly Memory[] | undefined;
  for (const round of budget.rounds({ full: 1_000, short: 8 })) {
    await scene.pause(PAUSE_MS + scene.random.below(400));
    proxy.cut();
    reconnects++;
    const isWarm = isLeast ? round === 3 : budget.leftMs < begin * (1 - WARM_UP_SHARE);
    if (isWarm) early ??= await memoryAtRest(scene, processes);
  }
  const late = await memoryAtRest(scene, processes);
  client.process.signal("SIGTERM");
  const { begun, answered, wrong } = await client.tally(60_000);
  const grown = (key: keyof Memory, index: number) =>
    (late[index]?.[key] ?? NaN) - (early?.[index]?.[key] ?? NaN);
  return {
    injected: reconnects,
    limits: [
      atMost("lost", begun - answered, 0),
      atMost("wrong", wrong, 0),
      ...["client", "server"].flatMap((name, index) => [
        atMost(`${name}'s heap grew by, MiB`, grown("heapUsed", index) / MIB, 4),
        // What leaks shows in the heap; V8 alone takes some 30 MiB more or less for young objects.
        atMost(
          `${name}'s memory grew by, MiB`,
          grown("rss", index) / MIB,
          isLeast ? 64 : 48,
        ),
        atMost(`${name}'s open files, more`, grown("files", index), 2),
      ]),
    ],
    ...(early === undefined && {
      unjudged: "it was too short for a second look at the memory: give it more minutes",
    }),
    notes: { "calls": begun },
  };
}

/** Waits until all are connected again, so that like is compared with like. */
async function memoryAtRest(
  scene: Scene,
  processes: readonly { memory(): Promise<Memory> }[],
): Promise<Memory[]> {
  await scene.pause(3_000);
  return await Promise.all(processes.map((process) => process.memory()));
}
