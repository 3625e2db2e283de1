import { assert, assertEquals, assertFalse, assertThrows } from "../../../../deps/std_assert.ts";
import {
  health,
  type HealthHandler,
  healthHandler,
  type HealthHandlerOptions,
  type HealthParts,
  HeartbeatFile,
} from "../../../../extras/health/mod.ts";
import { RpcClient, RpcServer } from "../../../../mod.ts";
import { TestBroker } from "../../../../testing/mod.ts";
import { WorkerPool } from "../../../../workers/mod.ts";
import { eventually } from "../../../helpers/eventually.ts";

const queue = "math";
const handlers = { echo: (value: unknown) => value };
const here = { remoteAddr: { transport: "tcp", hostname: "127.0.0.1", port: 1 } };
const elsewhere = { remoteAddr: { transport: "tcp", hostname: "192.0.2.1", port: 1 } };

async function ask(
  handler: HealthHandler,
  path: string,
  info: typeof here | undefined = here,
): Promise<{ readonly code: number; readonly body: string; readonly type: string | null }> {
  const response = await handler(new Request(`http://localhost${path}`), info);
  const body = await response.text();
  return { code: response.status, body, type: response.headers.get("content-type") };
}

async function codes(handler: HealthHandler): Promise<number[]> {
  return [(await ask(handler, "/livez")).code, (await ask(handler, "/readyz")).code];
}

Deno.test("/livez stays 200 through a broker outage, /readyz turns 503 and back", async () => {
  let broker = await TestBroker.start();
  const { port, url } = broker;
  await using server = await RpcServer.listen(url, { queue, handlers, log: false });
  await using client = await RpcClient.connect(url, { queue, log: false });
  const handler = healthHandler({ math: server, billing: client });
  assertEquals(await codes(handler), [200, 200]);
  await broker[Symbol.asyncDispose]();
  await eventually(async () => assertEquals(await codes(handler), [200, 503]));
  const { body } = await ask(handler, "/readyz?verbose");
  const { status, checks } = JSON.parse(body);
  assertEquals([status, checks[0].name, checks[0].status], ["fail", "math", "fail"]);
  assert(checks[0].detail.startsWith("reconnecting: "), body);
  broker = await TestBroker.start({ port });
  await eventually(async () => assertEquals(await codes(handler), [200, 200]));
  await client.close();
  await server.close();
  await broker[Symbol.asyncDispose]();
});

Deno.test("/readyz is 503 at once when a server drains, and /livez is not", async () => {
  await using broker = await TestBroker.start();
  const gate = Promise.withResolvers<number>();
  const server = await RpcServer.listen(broker.url, {
    queue,
    handlers: { wait: () => gate.promise },
    log: false,
  });
  await using client = await RpcClient.connect(broker.url, { queue });
  const handler = healthHandler({ math: server });
  const call = client.call("wait");
  await eventually(() => assertEquals(server.stats().active, 1));
  const closed = server.close();
  assertEquals(await codes(handler), [200, 503]);
  gate.resolve(1);
  await Promise.all([call, closed]);
  assertEquals(await codes(handler), [200, 503]);
});

Deno.test("health() tells how each part is", () => {
  const since = new Date(0);
  const service = (name: "blocked" | "paused" | "failed" | "serving") => ({
    state: { name, since, reason: "why" },
    stats: () => ({}),
  });
  const pool = (counts: object) => ({
    stats: () => ({ idle: 0, busy: 0, starting: 0, crashed: 0, ...counts }),
  });
  const of = (part: HealthParts[string]) => {
    const { live, ready, checks } = health({ part });
    return [live, ready, checks[0]?.status, checks[0]?.detail];
  };
  assertEquals(of(undefined), [true, false, "fail", "starting"]);
  assertEquals(of(service("serving")), [true, true, "pass", "serving: why"]);
  assertEquals(of(service("blocked")), [true, true, "warn", "blocked: why"]);
  assertEquals(of(service("paused")), [true, true, "warn", "paused: why"]);
  assertEquals(of(service("failed")), [false, false, "fail", "failed: why"]);
  assertEquals(of(pool({ busy: 1, crashed: 1 })), [true, true, "pass", "working"]);
  assertEquals(of(pool({ starting: 1 })), [true, false, "fail", "no worker is ready"]);
  // A program without parts does nothing that anybody could send work to.
  assertEquals(health({}).ready, false);
});

