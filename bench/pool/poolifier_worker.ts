import { ThreadWorker } from "npm:poolifier-web-worker@0.5.15";
import { add, fib } from "./tasks.ts";

export default new ThreadWorker<unknown, unknown>({
  add: (input) => add(input as Parameters<typeof add>[0]),
  fib: (input) => fib(input as number),
});
