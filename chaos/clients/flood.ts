/**
 * A client that calls as fast as it can, in a process of its own, so that its memory can be
 * measured. It checks every output by itself.
 */

import { RpcClient, RpcError } from "../../mod.ts";
import { obeyOwner, tell } from "../servers/owner.ts";
import { outputOf, workInput } from "../load/work.ts";
import { readSettings } from "./settings.ts";

const SHAPE = { maxMs: 0, hasLargeBodies: false, slowMs: 0 };
const SALT = 7;
const TIMEOUT_MS = 120_000;
const SAMPLE_INTERVAL_MS = 50;

const { url, queue, mode, count, lanes } = readSettings();
const rejected: Record<string, number> = {};
let [begun, answered, wrong, mostRss] = [0, 0, 0, 0];
let isAsked = false;

const client = await RpcClient.connect(url, { queue, timeoutMs: TIMEOUT_MS, maxPending: lanes });
const sampling = setInterval(
  () => mostRss = Math.max(mostRss, Deno.memoryUsage().rss),
  SAMPLE_INTERVAL_MS,
);
Deno.addSignalListener("SIGTERM", () => isAsked = true);
obeyOwner();
tell({ type: "calling" });
const startRss = Deno.memoryUsage().rss;

const start = performance.now();
await Promise.all(Array.from({ length: lanes }, runLane));
const seconds = (performance.now() - start) / 1_000;
clearInterval(sampling);
await client.close();
tell({ type: "done", begun, answered, wrong, rejected, seconds, startRss, mostRss });
Deno.exit(0);

async function runLane(): Promise<void> {
  while (!isAsked && (count === 0 || begun < count)) await callOnce(begun++);
}

async function callOnce(call: number): Promise<void> {
  const input = workInput(call, SALT, SHAPE);
  try {
    if (mode === "notify") await client.notify("work", input);
    else if (await client.call("work", input) !== outputOf(input)) wrong++;
    answered++;
  } catch (error) {
    const code = error instanceof RpcError ? error.code : String(error);
    rejected[code] = (rejected[code] ?? 0) + 1;
  }
}
