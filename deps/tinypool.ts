/** A worker pool of Node.js; benchmark only. @module */

export { default as Tinypool } from "npm:tinypool@^2.2.0";
