/** R8: the broker has no memory left and blocks all publishers. @module */

import type { Fault, RowFigures } from "../fault.ts";
import { now } from "../checking/history.ts";
import { atLeast, atMost } from "../limits.ts";
import { memoryOf } from "../checking/memory.ts";
import type { Scene } from "../scene.ts";

const MIB = 2 ** 20;
const TIMEOUT_MS = 2_500;

/** Calls go on, and end by their deadline, while nothing can be published. */
export const memoryAlarm: Fault = {
  id: "R8",
  title: "a memory alarm blocks publishers",
  seconds: 42,
  isOfRelease: true,
  run,
};

async function run(scene: Scene): Promise<RowFigures> {
  const { budget } = scene;
  const node = await scene.startNode();
  const server = await scene.startServer({ urls: [node.url] });
  const client = await scene.connect(node.url);
  // Everything is kept small, so that what grows is not the history of the calls.
  await scene.startLoad([client], { timeoutMs: TIMEOUT_MS, hasLargeBodies: false });
  await scene.progress(2_000);
  const before = await residentOf(scene);
  let [clientMost, serverMost] = before;
  scene.inject();
  await node.ctl("set_vm_memory_high_watermark", "0.000001");
  const isUp = () => server.running;
  const seconds = budget.count({ full: 30, short: 4 }, 42_000);
  for (let second = 0; second < seconds && isUp(); second++) {
    await scene.pause(1_000);
    const [ofClient, ofServer] = await residentOf(scene);
    clientMost = Math.max(clientMost, ofClient);
    serverMost = Math.max(serverMost, ofServer);
  }
  const liftedAt = now();
  await node.ctl("set_vm_memory_high_watermark", "0.9");
  await scene.progress(100);
  const resumedAt = scene.log.successes.find((at) => at > liftedAt) ?? Infinity;
  const check = await scene.conclude(node);
  return {
    injected: 1,
    check,
    // A call whose time is over is none of its server's business: nothing may be run twice for it.
    terms: { extraBound: scene.extraBound, mayReject: ["timeout"] },
    outagesMs: [resumedAt - (scene.faults[0] ?? NaN)],
    limits: [
      atLeast("rejected as timeout, calls", check.rejected.timeout ?? 0, 1),
      atMost("client's memory grew by, MiB", (clientMost - before[0]) / MIB, 50),
      atMost("server's memory grew by, MiB", (serverMost - before[1]) / MIB, 50),
      atMost("resumed after the alarm, ms", resumedAt - liftedAt, budget.timeLimit(1_000)),
    ],
  };
}

/** Resident memory of the client, which is this process, and of the server. */
async function residentOf({ servers: [server] }: Scene): Promise<[number, number]> {
  const memory = await server?.process.memory();
  return [memoryOf().rss, memory?.rss ?? NaN];
}
