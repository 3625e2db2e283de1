export { add, fib } from "./tasks.ts";
