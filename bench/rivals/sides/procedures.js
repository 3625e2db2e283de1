/** The procedures that all servers in JavaScript have. */

/** About 20 ms of a core, the same work whatever else runs. */
function fibonacci(n) {
  return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2);
}

export const procedures = {
  echo: (input) => input,
  busy: (n) => fibonacci(n),
  hang: () => new Promise(() => {}),
};
