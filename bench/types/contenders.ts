/** Programs of one service, as users of each library write them. @module */

const ROOT = new URL("../../", import.meta.url).href;

/** What writes a program with so many procedures, each of which is called once. */
export type Contender = (procedures: number) => string;

/** The same input and output for all, so that what differs is the library. */
function input(n: number): string {
  return `z.object({ id: z.string(), n${n}: z.number().optional(), tags: z.array(z.string()) })`;
}

function output(n: number): string {
  return `{ id: input.id, total${n}: input.tags.length, at: { n: input.n${n} ?? 0 } }`;
}

function argument(n: number): string {
  return `{ id: "${n}", n${n}: ${n}, tags: ["a"] }`;
}

function lines(procedures: number, line: (n: number) => string): string {
  return Array.from({ length: procedures }, (_, n) => line(n)).join("\n");
}

function warrenProcedures(procedures: number): string {
  return `import { z } from "npm:zod@^4.0.0";
import { procedure } from "${ROOT}extras/schema.ts";
import type { RpcClient } from "${ROOT}mod.ts";
export const procedures = {
${lines(procedures, (n) => `p${n}: procedure({ input: ${input(n)} }, (input) => (${output(n)})),`)}
};
declare const client: RpcClient<typeof procedures>;
`;
}

function calls(procedures: number, call: (n: number) => string): string {
  return lines(procedures, (n) => `(await ${call(n)}).total${n}.toFixed();`);
}

/** By their names. */
export const CONTENDERS: Readonly<Record<string, Contender>> = {
  "oRPC": (procedures) =>
    `import { z } from "npm:zod@^4.0.0";
import { os, type RouterClient } from "npm:@orpc/server@^1.16.0";
export const router = {
${lines(procedures, (n) => `p${n}: os.input(${input(n)}).handler(({ input }) => (${output(n)})),`)}
};
declare const client: RouterClient<typeof router>;
${calls(procedures, (n) => `client.p${n}(${argument(n)})`)}
`,
  "warren, call()": (procedures) =>
    `${warrenProcedures(procedures)}
${calls(procedures, (n) => `client.call("p${n}", ${argument(n)})`)}
`,
  "warren, api": (procedures) =>
    `${warrenProcedures(procedures)}
${calls(procedures, (n) => `client.api.p${n}(${argument(n)})`)}
`,
  "warren, withResilience()": (procedures) =>
    `import { withResilience } from "${ROOT}extras/resilience/resilience.ts";
${warrenProcedures(procedures)}
const steady = withResilience(client, { retry: {} });
${calls(procedures, (n) => `steady.call("p${n}", ${argument(n)})`)}
`,
  "warren, Caller<C>": (procedures) =>
    `import type { Caller } from "${ROOT}mod.ts";
import { withResilience } from "${ROOT}extras/resilience/resilience.ts";
${warrenProcedures(procedures)}
export async function work(caller: Caller<typeof procedures>): Promise<void> {
${calls(procedures, (n) => `caller.call("p${n}", ${argument(n)})`)}
}
await work(client);
await work(withResilience(client, { retry: {} }));
`,
};
