/** A schema library; tests only. @module */

export { type } from "npm:arktype@^2.0.0";
