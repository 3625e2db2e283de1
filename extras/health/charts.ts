/** Charts as SVG, which need no scripts. @module */

/** Makes text of what may be anything. */
export function escape(text: string): string {
  return text.replaceAll(/[&<>"']/g, (character) => `&#${character.codePointAt(0)};`);
}

/** A number as people read it. */
export function shown(value: number): string {
  if (value >= 100 || Number.isInteger(value)) return String(Math.round(value));
  return String(Number(value.toPrecision(2)));
}

/** A line, or the tops of bars. */
export interface Series {
  /** What it is, and the class of its style. */
  readonly name: string;
  readonly values: readonly number[];
}

/** What a chart shows. */
export interface Chart {
  readonly title: string;
  readonly unit: string;
  /** At least one. */
  readonly series: readonly Series[];
}

const WIDTH = 300;
const HEIGHT = 60;

/**
 * Draws lines over ten minutes, the last point of which is now. The same is said in words, for those
 * who see no picture.
 */
export function lineChart({ title, unit, series }: Chart): string {
  const most = Math.max(...series.flatMap(({ values }) => values), 0);
  const lines = series.map(({ name, values }, index) => {
    const step = WIDTH / Math.max(1, values.length - 1);
    const points = values.map((value, at) => {
      const y = HEIGHT - (most === 0 ? 0 : value / most * (HEIGHT - 2)) - 1;
      return `${(at * step).toFixed(1)},${y.toFixed(1)}`;
    });
    return `<polyline class="s${index}" points="${points.join(" ")}"><title>${
      escape(name)
    }</title></polyline>`;
  });
  const words = series.map(({ name, values }) => {
    return `${name}: ${shown(values.at(-1) ?? 0)} ${unit} now, ${
      shown(Math.max(...values, 0))
    } at most`;
  });
  const legend = series.map(({ name, values }, index) => {
    return `<span class="s${index}">${escape(name)} ${shown(values.at(-1) ?? 0)}</span>`;
  });
  return `<figure>
<figcaption>${escape(title)} <small>${escape(unit)}, at most ${shown(most)}</small></figcaption>
<svg role="img" viewBox="0 0 ${WIDTH} ${HEIGHT}" preserveAspectRatio="none" aria-label="${
    escape(`${title} over ten minutes. ${words.join(". ")}`)
  }">${lines.join("")}</svg>
<p class="legend">${legend.join(" ")}</p>
</figure>`;
}

/** Draws parts of a whole beside one another; their names and values are in a table. */
export function stackedBar(
  title: string,
  parts: readonly (readonly [name: string, value: number])[],
): string {
  const total = parts.reduce((sum, [, value]) => sum + value, 0);
  let x = 0;
  const rects = parts.map(([name, value], index) => {
    const width = total === 0 ? 0 : value / total * WIDTH;
    const rect = `<rect class="p${index}" x="${x.toFixed(2)}" width="${
      width.toFixed(2)
    }" height="20"><title>${escape(name)}</title></rect>`;
    x += width;
    return rect;
  });
  const label = parts.map(([name, value]) => `${name} ${shown(value)} ms`).join(", ");
  return `<svg class="bar" role="img" viewBox="0 0 ${WIDTH} 20" preserveAspectRatio="none" aria-label="${
    escape(`${title}: ${label}`)
  }">${rects.join("")}</svg>`;
}
