/** How the page looks, and what it does if scripts run. @module */

/** How often a browser asks again, in seconds. */
export const REFRESH_SECONDS = 5;

export const PAGE_STYLE: string = `
:root {
  color-scheme: light dark; font: 16px/1.45 system-ui, sans-serif;
  --ink: #1a1c20; --soft: #5a6068; --ground: #fff; --line: #c8ccd2; --link: #0b57c4;
  --good: #11703a; --warn: #8a5a00; --bad: #b3201c;
  --c0: #1f6fc9; --c1: #b3201c; --c2: #11703a; --c3: #8a5a00; --c4: #7a3fb0; --c5: #5a6068;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ink: #e6e8eb; --soft: #a3aab4; --ground: #14161a; --line: #3a4048; --link: #7db4ff;
    --good: #5fd08a; --warn: #f0bd5b; --bad: #ff8a80;
    --c0: #6aa9f5; --c1: #ff8a80; --c2: #5fd08a; --c3: #f0bd5b; --c4: #c79bf2; --c5: #a3aab4;
  }
}
* { box-sizing: border-box }
body { background: var(--ground); color: var(--ink); margin: 0 auto; max-width: 70rem; padding: .75rem }
h1 { font-size: 1.4rem; margin: 0 } h2 { font-size: 1.1rem; margin: 0 0 .25rem }
h1, h2, td, p { overflow-wrap: anywhere }
section, form { border-top: 1px solid var(--line); margin-top: 1rem; padding-top: .75rem }
p { margin: .25rem 0 } small, .soft, figcaption small { color: var(--soft) }
.status { border: 1px solid; border-radius: .3rem; font-size: .85rem; padding: 0 .4rem }
.pass { color: var(--good) } .warn { color: var(--warn) } .fail { color: var(--bad) }
.tiles { display: flex; flex-wrap: wrap; gap: .5rem 1.5rem; margin: .5rem 0 }
.tiles div { display: flex; flex-direction: column-reverse }
.tiles dd { font-size: 1.4rem; font-variant-numeric: tabular-nums; margin: 0; line-height: 1.2 }
.tiles dt { color: var(--soft); font-size: .85rem }
.charts { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fill, minmax(min(100%, 18rem), 1fr)) }
figure { margin: 0; min-width: 0 }
svg { border-bottom: 1px solid var(--line); display: block; height: 4rem; width: 100% }
svg.bar { border: 0; height: 1.5rem }
polyline { fill: none; stroke-width: 1.5; vector-effect: non-scaling-stroke }
.s0 { stroke: var(--c0) } .s1 { stroke: var(--c1); stroke-dasharray: 4 2 }
span.s0, span.s1 { border-bottom: 2px solid; margin-right: .75rem }
span.s0 { border-color: var(--c0) } span.s1 { border-bottom-style: dashed; border-color: var(--c1) }
.legend { font-size: .85rem; font-variant-numeric: tabular-nums }
.p0 { --p: var(--c0) } .p1 { --p: var(--c3) } .p2 { --p: var(--c2) } .p3 { --p: var(--c4) }
.p4 { --p: var(--c1) } .p5 { --p: var(--c5) }
rect { fill: var(--p) } i { background: var(--p); display: inline-block; height: .8em; width: .8em }
table { border-collapse: collapse }
th, td { font-weight: normal; padding: .1rem 1.5rem .1rem 0; text-align: left; vertical-align: top }
thead th { color: var(--soft); font-size: .85rem }
td { font-variant-numeric: tabular-nums }
summary, select, button { font: inherit; max-width: 100% } summary { cursor: pointer; color: var(--link) }
:focus-visible { outline: 2px solid var(--link); outline-offset: 2px }
.scroll { overflow-x: auto } .scroll td { overflow-wrap: normal; white-space: nowrap }
table + h2 { margin-top: 1rem }
`;

/**
 * Asks again without a reload, which would take the focus away. Nothing that a reader has opened is
 * closed, and nothing is asked for while nobody looks.
 */
export const PAGE_SCRIPT: string = `
const regions = ["live", "choice", "ledger"].map((id) => document.getElementById(id));
const refresh = (region, next) => {
  if (region.id === "choice" && region.contains(document.activeElement)) return;
  for (const { id, open } of region.querySelectorAll("details")) {
    const same = next.querySelector("#" + CSS.escape(id));
    if (same) same.open = open;
  }
  const focused = document.activeElement.closest("details, [tabindex]")?.id;
  region.replaceChildren(...next.childNodes);
  const again = focused && document.activeElement === document.body && document.getElementById(focused);
  if (again) (again.querySelector("summary") ?? again).focus({ preventScroll: true });
};
setInterval(async () => {
  if (document.hidden) return;
  try {
    const response = await fetch(location.href);
    if (!response.ok) throw new Error(response.status);
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    for (const region of regions) refresh(region, page.getElementById(region.id));
    document.title = page.title;
    document.getElementById("stale").hidden = true;
  } catch {
    document.getElementById("stale").hidden = false;
  }
}, ${REFRESH_SECONDS * 1_000});
`;
