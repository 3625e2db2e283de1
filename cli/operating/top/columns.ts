/** Tables that fit a screen: columns of a low rank make way where not all fit. @module */

import { printableLine } from "../../output.ts";
import { fitted, textWidth } from "../../text_width.ts";

/** A column; those of a low rank make way for others where not all fit. */
export interface Column<T> {
  readonly title: string;
  readonly rank: number;
  readonly isRight?: boolean;
  readonly text: (row: T, width: number) => string;
  /** A bar takes what is left, from so many columns to so many. */
  readonly bar?: readonly [least: number, most: number];
  /** Longer texts are cut. */
  readonly most?: number;
}

/** Rows that are to be told from the others. */
export interface Chosen<T> {
  readonly isChosen: (row: T) => boolean;
  readonly isBad?: (row: T) => boolean;
}

/** What a line may look like; all of it is said by other signs, too. */
const STYLES = { bold: "\x1b[1m", inverse: "\x1b[7m", red: "\x1b[31m" } as const;

/** Gives a line its look. */
export type Paint = (style: keyof typeof STYLES, line: string) => string;

/** For terminals with colours. */
export function styled(style: keyof typeof STYLES, line: string): string {
  return `${STYLES[style]}${line}\x1b[0m`;
}

/** For those without. */
export function plain(_style: string, line: string): string {
  return line;
}

/** How a table is to look. */
export interface Look<T> {
  readonly columns: number;
  readonly paint: Paint;
  readonly chosen?: Chosen<T>;
}

const GAP = 2;
/** The sign of the row that is chosen stands before all columns. */
const MARK = 2;

/** Lines of a table: the titles, and one for each row. */
export function tableOf<T>(all: readonly Column<T>[], rows: readonly T[], look: Look<T>): string[] {
  const { columns, paint, chosen } = look;
  const kept = widthsOf(all, rows, columns - MARK);
  const line = (cells: readonly string[], mark: string) => {
    const fit = kept.map(({ column, width }, at) => fitted(cells[at] ?? "", width, column.isRight));
    return fitted(mark + fit.join(" ".repeat(GAP)), columns);
  };
  const titles = paint("bold", line(kept.map(({ column }) => column.title), "  "));
  return [
    titles,
    ...rows.map((row) => {
      const cells = kept.map(({ column, width }) => printableLine(column.text(row, width)));
      const isChosen = chosen?.isChosen(row) ?? false;
      const text = line(cells, isChosen ? "> " : "  ");
      if (isChosen) return paint("inverse", text);
      return chosen?.isBad?.(row) ? paint("red", text) : text;
    }),
  ];
}

interface Kept<T> {
  readonly column: Column<T>;
  readonly width: number;
}

/** The columns that fit, and how wide each is. */
function widthsOf<T>(all: readonly Column<T>[], rows: readonly T[], room: number): Kept<T>[] {
  let kept = all.map((column) => ({ column, width: leastWidth(column, rows) }));
  const needed = () => kept.reduce((sum, { width }) => sum + width + GAP, -GAP);
  while (kept.length > 1 && needed() > room) {
    const lowest = Math.min(...kept.map(({ column }) => column.rank));
    kept = kept.filter(({ column }) => column.rank !== lowest);
  }
  const spare = Math.max(0, room - needed());
  return kept.map(({ column, width }) => {
    const most = column.bar?.[1] ?? width;
    return { column, width: Math.min(most, width + spare) };
  });
}

function leastWidth<T>({ title, bar, text, most }: Column<T>, rows: readonly T[]): number {
  const [least = 0] = bar ?? [];
  if (bar !== undefined) return Math.max(title.length, least);
  const widths = rows.map((row) => textWidth(printableLine(text(row, 0))));
  return Math.min(Math.max(title.length, ...widths), most ?? Infinity);
}
