"""A server that needs pika only: python3 examples/python/server.py QUEUE"""
import json, os, sys
import pika


def count_words(text):
    return len(text.split())


def length_of(items):
    return len(items)


PROCEDURES = {"countWords": count_words, "lengthOf": length_of}


def on_request(channel, delivery, properties, body):
    try:
        kind, result = "output", PROCEDURES[properties.type](json.loads(body))
    except Exception as error:
        kind, result = "error", {"name": type(error).__name__, "message": str(error)}
    if properties.reply_to:  # a notification wants no reply
        channel.basic_publish("", properties.reply_to, json.dumps(result), pika.BasicProperties(
            type=kind, correlation_id=properties.correlation_id, content_type="application/json"))
    channel.basic_ack(delivery.delivery_tag)


url = os.environ.get("AMQP_URL", "amqp://127.0.0.1")
channel = pika.BlockingConnection(pika.URLParameters(url)).channel()
channel.confirm_delivery()  # the reply is with the broker before the request is acknowledged
channel.queue_declare(sys.argv[1], durable=True, arguments={"x-queue-type": "quorum"})
channel.basic_qos(prefetch_count=1)
channel.basic_consume(sys.argv[1], on_request)
print("serving", flush=True)
channel.start_consuming()
