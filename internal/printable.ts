/** Texts of strangers, made fit for messages and logs. @module */

/** What ends a line, moves a cursor, or hides or turns text: control and format characters. */
const UNPRINTABLE_REGEXP = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;

/** Tells whether a text has nothing in it that a log or a terminal would act on. */
export function isPrintable(text: string): boolean {
  return text.search(UNPRINTABLE_REGEXP) === -1;
}

/**
 * Writes what is not printable as its code, such as `\u{a}`.
 *
 * @param text A text that anybody may have written.
 * @returns A text of one line.
 */
export function toPrintable(text: string): string {
  return text.replaceAll(
    UNPRINTABLE_REGEXP,
    (character) => `\\u{${character.codePointAt(0)?.toString(16)}}`,
  );
}
