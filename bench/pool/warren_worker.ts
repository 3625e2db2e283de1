import { expose } from "../../workers/runtime.ts";
import { add, fib } from "./tasks.ts";

expose({ add, fib });
