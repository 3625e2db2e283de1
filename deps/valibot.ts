/** A schema library; tests only. @module */

export * as v from "npm:valibot@^1.0.0";
