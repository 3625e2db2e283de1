/** Texts that AMQP counts in one byte: names, ids and content types. @module */

/** The most bytes of UTF-8 that a property or a name can have. Source: AMQP 0-9-1, short strings. */
export const MAX_SHORT_TEXT_BYTES = 255;

const encoder = new TextEncoder();

/** Tells whether a text can be a property or a name. Exact only for what may be too long. */
export function isShortText(text: string): boolean {
  return text.length * 3 <= MAX_SHORT_TEXT_BYTES ||
    encoder.encode(text).length <= MAX_SHORT_TEXT_BYTES;
}
