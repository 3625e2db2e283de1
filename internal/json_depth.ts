/** How deep a JSON text is nested, before anything is made of it. @module */

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
/** `[` and `{` differ in one bit, which is set in the latter; so do `]` and `}`. */
const BRACE_BIT = 0x20;
const OPENING_BRACE = 0x7b;
const CLOSING_BRACE = 0x7d;

/**
 * Tells whether a JSON text has more levels of arrays and objects than allowed. Whoever walks a value
 * by recursion, `structuredClone` and `postMessage` included, overflows the stack some thousand
 * levels down, and `JSON.parse` itself does not mind.
 *
 * @param text The text; whether it is JSON at all is for others to say.
 * @param maxDepth The most levels.
 */
export function isNestedDeeper(text: string, maxDepth: number): boolean {
  // Each level takes two characters, so that short texts need no look.
  if (text.length <= 2 * maxDepth) return false;
  let depth = 0;
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    if (code === QUOTE) index = endOfString(text, index);
    else if ((code | BRACE_BIT) === OPENING_BRACE) {
      if (++depth > maxDepth) return true;
    } else if ((code | BRACE_BIT) === CLOSING_BRACE) depth--;
  }
  return false;
}

function endOfString(text: string, start: number): number {
  let end = start;
  do {
    end = text.indexOf('"', end + 1);
    if (end === -1) return text.length;
  } while (isEscaped(text, end));
  return end;
}

function isEscaped(text: string, index: number): boolean {
  let backslashes = 0;
  while (text.charCodeAt(index - backslashes - 1) === BACKSLASH) backslashes++;
  return backslashes % 2 === 1;
}
