/** CPU-bound procedures for the benchmarks. @module */

import { slowFibonacciNumber as slowFibonacci } from "../../workers/fibonacci_numbers.ts";
import { expose } from "../../workers/runtime.ts";
import { computeFor } from "../workload.ts";

expose({ slowFibonacci, busy: computeFor });
