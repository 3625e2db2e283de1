/** MessagePack by the authors of the format, to hold our codec to it. @module */

export { decode, encode } from "npm:@msgpack/msgpack@^3.1.3";
