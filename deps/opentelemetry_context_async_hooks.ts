/** Knows which span is active, over any number of `await`s; tests only. @module */

export { AsyncLocalStorageContextManager } from "npm:@opentelemetry/context-async-hooks@^2.0.0";
