/** MessagePack, the binary format. @module */

export {
  Decoder,
  encodeDateToTimeSpec,
  Encoder,
  encodeTimeSpecToTimestamp,
  ExtData,
} from "npm:@msgpack/msgpack@^3.1.3";
export type {
  DecoderOptions,
  EncoderOptions,
  ExtensionCodecType,
} from "npm:@msgpack/msgpack@^3.1.3";
