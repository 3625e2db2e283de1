/** A bar chart as SVG. */

/** One group of bars: a scenario. */
export interface BarGroup {
  readonly title: string;
  readonly bars: readonly Bar[];
}

/** One bar. */
export interface Bar {
  readonly label: string;
  readonly value: number;
  /** Whether it is drawn as ours: else its label says so. */
  readonly isOurs?: boolean;
}

const WIDTH = 860;
const LABEL_WIDTH = 310;
const BAR_HEIGHT = 18;
const GAP = 6;
const TITLE_HEIGHT = 34;
const MAX_BAR = WIDTH - LABEL_WIDTH - 110;

/** Draws groups of horizontal bars, each group on a scale of its own. */
export function barChart(groups: readonly BarGroup[]): string {
  let y = 10;
  const parts: string[] = [];
  for (const group of groups) {
    parts.push(text(10, y + 20, group.title, "bold"));
    y += TITLE_HEIGHT;
    const longest = Math.max(...group.bars.map(({ value }) => value));
    for (const bar of group.bars) {
      parts.push(...drawBar(y, bar, longest));
      y += BAR_HEIGHT + GAP;
    }
  }
  const size = `width="${WIDTH}" height="${y + 10}"`;
  return `<svg xmlns="http://www.w3.org/2000/svg" ${size} font-family="sans-serif" font-size="13">
<rect width="100%" height="100%" fill="white"/>
${parts.join("\n")}
</svg>
`;
}

function drawBar(y: number, { label, value, isOurs }: Bar, longest: number): string[] {
  const width = Math.max(1, Math.round(value / longest * MAX_BAR));
  const fill = isOurs ?? label.startsWith("warren") ? "#2a6f4e" : "#9aa5b1";
  return [
    text(10, y + 14, label),
    `<rect x="${LABEL_WIDTH}" y="${y}" width="${width}" height="${BAR_HEIGHT}" fill="${fill}"/>`,
    text(LABEL_WIDTH + width + 8, y + 14, figure(value)),
  ];
}

function text(x: number, y: number, content: string, weight = "normal"): string {
  return `<text x="${x}" y="${y}" font-weight="${weight}" fill="#222">${content}</text>`;
}

/** Small figures are durations, of which hundredths count. */
function figure(value: number): string {
  return value < 100 ? value.toFixed(2) : Math.round(value).toLocaleString("en");
}
