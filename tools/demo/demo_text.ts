/** Where the second column begins. */
const COLUMN = 18;
const WIDTH = 79;

/** Prints a heading, bold where the terminal can. */
export function heading(text: string): void {
  console.log(`\n%c${text}\n`, "font-weight: bold");
}

/** Prints what was done on the left and what came of it on the right. */
export function line(label: string, text: string): void {
  const [first = "", ...others] = wrap(text, WIDTH - COLUMN);
  console.log(column(label) + first);
  for (const other of others) console.log(column("") + other);
}

/** Fills a label up to where the second column begins. */
export function column(label: string): string {
  return `  ${label}`.padEnd(COLUMN);
}

/** Writes "1 worker" or "2 workers". */
export function plural(count: number, noun: string): string {
  return count === 1 ? `1 ${noun}` : `${count} ${noun}s`;
}

function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= width) {
      lines[lines.length - 1] = `${last} ${word}`;
    } else lines.push(word);
  }
  return lines;
}
