import { assertEquals } from "../../../deps/std_assert.ts";
import { parseBrokerUrl } from "../../../internal/broker/broker_address.ts";
import { explainConnectError } from "../../../internal/broker/connect_error.ts";

function explain(message: string): string {
  const address = parseBrokerUrl("amqp://app:secret@127.0.0.1");
  return explainConnectError(new Error(message), address).message;
}

Deno.test("explainConnectError() tells a missing permission from a login", () => {
  const prefix =
    'Cannot connect to the broker at 127.0.0.1:5672 (virtual host "/") as the broker ' +
    'refuses user "app"';
  const see = 'see "rabbitmqctl list_user_permissions"';
  const refusal = '403 (ACCESS-REFUSED) with message "ACCESS_REFUSED - ';
  assertEquals(
    explain(
      `Operation failed: BasicConsume; ${refusal}access to queue 'math' in vhost '/' ` +
        "refused for user 'app'\"",
    ),
    `${prefix} access to queue 'math': ${see}`,
  );
  assertEquals(
    explain(
      `Operation failed: QueueDeclare; ${refusal}configure access to queue 'math' in vhost ` +
        "'/' refused for user 'app'\"",
    ),
    `${prefix} configure access to queue 'math': ${see}`,
  );
  assertEquals(
    explain(
      `Handshake terminated by server: ${refusal}Login was refused using authentication ` +
        'mechanism PLAIN."',
    ),
    `${prefix}: check the user name and password ("guest" is only let in from the broker's own ` +
      "machine)",
  );
});

Deno.test("explainConnectError() tells why a virtual host is closed to its user", () => {
  const ended = "Cannot connect as the broker ends it: NOT_ALLOWED - ";
  const refused = "access to vhost '/' refused for user 'app'";
  const reasons = {
    [`${ended}vhost / not found`]: 'virtual host "/" does not exist: see "rabbitmqctl list_vhosts"',
    [`${ended}${refused}`]:
      'user "app" may not use virtual host "/": see "rabbitmqctl list_permissions -p /"',
    [`${ended}${refused}: connection limit (3) is reached`]:
      'virtual host "/" has as many connections as it may, 3: close others or raise the limit',
    [`${ended}connection refused for user 'app': user connection limit (3) is reached`]:
      'user "app" has as many connections as it may, 3: close others or raise the limit',
    [`${ended}${refused}: node connection limit (3) is reached`]:
      "the node has as many connections as it may, 3: close others or raise the limit",
    [`${ended}${refused}: vhost '/' is down`]:
      'virtual host "/" is down: see the log of the broker',
  };
  for (const [message, reason] of Object.entries(reasons)) {
    assertEquals(explain(message).split(" as ").slice(1).join(" as "), reason);
  }
});
