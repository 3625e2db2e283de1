/** A browser without a window, where one is installed (Debian: `chromium`). @module */

import { type Browser, chromium } from "../../deps/playwright_core.ts";
import { testUnless } from "./features.ts";

const PROGRAM = "/usr/bin/chromium";

/** A test that needs a browser: it is ignored, and its name says why, where there is none. */
export function browserTest(name: string, fn: (browser: Browser) => Promise<void>): void {
  const missing = isInstalled() ? undefined : "chromium is not installed";
  Deno.test({
    ...testUnless(missing, name, async () => {
      // Its sandbox needs more rights than containers give; it sees nothing but our own page.
      const browser = await chromium.launch({ executablePath: PROGRAM, args: ["--no-sandbox"] });
      try {
        await fn(browser);
      } finally {
        await browser.close();
      }
    }),
    // The driver keeps pipes and timers of its own, some of which outlive the browser.
    sanitizeOps: false,
    sanitizeResources: false,
  });
}

function isInstalled(): boolean {
  try {
    return Deno.statSync(PROGRAM).isFile;
  } catch {
    return false;
  }
}
