"""Celery with its rpc backend, and the orders of orders.js: celery_side.py ROLE URL QUEUE DURABILITY."""

import json
import sys
import time

from celery import Celery
from celery.signals import worker_ready

role, url, queue, _durability = sys.argv[1:]
app = Celery("bench", broker=url.replace("amqp://", "pyamqp://"), backend="rpc://")
app.conf.update(
    task_default_queue=queue,
    task_default_delivery_mode="transient",
    result_persistent=False,
    task_serializer="json",
    worker_prefetch_multiplier=128,
    worker_redirect_stdouts=False,
)


@app.task(name="echo")
def echo(value):
    return value


def obey_orders():
    echo.delay(0).get(timeout=30)
    print("ready", flush=True)
    for line in sys.stdin:
        order = json.loads(line)
        count, in_flight = order["count"], order["inFlight"]
        durations, waiting = [], []
        started_at = time.perf_counter()
        for number in range(count):
            if len(waiting) == in_flight:
                take(waiting, durations)
            value = {"text": "a short text", "number": number}
            waiting.append((time.perf_counter(), echo.delay(value)))
        while waiting:
            take(waiting, durations)
        seconds = time.perf_counter() - started_at
        durations.sort()
        at = {name: durations[max(0, -(-count * percent // 100) - 1)]
              for name, percent in (("p50", 50), ("p90", 90), ("p99", 99), ("max", 100))}
        print(json.dumps({"perSecond": count / seconds, **at}), flush=True)


def take(waiting, durations):
    call_at, result = waiting.pop(0)
    # By default it asks twice a second.
    result.get(timeout=60, interval=0.0001)
    durations.append((time.perf_counter() - call_at) * 1000)


@worker_ready.connect
def say_ready(**_):
    print("ready", flush=True)


if role == "server":
    app.worker_main(["--quiet", "worker", "--pool=prefork", "--concurrency=2", "--loglevel=CRITICAL",
                     "--without-gossip", "--without-mingle", "--without-heartbeat"])
else:
    obey_orders()
