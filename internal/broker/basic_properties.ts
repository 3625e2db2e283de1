/** Reads the properties of a message around headers that amqplib cannot decode. @module */

/** Properties by the names that amqplib has for them. */
export type Properties = Record<string, string | number>;

/**
 * The properties in the order of their flags, from the highest bit on, each with the kind of its
 * value. Source: AMQP 0-9-1, class basic, and section 4.2.6.1.
 */
const FIELDS: readonly (readonly [name: string, kind: "text" | "table" | "octet" | "long"])[] = [
  ["contentType", "text"],
  ["contentEncoding", "text"],
  ["headers", "table"],
  ["deliveryMode", "octet"],
  ["priority", "octet"],
  ["correlationId", "text"],
  ["replyTo", "text"],
  ["expiration", "text"],
  ["messageId", "text"],
  ["timestamp", "long"],
  ["type", "text"],
  ["userId", "text"],
  ["appId", "text"],
];

/**
 * Reads the properties but for the headers, which are skipped as a whole.
 *
 * @param bytes The flags and what follows them.
 * @returns What could be read: none of it is certain if the bytes end too early.
 */
export function readPropertiesWithoutHeaders(bytes: Uint8Array): Properties {
  const properties: Properties = {};
  try {
    readInto(properties, bytes);
  } catch (error) {
    // The message is cut off: what came before is all there is.
    if (!(error instanceof RangeError)) throw error;
  }
  return properties;
}

function readInto(properties: Properties, bytes: Uint8Array): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const flags = view.getUint16(0);
  let offset = 2;
  for (const [index, [name, kind]] of FIELDS.entries()) {
    if ((flags & (0x8000 >> index)) === 0) continue;
    switch (kind) {
      case "text":
        properties[name] = readText(bytes, offset + 1, view.getUint8(offset));
        offset += 1 + view.getUint8(offset);
        break;
      case "table":
        offset += 4 + view.getUint32(offset);
        break;
      case "octet":
        properties[name] = view.getUint8(offset);
        offset += 1;
        break;
      case "long":
        offset += 8;
        break;
    }
  }
}

function readText(bytes: Uint8Array, start: number, length: number): string {
  const end = start + length;
  if (end > bytes.length) throw new RangeError("Cannot read a property as the message is cut off");
  return new TextDecoder().decode(bytes.subarray(start, end));
}
