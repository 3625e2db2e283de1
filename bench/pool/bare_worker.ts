import { add, fib } from "./tasks.ts";

const scope: unknown = globalThis;
if (!isThread(scope)) throw new TypeError("Cannot run tasks as this is not a Web Worker");
const { postMessage } = scope;

scope.onmessage = ({ data: { id, name, input } }) => {
  postMessage({ id, output: name === "add" ? add(input) : fib(input) });
};
postMessage({ id: 0, output: "ready" });

/** The types of a window lack what a worker's global object has. */
function isThread(scope: unknown): scope is {
  onmessage: (event: MessageEvent) => void;
  postMessage(message: unknown): void;
} {
  return typeof scope === "object" && scope !== null && "WorkerGlobalScope" in scope;
}
