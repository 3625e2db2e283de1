/** A schema library; tests only. @module */

export { z } from "npm:zod@^4.0.0";
