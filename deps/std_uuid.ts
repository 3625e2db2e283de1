/** UUIDv7 generation for correlation ids. @module */

export { generate } from "jsr:@std/uuid@^1.1.0/v7";
