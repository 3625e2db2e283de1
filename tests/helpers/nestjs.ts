/** The envelopes that NestJS puts around inputs and outputs. @module */

import { type ClientInterceptor, RpcError } from "../../mod.ts";

/** Has a client call servers of NestJS, as docs/interop.md has it. */
export async function nestjsCalls(
  { procedure, input }: Parameters<ClientInterceptor>[0],
  next: Parameters<ClientInterceptor>[1],
): Promise<unknown> {
  const id = crypto.randomUUID();
  const reply = await next({ input: { pattern: procedure, data: input, id } });
  if (typeof reply !== "object" || reply === null) return reply;
  if ("err" in reply) throw new RpcError("refused-by-nestjs", JSON.stringify(reply.err));
  return "response" in reply ? reply.response : undefined;
}

/** What a client of NestJS means by its request. */
export function inputOf(request: unknown): unknown {
  return typeof request === "object" && request !== null && "data" in request
    ? request.data
    : request;
}
