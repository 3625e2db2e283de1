/** A worker pool of Node.js; benchmark only. @module */

export { default as workerpool } from "npm:workerpool@^10.0.3";
