// A worker file: main.ts starts it in processes that may do nothing but compute.
import { expose } from "../../workers/runtime.ts";

const procedures = {
  /** Wants to read what it was not allowed to. */
  readPasswords: (): string => Deno.readTextFileSync("/etc/passwd"),
  /** Takes its process along, as a fault in native code would. */
  crash: (): never => Deno.exit(3),
  square: (n: number): number => n * n,
};

/** What the pool's compiler needs to know. */
export type FragileContract = typeof procedures;

expose(procedures);