Deno.test("A pool whose workers all die for a minute is not live", () => {
  const now = Date.now;
  const counts = { idle: 0, busy: 0, starting: 0, crashed: 2 };
  const workers = { stats: () => counts };
  assert(health({ workers }).live);
  try {
    Date.now = () => now() + 60_001;
    assertEquals(health({ workers }).live, false);
    Object.assign(counts, { idle: 1 });
    assertEquals(health({ workers }).live, true);
  } finally {
    Date.now = now;
  }
});

Deno.test("healthHandler() tells strangers nothing, or one word", async () => {
  await using pool = await WorkerPool.open(
    new URL("../../../fixtures/workers/plain_worker.ts", import.meta.url),
    { maxWorkers: 1 },
  );
  const make = (options?: HealthHandlerOptions) => healthHandler({ workers: pool }, options);
  for (const path of ["/livez", "/readyz", "/stats"]) {
    assertEquals((await ask(make(), path, elsewhere)).code, 403, path);
    assertEquals((await make()(new Request(`http://localhost${path}`))).status, 403, path);
  }
  const open = make({ allowRemote: true, metrics: () => "# none\n" });
  assertEquals((await ask(open, "/readyz", elsewhere)).body, '{"status":"pass"}');
  for (const path of ["/readyz?verbose", "/livez?verbose", "/stats", "/metrics"]) {
    assertEquals((await ask(open, path, elsewhere)).code, 401, path);
    assertEquals((await ask(open, path)).code, 200, path);
    for (const auth of [() => false, () => Promise.reject(new Error("no"))]) {
      assertEquals((await ask(make({ auth, metrics: () => "" }), path)).code, 401, path);
    }
    const auth = (request: Request) => request.url.startsWith("http://localhost/");
    const guarded = make({ allowRemote: true, auth, metrics: () => "" });
    assertEquals((await ask(guarded, path, elsewhere)).code, 200, path);
  }
  assertThrows(() => make({ allowRemote: "yes" as never }), TypeError, '"allowRemote"');
});

Deno.test("healthHandler() tells a page of another site in a browser here one word", async () => {
  const handler = healthHandler({}, { metrics: () => "# none\n", page: true });
  const codeOf = async (url: string, info: object = here) => {
    return (await handler(new Request(url), { remoteAddr: { ...here.remoteAddr, ...info } }))
      .status;
  };
  for (const path of ["/stats", "/metrics", "/", "/readyz?verbose"]) {
    const good = path.startsWith("/readyz") ? 503 : 200; // of nothing, nothing is ready
    // Their name leads to this machine once the browser has loaded them: it takes them for one site.
    assertEquals(await codeOf(`http://rebound.example:8080${path}`), 401, path);
    assertEquals(await codeOf(`http://localhost.example${path}`), 401, path);
    for (const host of ["localhost", "127.0.0.1:8080", "[::1]:8080", "probes.localhost"]) {
      assertEquals(await codeOf(`http://${host}${path}`), good, `${host}${path}`);
    }
    // No browser comes by a socket file.
    assertEquals(await codeOf(`http://any.example${path}`, { transport: "unix" }), good, path);
  }
  assertEquals(await codeOf("http://rebound.example:8080/livez"), 200);
  const guarded = healthHandler({}, { auth: () => true, page: true });
  assertEquals((await guarded(new Request("http://proxied.example/"), here)).status, 200);
});

