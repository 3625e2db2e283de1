/** Parts of pages that measurements write, as `deno fmt` would format them. @module */

const MAX_WIDTH = 100;

/** Where a page has a part of its own: `<!-- NAME:begin -->` and `<!-- NAME:end -->`. */
export interface PagePart {
  /** For the error message. */
  readonly page: string;
  readonly name: string;
}

/**
 * Puts a part between its markers.
 *
 * @throws {Error} If the markers are missing.
 */
export function withPart(text: string, { page, name }: PagePart, part: string): string {
  const [begin, end] = [`<!-- ${name}:begin -->`, `<!-- ${name}:end -->`];
  const [from, to] = [text.indexOf(begin), text.indexOf(end)];
  if (from < 0 || to < from) {
    throw new Error(`Cannot put in the figures as ${page} has no ${begin} and ${end}`);
  }
  return `${text.slice(0, from + begin.length)}\n\n${part}\n\n${text.slice(to)}`;
}

/** A table whose columns are as wide as their widest cells. */
export function table(
  head: readonly string[],
  rows: readonly (readonly string[])[],
): string {
  const widths = head.map((cell, index) => {
    return Math.max(3, cell.length, ...rows.map((row) => row[index]?.length ?? 0));
  });
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell, index) => cell.padEnd(widths[index] ?? 0)).join(" | ")} |`;
  return [line(head), line(widths.map((width) => "-".repeat(width))), ...rows.map(line)].join("\n");
}

/** Breaks lines of prose. */
export function wrap(text: string): string {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && line.length + 1 + word.length > MAX_WIDTH) {
      lines.push(line);
      line = word;
    } else line = line === "" ? word : `${line} ${word}`;
  }
  return [...lines, line].join("\n");
}
