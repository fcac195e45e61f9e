"""faststream for the benchmark: a handler that takes a model, committing what was handled."""

import asyncio
import json
import logging
import resource
import sys
import time

from faststream import AckPolicy, FastStream
from faststream.confluent import KafkaBroker
from pydantic import BaseModel

TOPIC = "bench"


class Event(BaseModel):
    id: int
    user: str
    event: str
    content: str


def cpu_ns():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return int((used.ru_utime + used.ru_stime) * 1e9)


def peak_kb():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM:"))


async def handle(brokers, messages):
    broker = KafkaBroker(brokers, logger=None)
    app = FastStream(broker, logger=None)
    handled = size = 0

    @broker.subscriber(TOPIC, group_id="bench", auto_offset_reset="earliest", ack_policy=AckPolicy.ACK_FIRST)  # its default; ACK commits record by record
    async def on_event(event: Event):
        nonlocal handled, size
        size += len(event.content)
        handled += 1
        if handled == messages:
            app.exit()

    await app.run(log_level=logging.CRITICAL)
    assert handled >= messages and size > 0, handled


def main():
    work, brokers, _partitions, messages, _codec = sys.argv[1:]
    assert work == "handle", work
    cpu, started = cpu_ns(), time.perf_counter_ns()
    asyncio.run(handle(brokers, int(messages)))
    used = {"cpu_ns": cpu_ns() - cpu, "wall_ns": time.perf_counter_ns() - started}
    print(json.dumps(used | {"peak_kb": peak_kb()}))


main()
