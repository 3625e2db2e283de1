/**
 * The report of a worker that ends by itself: why, as far as it is known in advance.
 *
 * @module
 */

import { describeError } from "../../internal/error_description.ts";

/** What is used here of a global object: one of a Web Worker, or of a process. */
interface EndingGlobal {
  close(): void;
  addEventListener(type: "error", listener: (event: ErrorEvent) => void): void;
  addEventListener(
    type: "unhandledrejection",
    listener: (event: PromiseRejectionEvent) => void,
  ): void;
}

/**
 * Calls `report` before the worker ends itself, or is ended by an error that nobody caught. Deno
 * tells the owner of a Web Worker nothing of `close()` and `exit()`, and little of errors.
 *
 * @param report Tells the pool; it must have done so when it returns.
 * @param end Ends the worker.
 */
export function installEndReport(report: (reason: string) => void, end: () => void): void {
  const scope: unknown = globalThis;
  if (!canEnd(scope)) return;
  const exit = Deno.exit;
  scope.close = () => {
    report("it called self.close()");
    end();
  };
  // `process.exit()` ends here too.
  Deno.exit = (code) => {
    report(`it called Deno.exit(${code ?? ""})`);
    return exit(code);
  };
  scope.addEventListener("error", (event) => {
    event.preventDefault();
    report(`uncaught ${showError(event.error ?? event.message)}`);
    end();
  });
  scope.addEventListener("unhandledrejection", (event) => {
    event.preventDefault();
    report(`unhandled rejection: ${showError(event.reason)}`);
    end();
  });
}

/** A window's types and a worker's differ, and this file is checked with both. */
function canEnd(scope: unknown): scope is EndingGlobal {
  return typeof scope === "object" && scope !== null && "close" in scope;
}

/** One line that says what was thrown. */
export function showError(thrown: unknown): string {
  const { name, message } = describeError(thrown);
  return thrown instanceof Error ? `${name}: ${message}` : message;
}
