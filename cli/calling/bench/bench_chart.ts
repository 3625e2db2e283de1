/** A histogram of times, as lines of text and as SVG. @module */

import { formatDuration } from "../../duration.ts";
import type { LatencyClass, LatencyHistogram } from "./latency_histogram.ts";

const BAR_CHARACTERS = 40;

/** Lines with bars, one for each doubling. */
export function benchLines(times: LatencyHistogram): string[] {
  const classes = times.classes(1);
  const most = Math.max(1, ...classes.map(({ count }) => count));
  return classes.map(({ toMs, count }) => {
    const bar = "#".repeat(Math.ceil(count / most * BAR_CHARACTERS));
    const share = (count / Math.max(1, times.count) * 100).toFixed(1);
    return `${formatDuration(toMs).padStart(9)}  ${share.padStart(5)} %  ${bar}`.trimEnd();
  });
}

const WIDTH = 720;
const HEIGHT = 320;
const LEFT = 48;
const TOP = 40;
const BOTTOM = 48;

/** The shares that are marked. */
const MARKS = [0.5, 0.95, 0.99, 0.999];

/**
 * A chart of how many calls took how long; the scale of times is logarithmic.
 *
 * @param title Said above it.
 */
export function benchChart(times: LatencyHistogram, title: string): string {
  const classes = times.classes(4);
  const room = { width: WIDTH - LEFT - 16, height: HEIGHT - TOP - BOTTOM };
  const most = Math.max(1, ...classes.map(({ count }) => count));
  const step = room.width / Math.max(1, classes.length);
  const bars = classes.map(({ toMs, count }, index) => {
    const height = count / most * room.height;
    const [x, y] = [LEFT + index * step, TOP + room.height - height];
    const about = `${count} up to ${formatDuration(toMs)}`;
    return `<rect x="${round(x)}" y="${round(y)}" width="${round(step * 0.9)}" ` +
      `height="${round(height)}"><title>${about}</title></rect>`;
  });
  const labels = classes.flatMap(({ toMs }, index) => {
    if (index % Math.ceil(classes.length / 8) !== 0) return [];
    const x = LEFT + (index + 1) * step;
    return [`<text x="${round(x)}" y="${HEIGHT - 24}" class="at">${formatDuration(toMs)}</text>`];
  });
  const marks = MARKS.map((share, index) => {
    const ms = times.quantile(share);
    const x = LEFT + placeOf(ms, classes) * room.width;
    return `<line x1="${round(x)}" x2="${round(x)}" y1="${TOP}" y2="${TOP + room.height}"/>` +
      `<text x="${round(x + 3)}" y="${TOP + 12 + index * 14}">p${share * 100} ${
        formatDuration(ms)
      }</text>`;
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" ` +
    `font-family="system-ui, sans-serif" font-size="11">`,
    "<style>rect{fill:#4a7ebb}line{stroke:#c0392b;stroke-dasharray:3 3}.at{text-anchor:middle}" +
    "svg{background:#fff}</style>",
    `<text x="${LEFT}" y="24" font-size="14">${escapeXml(title)}</text>`,
    ...bars,
    ...labels,
    ...marks,
    `<text x="${LEFT}" y="${HEIGHT - 6}">time of a call</text>`,
    "</svg>",
    "",
  ].join("\n");
}

/** From 0 to 1, on the scale of the classes. */
function placeOf(ms: number, classes: readonly LatencyClass[]): number {
  const [first, last] = [classes[0], classes.at(-1)];
  if (first === undefined || last === undefined) return 0;
  const [from, to] = [Math.log2(first.fromMs), Math.log2(last.toMs)];
  return Math.min(1, Math.max(0, (Math.log2(ms) - from) / Math.max(1e-9, to - from)));
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

function escapeXml(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
