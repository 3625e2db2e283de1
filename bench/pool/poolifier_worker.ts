import { ThreadWorker } from "../../deps/poolifier.ts";
import { add, fib } from "./tasks.ts";

const worker: ThreadWorker<unknown, unknown> = new ThreadWorker<unknown, unknown>({
  add: (input) => add(input as Parameters<typeof add>[0]),
  fib: (input) => fib(input as number),
});

export default worker;
