/** The parser of TypeScript, for the tools that read our own sources. @module */

export { default as ts } from "npm:typescript@^6.0.3";
