import { ExecutionLog, readExecutions } from "../../../chaos/checking/executions.ts";
import { assertEquals } from "../../../deps/std_assert.ts";

async function logged(write: (log: ExecutionLog) => void) {
  const path = await Deno.makeTempFile();
  try {
    using log = new ExecutionLog(path);
    write(log);
    const executions = readExecutions(await Deno.readTextFile(path), "server-1");
    return executions.map(({ call, redeliveries, isComplete }) => [call, redeliveries, isComplete]);
  } finally {
    await Deno.remove(path);
  }
}

Deno.test("ExecutionLog keeps what has begun, finished or not", async () => {
  const executions = await logged((log) => {
    log.begin(1, 0);
    log.begin(2, 3);
    log.end(2);
  });
  assertEquals(executions, [[1, 0, false], [2, 3, true]]);
});

Deno.test("ExecutionLog keeps a call apart that one server runs twice", async () => {
  const executions = await logged((log) => {
    log.begin(1, 0);
    log.begin(1, 1);
    log.end(1);
  });
  assertEquals(executions, [[1, 0, true], [1, 1, false]]);
});

Deno.test("readExecutions() reads nothing from a server that ran nothing", () => {
  assertEquals(readExecutions("", "server-1"), []);
});
