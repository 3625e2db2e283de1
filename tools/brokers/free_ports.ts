/**
 * Finds TCP ports of 127.0.0.1 that nothing listens on.
 *
 * All of them are held until the last is found, so that they differ. Somebody else may still take
 * one before it is used: whoever starts a program on it must be ready to try again.
 */
export function freePorts(count: number): number[] {
  using held = new DisposableStack();
  return Array.from({ length: count }, () => {
    const listener = held.use(Deno.listen({ hostname: "127.0.0.1", port: 0 }));
    return listener.addr.port;
  });
}
