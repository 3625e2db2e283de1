// A worker file: main.ts starts it in a pool. It may use the CPU for as long as it likes.
import { expose } from "../../workers/runtime.ts";

/** Counts the primes from `from` up to but not including `to`. */
function countPrimes({ from, to }: { from: number; to: number }): number {
  let primes = 0;
  for (let n = Math.max(from, 2); n < to; n++) if (isPrime(n)) primes++;
  return primes;
}

function isPrime(n: number): boolean {
  for (let divisor = 2; divisor * divisor <= n; divisor++) if (n % divisor === 0) return false;
  return true;
}

/** What the client's compiler needs to know. */
export type PrimesContract = { readonly countPrimes: typeof countPrimes };

expose({ countPrimes });
