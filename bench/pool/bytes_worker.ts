import { expose } from "../../workers/runtime.ts";
import { transfer } from "../../workers/transfer.ts";

expose({
  length: (input: Uint8Array) => input.length,
  copied: (length: number) => new Uint8Array(length),
  moved: (length: number) => transfer(new Uint8Array(length)),
});
