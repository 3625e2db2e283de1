import { msgpackCodec } from "../../extras/msgpack/codec.ts";
import { expose } from "../../workers/runtime.ts";

expose({
  length: (input: Uint8Array) => input.length,
  copied: (length: number) => new Uint8Array(length),
}, { codecs: [msgpackCodec] });