Deno.test("healthHandler() answers with counts, metrics, and no to all else", async () => {
  const stats = { active: 3 };
  const math = { state: { name: "serving", since: new Date(0) }, stats: () => stats } as const;
  const handler = healthHandler(() => ({ math }), { metrics: () => Promise.resolve("up 1\n") });
  const { body, type } = await ask(handler, "/stats");
  const { parts, process } = JSON.parse(body);
  assertEquals(parts.math, {
    state: { name: "serving", since: "1970-01-01T00:00:00.000Z" },
    active: 3,
  });
  assertEquals([process.pid, type], [Deno.pid, "application/json"]);
  assertEquals(await ask(handler, "/metrics"), {
    code: 200,
    body: "up 1\n",
    type: "text/plain; version=0.0.4; charset=utf-8",
  });
  assertEquals((await ask(handler, "/")).code, 404);
  assertEquals((await ask(healthHandler({}), "/metrics")).code, 404);
  const post = await handler(new Request("http://localhost/livez", { method: "POST" }), here);
  const head = await handler(new Request("http://localhost/livez", { method: "HEAD" }), here);
  assertEquals([post.status, head.status, await head.text()], [405, 200, ""]);
  assertEquals(head.headers.get("cache-control"), "no-store");
});

Deno.test("healthHandler() has a page with the numbers of stats(), if it is asked to", async () => {
  const state = { name: "reconnecting", since: new Date(0), reason: "<b>reset</b>" } as const;
  const math = { state, stats: () => ({ active: 3, succeeded: 1_234 }) };
  const counts = { idle: 0, busy: 2, starting: 0, crashed: 0, runMs: { p99: 12.3456 } };
  const parts = { math, workers: { stats: () => counts } };
  const handler = healthHandler(parts, { page: true, allowRemote: true });
  const response = await handler(new Request("http://localhost/"), here);
  const page = await response.text();
  assertEquals(response.headers.get("content-type"), "text/html; charset=utf-8");
  const policy = response.headers.get("content-security-policy") ?? "";
  assert(policy.startsWith("default-src 'none'"), policy);
  const rows = { "active": 3, "succeeded": 1_234, "busy": 2, "runMs.p99": 12.346 };
  for (const [label, value] of Object.entries(rows)) {
    assert(page.includes(`<th scope="row">${label}</th><td>${value}</td>`), page);
  }
  assert(page.includes("<title>not ready</title>"));
  // Whatever a reason says is text.
  assert(page.includes("reconnecting: &#60;b&#62;reset&#60;/b&#62;, since"), page);
  assertFalse(/<b>|(src|href)=/.test(page));
  const [, nonce = "none", ...others] = page.split(/<script[^>]* nonce="([^"]+)">/);
  assertEquals(others.length, 1, page);
  assert(policy.includes(`script-src 'nonce-${nonce}'`), policy);
  assertEquals((await ask(handler, "/", elsewhere)).code, 401);
  assertEquals((await ask(healthHandler(parts), "/")).code, 404);
});

Deno.test("healthHandler() serves this machine by Deno.serve", async () => {
  const math = { state: { name: "serving", since: new Date(0) }, stats: () => ({}) } as const;
  const options = { hostname: "127.0.0.1", port: 0, onListen() {} };
  await using server = Deno.serve(options, healthHandler({ math }));
  const response = await fetch(`http://127.0.0.1:${server.addr.port}/stats`);
  assertEquals(response.status, 200);
  await response.body?.cancel();
});

Deno.test("HeartbeatFile is fresh while its program is live, and says whether it is ready", async () => {
  const folder = await Deno.makeTempDir();
  const path = `${folder}/heartbeat`;
  try {
    const state = { name: "serving", since: new Date(0) };
    const math = {
      get state() {
        return state as { name: "serving"; since: Date };
      },
      stats: () => ({}),
    };
    {
      await using _file = await HeartbeatFile.start(path, { math }, { intervalMs: 5 });
      assertEquals(await Deno.readTextFile(path), "ready\n");
      state.name = "reconnecting";
      await eventually(async () => assertEquals(await Deno.readTextFile(path), "not-ready\n"));
      state.name = "serving";
      await eventually(async () => assertEquals(await Deno.readTextFile(path), "ready\n"));
      // It is not worth going on: the file is left to grow old.
      state.name = "failed";
      await eventually(async () => {
        const { mtime } = await Deno.stat(path);
        assert(Date.now() - (mtime?.getTime() ?? 0) > 100);
      });
      assertEquals(await Deno.readTextFile(path), "ready\n");
    }
    assertEquals(Array.from(Deno.readDirSync(folder)), []);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
