/** What the thread that floods servers is told. @module */

/** What is sent. Nobody is asked by the last kind, which shows what broker and sender alone take. */
export type FloodKind = "garbage" | "honest questions" | "questions to nobody";

/** Where to connect, then what to send. */
export type FloodOrder =
  | { readonly type: "connect"; readonly url: string; readonly queue: string }
  | { readonly type: "send"; readonly kind: FloodKind; readonly count: number };
