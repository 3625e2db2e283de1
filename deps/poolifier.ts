/** A pool of Web Workers; benchmark only. @module */

export { FixedThreadPool, ThreadWorker } from "npm:poolifier-web-worker@^0.5.15";
