"""RabbitMQ's tutorial 6 in Python, with the orders of orders.js: pika_side.py ROLE URL QUEUE DURABILITY."""

import json
import sys
import time
import uuid

import pika

role, url, queue, durability = sys.argv[1:]
connection = pika.BlockingConnection(pika.URLParameters(url))
channel = connection.channel()


def serve():
    channel.queue_declare(queue=queue, durable=durability == "durable")
    channel.basic_qos(prefetch_count=1)
    channel.basic_consume(queue=queue, on_message_callback=on_request)
    print("ready", flush=True)
    channel.start_consuming()


def on_request(ch, method, props, body):
    response = json.loads(body)
    ch.basic_publish(
        exchange="",
        routing_key=props.reply_to,
        properties=pika.BasicProperties(correlation_id=props.correlation_id),
        body=json.dumps(response),
    )
    ch.basic_ack(delivery_tag=method.delivery_tag)


class RpcClient:
    def __init__(self):
        result = channel.queue_declare(queue="", exclusive=True)
        self.callback_queue = result.method.queue
        channel.basic_consume(
            queue=self.callback_queue,
            on_message_callback=self.on_response,
            auto_ack=True,
        )

    def on_response(self, ch, method, props, body):
        if self.corr_id == props.correlation_id:
            self.response = json.loads(body)

    def call(self, request):
        self.response = None
        self.corr_id = str(uuid.uuid4())
        channel.basic_publish(
            exchange="",
            routing_key=queue,
            properties=pika.BasicProperties(
                reply_to=self.callback_queue,
                correlation_id=self.corr_id,
            ),
            body=json.dumps(request),
        )
        while self.response is None:
            connection.process_data_events(time_limit=None)
        return self.response


def obey_orders():
    client = RpcClient()
    print("ready", flush=True)
    for line in sys.stdin:
        count = json.loads(line)["count"]
        durations = []
        started_at = time.perf_counter()
        for number in range(count):
            call_at = time.perf_counter()
            client.call({"text": "a short text", "number": number})
            durations.append((time.perf_counter() - call_at) * 1000)
        seconds = time.perf_counter() - started_at
        durations.sort()
        at = {name: durations[max(0, -(-count * percent // 100) - 1)]
              for name, percent in (("p50", 50), ("p90", 90), ("p99", 99), ("max", 100))}
        print(json.dumps({"perSecond": count / seconds, **at}), flush=True)


serve() if role == "server" else obey_orders()
