import { workerpool } from "../../deps/workerpool.ts";
import { add, fib } from "./tasks.ts";

workerpool.worker({ add, fib });
