"""librdkafka that believes to talk to an old broker, so that it fetches and produces as clients of that age did.

Usage: old_fetch.py BOOTSTRAP COUNT TOPIC... Reads COUNT records "key n", "value n" of each topic from broker versions 0.9
and 0.10, then produces as many more to the last one and reads them too. Ends with status 0 if all are there, in order.
"""

import sys
import time

from confluent_kafka import Consumer, Producer, TopicPartition

LIMIT_S = 60


def main(bootstrap, count, topics):
    for version in ["0.9.0.1", "0.10.0.1"]:
        old = {"bootstrap.servers": bootstrap, "api.version.request": False, "broker.version.fallback": version}
        for topic in topics:
            check(consume(old, topic, count), count, (version, topic))
    producer = Producer({**old, "compression.type": "lz4"})
    for n in range(count, 2 * count):
        producer.produce(topics[-1], key="key %d" % n, value="value %d" % n, partition=0)
    assert producer.flush(LIMIT_S) == 0
    check(consume(old, topics[-1], 2 * count), 2 * count, "produced as 0.10")


def consume(old, topic, count):
    consumer = Consumer({**old, "group.id": "unused", "fetch.message.max.bytes": 20000, "enable.auto.commit": False})
    consumer.assign([TopicPartition(topic, 0, 0)])
    records = []
    deadline = time.monotonic() + LIMIT_S
    while len(records) < count:
        assert time.monotonic() < deadline, f"{len(records)} of {count} records of {topic} in time"
        for message in consumer.consume(500, timeout=0.5):
            assert message.error() is None, (topic, message.error())
            records.append((message.offset(), message.key(), message.value()))
    consumer.close()
    return records


def check(records, count, what):
    assert records == [(n, b"key %d" % n, b"value %d" % n) for n in range(count)], (what, records[:3], len(records))


main(sys.argv[1], int(sys.argv[2]), sys.argv[3:])
