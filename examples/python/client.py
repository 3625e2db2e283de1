"""A client that needs pika only: python3 examples/python/client.py QUEUE PROCEDURE JSON"""
import json, os, sys, time, uuid
import pika


class RpcError(Exception):
    """What a handler has thrown, or why there is no output: look at its code."""

    def __init__(self, error):
        super().__init__(error.get("message", ""))
        self.code = error.get("code", "handler-error")


class RpcClient:
    def __init__(self, url, queue):
        self.connection = pika.BlockingConnection(pika.URLParameters(url))
        self.channel = self.connection.channel()
        self.channel.confirm_delivery()
        self.queue, self.replies = queue, {}
        self.reply_queue = self.channel.queue_declare(queue="", exclusive=True).method.queue
        self.channel.basic_consume(self.reply_queue, self.take, auto_ack=True)

    def call(self, procedure, value, seconds=10):
        call_id, deadline = str(uuid.uuid4()), time.time() + seconds
        self.replies[call_id] = None
        self.channel.basic_publish("", self.queue, json.dumps(value), pika.BasicProperties(
            type=procedure, correlation_id=call_id, reply_to=self.reply_queue,
            content_type="application/json", delivery_mode=2, expiration=str(seconds * 1000),
            headers={"rpc-deadline": int(deadline * 1000)}), mandatory=True)
        while self.replies[call_id] is None and time.time() < deadline:
            self.connection.process_data_events(time_limit=deadline - time.time())
        return self.output(call_id)

    def take(self, _channel, _delivery, properties, body):
        call_id = properties.correlation_id
        # Drops what belongs to no call, second replies, and messages of later versions.
        if self.replies.get(call_id, "") is None and not (properties.type or "").startswith("rpc."):
            self.replies[call_id] = (properties.type, properties.content_type, body)

    def output(self, call_id):
        kind, content_type, body = self.replies.pop(call_id) or (None, None, None)
        if body is None:
            raise RpcError({"code": "timeout"})
        try:
            value = body if content_type == "application/octet-stream" else json.loads(body)
        except ValueError:
            raise RpcError({"code": "undecodable"})
        if kind == "error":
            raise RpcError(value)
        return value


if __name__ == "__main__":
    queue, procedure, value = sys.argv[1:]
    try:
        client = RpcClient(os.environ.get("AMQP_URL", "amqp://127.0.0.1"), queue)
        print(client.call(procedure, json.loads(value)))
    except RpcError as error:
        sys.exit(f"{error.code}: {error}")
