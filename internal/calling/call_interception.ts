/** Functions of the user's around calls. @module */

import { newId as newCorrelationId } from "../text.ts";
import { abortable } from "../time.ts";
import type { ClientInterceptor, InterceptedCall } from "../../options/interceptors.ts";

/** Makes a call, once more each time. */
export type MakeCall = (call: InterceptedCall) => Promise<unknown>;

/** What is around one call: told how to make it, gives its outcome. */
export type CallInterception = (make: MakeCall) => Promise<unknown>;

/**
 * Makes a call by way of interceptors, the first one outermost.
 *
 * @param interceptors At least one.
 * @param call The call.
 * @param options How it is made, each time with another correlation id; and what ends it, whatever
 * interceptors wait for.
 */
export function interceptCall(
  interceptors: readonly ClientInterceptor[],
  call: InterceptedCall,
  { make, signals }: { readonly make: MakeCall; readonly signals: readonly AbortSignal[] },
): Promise<unknown> {
  let isMade = false;
  const pass = (index: number, call: InterceptedCall): Promise<unknown> => {
    const interceptor = interceptors[index];
    if (interceptor !== undefined) {
      return Promise.try(() =>
        interceptor(call, (changes) => {
          return pass(index + 1, changes === undefined ? call : { ...call, ...changes });
        })
      );
    }
    // Two requests that are under way at a time must not have one id.
    const made = isMade ? { ...call, correlationId: newCorrelationId() } : call;
    isMade = true;
    return make(made);
  };
  // What is no signal is refused when the call is made.
  const own = signals.filter((signal) => signal instanceof AbortSignal);
  if (own.length === 0) return pass(0, call);
  const signal = own.length === 1 ? own[0] : AbortSignal.any(own);
  if (signal?.aborted) return Promise.reject(signal.reason);
  return abortable(pass(0, call), signal);
}
