import workerpool from "npm:workerpool@10.0.3";
import { add, fib } from "./tasks.ts";

workerpool.worker({ add, fib });
