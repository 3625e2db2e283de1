/** Whether what a program connects shares one connection. @module */

const VARIABLE = "CHAOS_SHARED";

/** Has all clients and servers of this run share connections, those of its processes included. */
export function shareConnections(): void {
  Deno.env.set(VARIABLE, "1");
}

/** Whether they do. */
export function sharesConnections(): boolean {
  return Deno.env.get(VARIABLE) === "1";
}
