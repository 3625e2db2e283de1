/**
 * UUID version 7 after RFC 9562, section 5.7: 48 bits of time, then random bits.
 *
 * @module
 */

const UUID_V7_REGEXP = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/i;

/** Offsets in the 32 hex digits at which the dashes go. */
const GROUP_BOUNDS = [0, 8, 12, 16, 20, 32];

/**
 * Makes a UUIDv7 that sorts by its timestamp.
 *
 * @param timestamp Milliseconds since the Unix epoch.
 * @returns The UUID in its canonical lower-case form.
 * @throws {RangeError} If the timestamp is not a non-negative integer.
 */
export function generate(timestamp: number = Date.now()): string {
  if (!Number.isInteger(timestamp) || timestamp < 0) {
    throw new RangeError(
      `Cannot generate UUID as timestamp must be a non-negative integer: timestamp ${timestamp}`,
    );
  }
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  const view = new DataView(bytes.buffer);
  view.setUint32(0, Math.floor(timestamp / 2 ** 16));
  view.setUint16(4, timestamp % 2 ** 16);
  view.setUint8(6, 0x70 | (view.getUint8(6) & 0x0f));
  view.setUint8(8, 0x80 | (view.getUint8(8) & 0x3f));
  return grouped(bytes.toHex());
}

/**
 * Tells whether a text is a UUIDv7.
 *
 * @param id The text to look at.
 * @returns `true` if it has the version and variant bits of a UUIDv7.
 */
export function validate(id: string): boolean {
  return UUID_V7_REGEXP.test(id);
}

/**
 * Reads the time out of a UUIDv7.
 *
 * @param uuid The UUIDv7.
 * @returns Milliseconds since the Unix epoch.
 * @throws {TypeError} If the text is not a UUIDv7.
 */
export function extractTimestamp(uuid: string): number {
  if (!validate(uuid)) {
    throw new TypeError(
      `Cannot extract timestamp because the UUID is not a valid UUIDv7: uuid is "${uuid}"`,
    );
  }
  return Number.parseInt(uuid.replaceAll("-", "").slice(0, 12), 16);
}

function grouped(hex: string): string {
  return GROUP_BOUNDS.slice(1).map((end, index) => hex.slice(GROUP_BOUNDS[index], end)).join("-");
}
