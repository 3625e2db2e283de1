import { NodeStart } from "../../../internal/serving/callers/node_start.ts";
import { assertEquals } from "../../../deps/std_assert.ts";

const ADDRESS = "amq.rabbitmq.reply-to.g1h2.k";
const MADE_UP = "amq.rabbitmq.reply-to.g1h2.made-up";

Deno.test("NodeStart is over once the node knows an address, for all", async () => {
  const asked: string[] = [];
  const answers = [true, true, false];
  const start = new NodeStart((address) => {
    asked.push(address);
    return Promise.resolve(answers.shift());
  });
  const both = [start.whenOver(MADE_UP), start.whenOver(ADDRESS)];
  await Promise.all(both);
  assertEquals(both[0] === both[1], true);
  assertEquals(asked, [MADE_UP, ADDRESS, MADE_UP]);
  assertEquals(start.whenOver(ADDRESS), undefined);
});

Deno.test("NodeStart waits neither for who may not ask nor for a lost connection", async () => {
  for (
    const answer of [() => Promise.resolve(undefined), () => Promise.reject(new Error("lost"))]
  ) {
    const start = new NodeStart(answer);
    await start.whenOver(ADDRESS);
    assertEquals(start.whenOver(ADDRESS), undefined);
  }
});

Deno.test("NodeStart asks about no address again that has no answer", async () => {
  const asked: string[] = [];
  const answers = [new Promise<undefined>(() => {}), Promise.resolve(true), Promise.resolve(false)];
  const start = new NodeStart((address) => {
    asked.push(address);
    return answers.shift() ?? Promise.resolve(true);
  });
  await Promise.all([start.whenOver(MADE_UP), start.whenOver(ADDRESS)]);
  assertEquals(asked, [MADE_UP, ADDRESS, ADDRESS]);
});

Deno.test("NodeStart waits for five seconds where nobody is known", async () => {
  const start = new NodeStart(() => Promise.resolve(true));
  const begin = performance.now();
  await start.whenOver(MADE_UP);
  const ms = performance.now() - begin;
  assertEquals(ms >= 4_800, true, `${ms} ms`);
  assertEquals(start.whenOver(ADDRESS), undefined);
});
