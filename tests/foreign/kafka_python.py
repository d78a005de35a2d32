"""kafka-python: each codec, with keys and headers, through a group that goes on where it committed.

Usage: kafka_python.py BOOTSTRAP. Ends with status 0 if every record came back as it was sent.
"""

import sys
import time

from kafka import KafkaConsumer, KafkaProducer
from kafka.admin import KafkaAdminClient, NewTopic

COUNT = 1000
LIMIT_S = 60


def main(bootstrap):
    admin = KafkaAdminClient(bootstrap_servers=bootstrap)
    for codec in [None, "gzip", "snappy", "lz4", "zstd"]:
        topic = f"kafka-python-{codec}"
        admin.create_topics([NewTopic(topic, 2, 1)])
        produce(bootstrap, topic, codec)
        first = consume(bootstrap, topic, COUNT // 2)
        rest = consume(bootstrap, topic, COUNT - len(first))
        expected = {(b"key %d" % i, b"value %d" % i, (("n", b"%d" % i),)) for i in range(COUNT)}
        assert len(first) + len(rest) == COUNT, (codec, len(first), len(rest))
        assert set(first + rest) == expected, codec
    admin.delete_topics([topic])
    admin.close()


def produce(bootstrap, topic, codec):
    producer = KafkaProducer(bootstrap_servers=bootstrap, compression_type=codec, acks="all", linger_ms=5)
    sent = [
        producer.send(topic, key=b"key %d" % i, value=b"value %d" % i, headers=[("n", b"%d" % i)])
        for i in range(COUNT)
    ]
    for future in sent:
        future.get(timeout=LIMIT_S)
    producer.close()


def consume(bootstrap, topic, count):
    """At least `count` records; commits exactly what it returns, and leaves the group."""
    consumer = KafkaConsumer(
        topic,
        bootstrap_servers=bootstrap,
        group_id=topic,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
    records = []
    deadline = time.monotonic() + LIMIT_S
    while len(records) < count:
        assert time.monotonic() < deadline, f"{len(records)} of {count} records of {topic} in time"
        for batch in consumer.poll(timeout_ms=1000, max_records=100).values():
            records += [(record.key, record.value, tuple(record.headers)) for record in batch]
    consumer.commit()
    consumer.close(autocommit=False)
    return records


main(sys.argv[1])
