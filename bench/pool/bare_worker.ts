import { add, fib } from "./tasks.ts";

// The types of a window lack what a worker's global object has.
const scope = globalThis as unknown as {
  onmessage: (event: MessageEvent) => void;
  postMessage(message: unknown): void;
};

scope.onmessage = ({ data: { id, name, input } }) => {
  scope.postMessage({ id, output: name === "add" ? add(input) : fib(input) });
};
scope.postMessage({ id: 0, output: "ready" });
