import { fc } from "../../../deps/fast_check.ts";
import { assert, assertFalse } from "../../../deps/std_assert.ts";
import { isDirectAddress } from "../../../internal/protocol/reply_address.ts";

/** As RabbitMQ 3.10 made it. */
const REAL =
  "amq.rabbitmq.reply-to.g1h2AA5yZXBseUAyOTgzNDU5NgAAAuAAAAAAawGQdg==.pW1/MdcNbmeTpfBS==";

Deno.test("isDirectAddress() knows the addresses that the broker makes", () => {
  assert(isDirectAddress(REAL));
  // Since 3.13 with a short atom, and of an old node.
  const encode = (...bytes: number[]) => btoa(String.fromCharCode(...bytes));
  const rest = [0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 1];
  const short = encode(131, 88, 119, 3, 97, 64, 98, ...rest);
  const old = encode(131, 103, 100, 0, 3, 97, 64, 98, ...rest.slice(3));
  for (const pid of [short, old]) assert(isDirectAddress(`amq.rabbitmq.reply-to.${pid}.key`));
});

Deno.test("isDirectAddress() refuses what only begins like one", () => {
  const prefix = "amq.rabbitmq.reply-to";
  const rest = ["", ".", ".a", ".a.b", ".AAAA.b", ".g1h2AA5yZXBseQ==.x", "..b", ".!!!!.b"];
  for (const name of rest) assertFalse(isDirectAddress(prefix + name), name);
  assertFalse(isDirectAddress(` ${REAL}`));
  assertFalse(isDirectAddress(`${REAL}\n`));
  assertFalse(isDirectAddress(REAL.slice(0, -4).replace(".pW1", "")));
  fc.assert(fc.property(fc.base64String(), fc.string(), (pid, key) => {
    assertFalse(isDirectAddress(`${prefix}.${pid}.${key}`));
  }));
});
