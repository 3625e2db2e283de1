import { assert, assertEquals } from "../../../deps/std_assert.ts";
import { readAnswer } from "../../../internal/protocol/control/control_answer.ts";
import type { ReadingVerb } from "../../../internal/protocol/control_question.ts";

/** All that changes something is answered alike. */
type Asked = ReadingVerb | "pause";

const IDENTITY = { name: "math", id: "a1", pid: 7 };
const REQUEST = { id: "f00", procedure: "add", state: "running", forMs: 12, attempt: 1 };
const COUNTED = {
  name: "add",
  numRequests: 1,
  numErrors: 0,
  processingTime: 1,
  averageProcessingTime: 1,
  p50: 1,
  p95: 1,
  p99: 1,
  inHand: 0,
};

/** An answer to each question, as a server of today gives it, with all that may be absent. */
const ANSWERS: Readonly<Record<Asked, Readonly<Record<string, unknown>>>> = {
  ping: { loopDelayMs: 0.1 },
  info: {
    host: "here",
    version: "1",
    platform: "Deno",
    started: "2026-01-01T00:00:00Z",
    state: "serving",
    control: "read",
    prefetch: 16,
    endpoints: [{ name: "add", kind: "call", description: "adds", input: {}, output: true }],
    schemasOmitted: true,
  },
  stats: {
    version: "1",
    started: "2026-01-01T00:00:00Z",
    state: "paused",
    inHand: 1,
    prefetch: 16,
    lagMs: 3,
    counts: { active: 1, succeeded: 2 },
    pools: [{ workers: 1, busy: 0, crashed: 0, waiting: 0 }],
    endpoints: [{ ...COUNTED, waitP95: 2, lastError: { at: "2026", outcome: "error" } }],
  },
  active: {
    total: 1,
    requests: [{ ...REQUEST, worker: 0, ahead: 0, progress: 0.5, caller: "c1" }],
  },
  why: { state: "draining", inHand: 1, prefetch: 16, request: REQUEST },
  pause: { state: "paused", inHand: 0, cancelled: 0, workers: 2, refused: "no" },
};

function read(verb: Asked, answer: unknown): unknown {
  const body = { type: `warren.rpc.v1.${verb}`, ...IDENTITY, ...(answer as object) };
  return readAnswer(verb, new TextEncoder().encode(JSON.stringify(body)));
}

/** All paths to a member, those inside lists and objects included. */
function pathsIn(value: unknown, before: readonly string[] = []): (readonly string[])[] {
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([name, inner]) => {
    const path = [...before, name];
    return [path, ...pathsIn(inner, path)];
  });
}

function spoilt(value: unknown, [name = "", ...rest]: readonly string[], by: unknown): unknown {
  const copy = structuredClone(value) as Record<string, unknown>;
  copy[name] = rest.length === 0 ? by : spoilt(copy[name], rest, by);
  return copy;
}

/** Schemas are anything; and which counts there are may grow. */
const FREE = /^endpoints\.0\.(input|output)$/;

const ASKED = Object.keys(ANSWERS) as Asked[];

for (const verb of ASKED) {
  const answer = ANSWERS[verb];
  Deno.test(`readAnswer() takes an answer to ${verb}, and none whose members are of other types`, () => {
    assertEquals(read(verb, answer), { ...IDENTITY, ...answer });
    // A later release may add members.
    assertEquals(read(verb, { ...answer, more: 1 }), { ...IDENTITY, ...answer, more: 1 });
    const whole = { ...IDENTITY, ...answer };
    const paths = pathsIn(whole).filter((path) => !FREE.test(path.join(".")));
    assert(paths.length > 3);
    for (const path of paths) {
      for (const wrong of [null, {}, [null], ["x"]]) {
        // An empty object may be one that has just nothing in it.
        if (path.at(-1) === "counts" && !Array.isArray(wrong) && wrong !== null) continue;
        assertEquals(read(verb, spoilt(whole, path, wrong)), undefined, `${path}: ${wrong}`);
      }
    }
  });
}

Deno.test("readAnswer() takes no words that there are not, and nothing that is missing", () => {
  assertEquals(read("why", { ...ANSWERS.why, state: "asleep" }), undefined);
  assertEquals(read("info", { ...ANSWERS.info, control: "all" }), undefined);
  const request = { ...REQUEST, state: "lost" };
  assertEquals(read("active", { ...ANSWERS.active, requests: [request] }), undefined);
  for (const verb of ASKED) assertEquals(read(verb, {}), undefined, verb);
});
