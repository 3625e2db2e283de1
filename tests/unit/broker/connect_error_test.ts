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
