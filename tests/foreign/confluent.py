"""confluent-kafka (librdkafka): each codec, with keys and headers, through a group that goes on where it committed.

Usage: confluent.py BOOTSTRAP. Ends with status 0 if every record came back as it was sent.
"""

import sys
import time

from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient, NewTopic

COUNT = 1000
LIMIT_S = 60


def main(bootstrap):
    admin = AdminClient({"bootstrap.servers": bootstrap})
    for codec in ["none", "gzip", "snappy", "lz4", "zstd"]:
        topic = f"confluent-{codec}"
        for created in admin.create_topics([NewTopic(topic, 2, 1)]).values():
            created.result(LIMIT_S)
        produce(bootstrap, topic, codec)
        first = consume(bootstrap, topic, COUNT // 2)
        rest = consume(bootstrap, topic, COUNT - len(first))
        expected = {(b"key %d" % i, b"value %d" % i, (("n", b"%d" % i),)) for i in range(COUNT)}
        assert len(first) + len(rest) == COUNT, (codec, len(first), len(rest))
        assert set(first + rest) == expected, codec
    deleted = admin.delete_topics([topic])
    deleted[topic].result(LIMIT_S)


def produce(bootstrap, topic, codec):
    failures = []
    producer = Producer({
        "bootstrap.servers": bootstrap,
        "compression.type": codec,
        "enable.idempotence": True,
        "linger.ms": 5,
    })
    for i in range(COUNT):
        producer.produce(
            topic,
            key=b"key %d" % i,
            value=b"value %d" % i,
            headers=[("n", b"%d" % i)],
            on_delivery=lambda error, message: failures.append(error) if error else None,
        )
    assert producer.flush(LIMIT_S) == 0, "not all delivered in time"
    assert not failures, failures[0]


def consume(bootstrap, topic, count):
    """At least `count` records; commits exactly what it returns, and leaves the group."""
    consumer = Consumer({
        "bootstrap.servers": bootstrap,
        "group.id": topic,
        "auto.offset.reset": "earliest",
        "enable.auto.commit": False,
    })
    consumer.subscribe([topic])
    records = []
    deadline = time.monotonic() + LIMIT_S
    while len(records) < count:
        assert time.monotonic() < deadline, f"{len(records)} of {count} records of {topic} in time"
        message = consumer.poll(1.0)
        if message is not None:
            assert message.error() is None, message.error()
            records.append((message.key(), message.value(), tuple(message.headers())))
    consumer.commit(asynchronous=False)
    consumer.close()
    return records


main(sys.argv[1])
