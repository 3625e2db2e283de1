import { assert, assertEquals, assertFalse, assertMatch } from "../../deps/std_assert.ts";
import type { Browser, Page } from "../../deps/playwright_core.ts";
import { CallHistory, healthHandler } from "../../extras/health/mod.ts";
import { RpcClient, RpcError, RpcServer } from "../../mod.ts";
import { WorkerPool } from "../../workers/mod.ts";
import { brokerUrl, deleteQueue, randomQueue } from "../helpers/broker.ts";
import { browserTest } from "../helpers/browser.ts";
import { eventually } from "../helpers/eventually.ts";

const WORKER = new URL("../fixtures/workers/plain_worker.ts", import.meta.url);
const PHONE = { width: 360, height: 740 };

/** What no page may show: an input, an output, and what an error says. */
const [INPUT, OUTPUT, MESSAGE] = ["the-input", "the-output", "the-message"];

const handlers = {
  answer: (_input: string) => OUTPUT,
  fail: (_input: string) => {
    throw new Error(MESSAGE);
  },
  refuse: (_input: string) => {
    throw new RpcError("invalid-input", MESSAGE);
  },
};

/** A server, a client and a pool on the broker, and their page. */
async function start() {
  await using stack = new AsyncDisposableStack();
  const [url, queue] = [brokerUrl(), randomQueue()];
  stack.defer(() => deleteQueue(queue));
  const history = stack.use(new CallHistory());
  const server = stack.use(
    await RpcServer.listen(url, { queue, handlers, onEvent: history.serverObserver(queue) }),
  );
  const client = stack.use(
    await RpcClient.connect(url, { queue, onEvent: history.clientObserver(queue) }),
  );
  const pool = stack.use(await WorkerPool.open(WORKER, { maxWorkers: 1 }));
  const parts = { server, client, pool };
  const options = { hostname: "127.0.0.1", port: 0, onListen() {} };
  const page = stack.use(Deno.serve(options, healthHandler(parts, { page: history })));
  const owned = stack.move();
  return {
    ...parts,
    queue,
    /** Makes a call of each kind. */
    async call() {
      await client.call("answer", INPUT);
      await client.call("fail", INPUT).catch(() => {});
      await client.call("refuse", INPUT).catch(() => {});
      await client.call("unknown", INPUT).catch(() => {});
      // A reply is told before its confirm.
      await eventually(() => assertEquals(server.stats().active, 0));
    },
    url: `http://127.0.0.1:${page.addr.port}/`,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** Opens the page as a reader has it. */
async function open(
  browser: Browser,
  url: string,
  options: Parameters<Browser["newContext"]>[0] = {},
): Promise<Page> {
  const page = await (await browser.newContext(options)).newPage();
  await page.goto(url);
  return page;
}

/** The numbers that the page has of a part. */
async function countsOn(page: Page, part: string): Promise<Record<string, number>> {
  const rows = await page.locator(`section[aria-label="${part}"] table tr`).all();
  const cells = await Promise.all(rows.map((row) => row.locator("th, td").allTextContents()));
  return Object.fromEntries(cells.map(([label, value]) => [label, Number(value)]));
}

/** Texts of the cells of a table. */
async function tableOn(page: Page, id: string): Promise<string[][]> {
  const rows = await page.locator(`#${id} tr`).all();
  return await Promise.all(rows.map((row) => row.locator("th, td").allTextContents()));
}

for (const javaScriptEnabled of [true, false]) {
  const way = javaScriptEnabled ? "with scripts" : "without scripts";
  browserTest(
    `The page has the numbers of stats(), and what has failed where, ${way}`,
    async (browser) => {
      await using scene = await start();
      await scene.call();
      const page = await open(browser, scene.url, { javaScriptEnabled });
      assertEquals(await page.title(), "ready");
      assertEquals(await countsOn(page, "server"), { ...scene.server.stats() });
      assertEquals(await countsOn(page, "client"), { ...scene.client.stats() });
      const { waitMs, runMs, ...counts } = scene.pool.stats();
      const shown = await countsOn(page, "pool");
      assertEquals({ ...shown, ...counts }, shown);
      assertEquals([shown["waitMs.count"], shown["runMs.count"]], [waitMs.count, runMs.count]);
      // Each is counted where it was served and where it was called.
      assertEquals((await tableOn(page, "codes")).toSorted(), [
        ["handler-error", "2"],
        ["invalid-input", "2"],
        ["unknown-procedure", "2"],
      ]);
      const errors = (await tableOn(page, "errors")).slice(1).map(([, ...cells]) => cells);
      const served = errors.find(([, , call]) => call === `${scene.queue}, served: fail`);
      assertEquals(served?.[0], "handler-error");
      assertMatch(served?.[1] ?? "", /^testing\/page_test\.ts:\d+$/);
      assertEquals(await page.locator("figure").count(), 7);
    },
  );
}

browserTest(
  "The page shows no input, no output, no text of an error and no password",
  async (browser) => {
    await using scene = await start();
    await scene.call();
    const page = await open(browser, scene.url);
    const content = await page.content();
    assert(content.includes("handler-error"));
    for (const secret of [INPUT, OUTPUT, MESSAGE, "guest"]) assertFalse(content.includes(secret));
  },
);

browserTest(
  "The ledger of a procedure is chosen by keys, and the numbers go on meanwhile",
  async (browser) => {
    await using scene = await start();
    await scene.call();
    const page = await open(browser, scene.url, { viewport: PHONE });
    const chosen = `${scene.queue}, served: answer`;
    await page.keyboard.press("Tab");
    assertEquals(await page.evaluate("document.activeElement.tagName"), "SUMMARY");
    await page.keyboard.press("Enter");
    assert(await page.locator("#counts-server[open]").isVisible());
    await page.locator("select").focus();
    await page.locator("select").selectOption(chosen);
    await scene.call();
    // The script asks again after 5 s, and leaves what is open and in use as it is.
    await page.locator("#codes td", { hasText: "4" }).first().waitFor();
    assert(await page.locator("#counts-server[open]").isVisible());
    assertEquals(await page.evaluate("document.activeElement.tagName"), "SELECT");
    assertEquals(await page.locator("select").inputValue(), chosen);
    await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    await page.waitForURL(/procedure=/);
    await page.getByText(`${chosen}, means of 2 in ms`).waitFor();
    const parts = await page.locator("#ledger tr th").allTextContents();
    assertEquals(parts.map((part) => part.trim()), ["backlogMs", "runMs", "encodeMs", "confirmMs"]);
    assertEquals(await page.locator("#ledger svg rect").count(), 4);
  },
);

browserTest("The page fits a telephone, by day and by night", async (browser) => {
  await using scene = await start();
  await scene.call();
  const grounds = [];
  for (const colorScheme of ["light", "dark"] as const) {
    const page = await open(browser, scene.url, { viewport: PHONE, colorScheme });
    for (const details of await page.locator("summary").all()) await details.click();
    assertEquals(await page.evaluate("document.documentElement.scrollWidth"), PHONE.width);
    grounds.push(await page.evaluate("getComputedStyle(document.body).backgroundColor"));
  }
  assertEquals(grounds, ["rgb(255, 255, 255)", "rgb(20, 22, 26)"]);
});

browserTest("The page says so when nobody answers any more", async (browser) => {
  let page: Page;
  {
    await using scene = await start();
    page = await open(browser, scene.url);
    assertFalse(await page.locator("#stale").isVisible());
  }
  await page.locator("#stale").waitFor();
});
