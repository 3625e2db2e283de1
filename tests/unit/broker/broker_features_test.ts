import { assertEquals } from "../../../deps/std_assert.ts";
import { brokerFeaturesOf } from "../../../internal/broker/broker_features.ts";

Deno.test("brokerFeaturesOf() tells releases apart", () => {
  const has = (version: string, product = "RabbitMQ") =>
    brokerFeaturesOf({ product, version }).hasConsumerTimeouts;
  const old = ["3.10.8", "3.13.7", "4.0.5", "4.2.9", "4.2.0-rc.1"].map((version) => has(version));
  assertEquals(old, [false, false, false, false, false]);
  const recent = ["4.3.0", "4.3.0-rc.1", "4.3.6", "4.10.0", "5.0.0"].map((version) => has(version));
  assertEquals(recent, [true, true, true, true, true]);
  assertEquals(has("4.3.6", "LavinMQ"), false);
  const drops = (version: string) =>
    brokerFeaturesOf({ product: "RabbitMQ", version }).dropsEarlyReplies;
  assertEquals(["3.10.8", "3.12.0", "4.0.5", "4.1.9", "4.2.0", "4.3.6"].map(drops), [
    false,
    true,
    true,
    true,
    false,
    false,
  ]);
});

Deno.test("brokerFeaturesOf() takes whatever a broker says of itself", () => {
  for (const odd of [undefined, 4, null, {}, "", "four", "4", "4."]) {
    const features = brokerFeaturesOf({ product: "RabbitMQ", version: odd });
    assertEquals(features.hasConsumerTimeouts, false, String(odd));
  }
  assertEquals(brokerFeaturesOf({}), {
    product: "",
    version: "",
    hasConsumerTimeouts: false,
    mayLag: false,
    dropsEarlyReplies: false,
  });
});
