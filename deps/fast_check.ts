/** Property-based testing; tests only. @module */

export { default as fc } from "npm:fast-check@^4.0.0";
