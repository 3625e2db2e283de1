"""Tries client.py and a server by the messages in tests/vectors: vectors.py QUEUE"""
import base64, json, os, pathlib, sys
import pika
from client import RpcClient, RpcError

VECTORS = pathlib.Path(__file__).parents[2] / "tests" / "vectors"


def body_of(message):
    if "base64" in message:
        return base64.b64decode(message["base64"])
    return message.get("body", "").encode()


def properties_of(message, **others):
    return pika.BasicProperties(
        type=message.get("type"), content_type=message.get("contentType"),
        correlation_id=message.get("correlationId", "1"), headers=message.get("headers"), **others)


def try_client(client, vector):
    client.replies["1"] = None
    for message in vector["messages"]:
        client.take(None, None, properties_of(message), body_of(message))
    try:
        assert client.output("1") == vector.get("output", "an error"), vector["name"]
    except RpcError as error:
        assert error.code == vector.get("error", {}).get("code"), vector["name"]


def try_server(client, vector):
    request, reply, replies = vector["request"], vector["reply"], []
    consumed = client.channel.queue_declare(queue="", exclusive=True).method.queue
    client.channel.basic_consume(consumed, lambda *message: replies.append(message[2:]), auto_ack=True)
    client.channel.basic_publish("", client.queue, body_of(request), properties_of(
        request, reply_to=consumed), mandatory=True)
    while not replies:
        client.connection.process_data_events(time_limit=10)
    [(properties, body)] = replies
    assert properties.correlation_id == reply["correlationId"], vector["name"]
    assert properties.type == reply["type"], vector["name"]
    for name, value in reply.get("headers", {}).items():
        assert properties.headers[name] == value, vector["name"]
    if "json" in reply:
        assert reply["json"].items() <= json.loads(body).items(), vector["name"]
    else:
        assert body == body_of(reply), vector["name"]


client = RpcClient(os.environ.get("AMQP_URL", "amqp://127.0.0.1"), sys.argv[1])
for file, check in (("client.json", try_client), ("server.json", try_server)):
    vectors = json.loads((VECTORS / file).read_text())
    for vector in vectors:
        check(client, vector)
    print(f"{file}: {len(vectors)} vectors hold")
