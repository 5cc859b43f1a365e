"""aiokafka (asyncio) against a broker: see common.py."""

import asyncio

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from common import CODECS, TOTAL, arguments, finish, records


async def main():
    bootstrap, topic = arguments()
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic(topic, 1, 1)])
    await admin.close()

    for codec in CODECS:
        producer = AIOKafkaProducer(
            bootstrap_servers=bootstrap, compression_type=None if codec == "none" else codec, acks="all", linger_ms=50
        )
        await producer.start()
        for key, value in records(codec):
            await producer.send(topic, value, key, partition=0, headers=[("client", b"python")])
        await producer.stop()

    partition = TopicPartition(topic, 0)
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, group_id=None, enable_auto_commit=False)
    await consumer.start()
    consumer.assign([partition])
    consumer.seek(partition, 0)
    read = []
    async with asyncio.timeout(30):
        while len(read) < TOTAL:
            message = await consumer.getone()
            read.append((message.offset, message.key, message.value, list(message.headers)))
    assert await consumer.end_offsets([partition]) == {partition: TOTAL}
    await consumer.stop()
    finish(read)


asyncio.run(main())
