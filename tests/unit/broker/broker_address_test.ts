import { fc } from "../../../deps/fast_check.ts";
import { assert, assertEquals, assertFalse, assertThrows } from "../../../deps/std_assert.ts";
import {
  type BrokerAddress,
  describeAddress,
  parseBrokerUrl,
} from "../../../internal/broker/broker_address.ts";

const PLAIN: BrokerAddress = {
  protocol: "amqp",
  hostname: "host",
  port: 5672,
  username: "guest",
  password: "guest",
  vhost: "/",
};

Deno.test("parseBrokerUrl() fills in what a URL leaves out", () => {
  const urls: [string, Partial<BrokerAddress>][] = [
    ["amqp://host", {}],
    ["amqp://host/", {}],
    ["amqps://host", { protocol: "amqps", port: 5671 }],
    ["amqp://host:1234/v", { port: 1234, vhost: "v" }],
    ["amqp://anna@host", { username: "anna", password: "" }],
    ["amqp://anna:x@host/%2F", { username: "anna", password: "x" }],
    ["amqp://[::1]:5672", { hostname: "::1" }],
    ["amqp://host/a%2Fb/c", { vhost: "a/b/c" }],
  ];
  for (const [url, parts] of urls) {
    assertEquals(parseBrokerUrl(url), { ...PLAIN, ...parts });
    assertEquals(parseBrokerUrl(new URL(url)), { ...PLAIN, ...parts });
  }
});

Deno.test("parseBrokerUrl() reads back whatever is percent-encoded", () => {
  const part = fc.string({ unit: "grapheme", minLength: 1 });
  fc.assert(fc.property(part, part, part, (username, password, vhost) => {
    fc.pre(vhost !== "." && vhost !== "..");
    const [user, secret, path] = [username, password, vhost].map(encodeURIComponent);
    const address = parseBrokerUrl(`amqp://${user}:${secret}@host/${path}`);
    assertEquals(address, { ...PLAIN, username, password, vhost });
  }));
});

Deno.test("parseBrokerUrl() never shows the password of a bad URL", () => {
  const secret = "s3cret-passw0rd";
  const noise = fc.string({ unit: fc.constantFrom(..."/:@%?#[]\\ amqphost5"), maxLength: 6 });
  fc.assert(
    fc.property(noise, noise, noise, (...[before, between, after]) => {
      const url = `amqp://us${before}er:${between}${secret}@ho${after}st`;
      try {
        const address = parseBrokerUrl(url);
        // What comes before the @ is only a password to who reads it as one.
        if (address.password.includes(secret)) {
          assertFalse(describeAddress(address).includes(secret));
        }
      } catch (error) {
        assert(error instanceof TypeError);
        assertFalse(`${Deno.inspect(error)}${error.stack}`.includes(secret));
      }
    }),
    { numRuns: 2_000 },
  );
});

Deno.test("parseBrokerUrl() says what is wrong with a URL", () => {
  const urls: [string, string][] = [
    ["", "the URL is empty"],
    ["localhost", "percent-encode special characters"],
    ["localhost:5672", '"amqp://" or "amqps://": it starts with "localhost:"'],
    ["http://host", 'it starts with "http:"'],
    ["amqp:///vhost", "names no host"],
    ["amqp://host?heartbeat=5", "query parameters"],
    ["amqp://host/%", "virtual host in the URL is not percent-encoded"],
    ["amqp://%:a@host", "user name in the URL"],
    ["amqp://a:%zz@host", "password in the URL"],
  ];
  for (const [url, reason] of urls) assertThrows(() => parseBrokerUrl(url), TypeError, reason);
});

Deno.test("describeAddress() shows neither user nor password", () => {
  assertEquals(describeAddress(PLAIN), 'host:5672 (virtual host "/")');
  assertEquals(
    describeAddress({ ...PLAIN, hostname: "::1", vhost: "a" }),
    '[::1]:5672 (virtual host "a")',
  );
});
