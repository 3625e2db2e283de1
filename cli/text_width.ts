/** How wide text is on a terminal. @module */

/** Two columns each. */
const WIDE_REGEXP =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\ua960-\ua97f\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]/u;

/** None: it is put over, or into, the one before. */
const ZERO_REGEXP = /[\p{Mn}\p{Me}\p{Cf}]/u;

/** The columns that a text takes. */
export function textWidth(text: string): number {
  let width = 0;
  for (const character of text) width += columnsOf(character);
  return width;
}

/** Makes a text as wide as that: with blanks, or cut, which an ellipsis tells. */
export function fitted(text: string, width: number, isRight: boolean = false): string {
  if (width <= 0) return "";
  const own = textWidth(text);
  const blanks = " ".repeat(Math.max(0, width - own));
  if (own <= width) return isRight ? blanks + text : text + blanks;
  let left = width - 1;
  let kept = "";
  for (const character of text) {
    left -= columnsOf(character);
    if (left < 0) break;
    kept += character;
  }
  return `${kept}…${" ".repeat(Math.max(0, width - 1 - textWidth(kept)))}`;
}

function columnsOf(character: string): number {
  if (ZERO_REGEXP.test(character)) return 0;
  return WIDE_REGEXP.test(character) ? 2 : 1;
}
