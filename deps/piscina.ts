/** A worker pool of Node.js; benchmark only. @module */

export { Piscina } from "npm:piscina@^5.3.2";
