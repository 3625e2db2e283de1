/** C1 and C2: the suite must see a server that loses requests, and clients that lose replies. @module */

import type { Fault, RowFigures } from "../fault.ts";
import type { LoadClient } from "../load/load.ts";
import type { Scene } from "../scene.ts";

/** A server that acknowledges a request before it replies loses what it had in hand. */
export const badServer: Fault = {
  id: "C1",
  title: "proof: a server acks before it replies",
  seconds: 10,
  mustBreak: "lost",
  run: (scene) => run(scene, { program: "acks_first_server.ts", spoil: (client) => client }),
};

/** Clients that are wrong in ways that only the checker can see. */
export const badClients: readonly Fault[] = [
  {
    id: "C2",
    title: "proof: a client drops a reply",
    seconds: 10,
    mustBreak: "lost",
    run: (scene) => run(scene, { program: "warren_server.ts", spoil: dropping }),
  },
  {
    id: "C2",
    title: "proof: a client hangs beyond its deadline",
    seconds: 10,
    mustBreak: "unsettled",
    run: (scene) =>
      run(scene, {
        program: "warren_server.ts",
        spoil: dropping,
        timeoutMs: 5_000,
        quietMs: 7_000,
      }),
  },
  {
    id: "C2",
    title: "proof: a client mixes replies up",
    seconds: 10,
    mustBreak: "wrong",
    run: (scene) => run(scene, { program: "warren_server.ts", spoil: mixing }),
  },
];

interface Bad {
  readonly program: "warren_server.ts" | "acks_first_server.ts";
  readonly spoil: (client: LoadClient) => LoadClient;
  readonly timeoutMs?: number;
  readonly quietMs?: number;
}

/** R1 in small, with something bad in it. */
async function run(scene: Scene, bad: Bad): Promise<RowFigures> {
  const { program, spoil, timeoutMs = 60_000, quietMs = 2_000 } = bad;
  const node = await scene.node();
  const server = { urls: [node.url], prefetch: 16, program };
  // One by one: RabbitMQ closes the connection of all but one that declare a queue at the same time,
  // and the server that is wrong on purpose does not come again.
  await scene.startServer(server);
  await scene.startServer(server);
  const client = await scene.connect(node.url);
  await scene.startLoad([spoil(client)], { maxWorkMs: 20, timeoutMs, kinds: ["call"] });
  let kills = 0;
  for (const _round of scene.budget.rounds({ full: 5, short: 2 })) {
    scene.inject();
    await scene.random.pick(scene.servers).kill();
    kills++;
    await scene.startServer(server);
    await scene.progress(100);
  }
  const check = await scene.conclude(node, quietMs);
  return {
    injected: kills,
    check,
    terms: { extraBound: scene.extraBound },
    outagesMs: scene.outages(),
  };
}

/** Never settles one call of 30. */
function dropping(client: LoadClient): LoadClient {
  let replies = 0;
  return spoilt(client, (output) => {
    return ++replies % 30 === 0 ? new Promise(() => {}) : Promise.resolve(output);
  });
}

/** Gives one call of 30 the output of the call before. */
function mixing(client: LoadClient): LoadClient {
  let replies = 0;
  let before: unknown;
  return spoilt(client, (output) => {
    const wrong = before;
    before = output;
    return Promise.resolve(++replies % 30 === 0 ? wrong : output);
  });
}

function spoilt(client: LoadClient, change: (output: unknown) => Promise<unknown>): LoadClient {
  return {
    call: async (...args) => await change(await client.call(...args)),
    callAsync: (...args) => client.callAsync(...args),
    notify: (...args) => client.notify(...args),
  };
}
