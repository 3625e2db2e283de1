import { assertEquals } from "../../../deps/std_assert.ts";
import { NodeLag } from "../../../internal/serving/callers/node_lag.ts";
import { FakeTime } from "../../helpers/fake_time.ts";

/** A node whose answers the test gives. */
function askedNode() {
  const questions: PromiseWithResolvers<boolean>[] = [];
  const catchUp = () => {
    const question = Promise.withResolvers<boolean>();
    questions.push(question);
    return question.promise;
  };
  return { questions, catchUp };
}

Deno.test("NodeLag asks once for all that wait, and anew for whoever comes later", async () => {
  using time = new FakeTime();
  const lag = new NodeLag();
  const { questions, catchUp } = askedNode();
  const first = [lag.overcome(catchUp), lag.overcome(catchUp)];
  await time.settle();
  assertEquals(questions.length, 1);
  // What is declared while a question is under way may not be known with its answer.
  const second = [lag.overcome(catchUp), lag.overcome(catchUp)];
  await time.settle();
  assertEquals(questions.length, 1);
  questions[0]?.resolve(true);
  await time.settle();
  assertEquals(questions.length, 2);
  assertEquals(await Promise.all(first), [true, true]);
  questions[1]?.resolve(true);
  assertEquals(await Promise.all(second), [true, true]);
  assertEquals(time.timers, 0);
});

Deno.test("NodeLag does not take a node for informed that does not answer, or fails", async () => {
  using time = new FakeTime();
  const lag = new NodeLag();
  const { questions, catchUp } = askedNode();
  for (let attempt = 0; attempt < 3; attempt++) {
    const isInformed = lag.overcome(catchUp);
    await time.advance(500);
    assertEquals(await isInformed, false);
  }
  assertEquals(questions.length, 1);
  const failed = new NodeLag().overcome(() => Promise.reject(new Error("lost")));
  await time.advance(200);
  assertEquals(await failed, false);
});

Deno.test("NodeLag gives a node time that may not be asked", async () => {
  using time = new FakeTime();
  const isInformed = new NodeLag().overcome(() => Promise.resolve(false));
  await time.advance(499);
  assertEquals(time.timers, 1);
  await time.advance(1);
  assertEquals(await isInformed, true);
});
