/** Drives a browser that is installed already; tests only. @module */

export { type Browser, chromium, type Page } from "npm:playwright-core@^1.65.1";
