"""Two aiokafka consumers share a group's partitions, commit, and hand over when one leaves; static members come back unnoticed.

Run as: PROGRAM BOOTSTRAP TOPIC GROUP. The topic, of four partitions, is made here. Prints each partition's committed offset.
"""

import asyncio
import sys
import time

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRebalanceListener, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

bootstrap, topic, group = sys.argv[1:4]
PARTITIONS = 4
RECORDS = 10  # in each partition

seen = []


class Member(ConsumerRebalanceListener):
    """A consumer with the task that reads for it; `assigned` is what it got, time after time."""

    def __init__(self, name, group, instance=None):
        self.assigned = []
        self.consumer = AIOKafkaConsumer(
            bootstrap_servers=bootstrap,
            group_id=group,
            client_id=name,
            group_instance_id=instance,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            session_timeout_ms=30000 if instance else 6000,
            heartbeat_interval_ms=300,
            metadata_max_age_ms=1000,
        )
        self.consumer.subscribe([topic], listener=self)

    async def start(self):
        await self.consumer.start()
        self.task = asyncio.create_task(self.run())
        return self

    async def run(self):
        while True:
            messages = await self.consumer.getmany(timeout_ms=100)
            for batch in messages.values():
                seen.extend((m.partition, m.offset) for m in batch)
            if messages:
                await self.consumer.commit()

    async def stop(self):
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
        await self.consumer.stop()

    @property
    def owned(self):
        """What it has and was told of: the listener hears of an assignment a moment after it holds."""
        held = {p.partition for p in self.consumer.assignment()}
        return held if self.assigned[-1:] == [held] else set()

    async def on_partitions_revoked(self, revoked):
        pass

    async def on_partitions_assigned(self, assigned):
        self.assigned.append({p.partition for p in assigned})


async def eventually(what, done, *members):
    end = time.monotonic() + 60
    while not done():
        for member in members:
            if member.task.done():
                member.task.result()
        assert time.monotonic() < end, f"not within a minute: {what}"
        await asyncio.sleep(0.05)


async def share_and_hand_over():
    first = await Member("first", group).start()
    await eventually("one member has all", lambda: len(first.owned) == PARTITIONS, first)
    second = await Member("second", group).start()
    await eventually("two members share", lambda: len(first.owned) == len(second.owned) == 2, first, second)
    assert first.owned | second.owned == set(range(PARTITIONS))

    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all")
    await producer.start()
    for partition in range(PARTITIONS):
        for i in range(RECORDS):
            await producer.send(topic, f"{partition}-{i}".encode(), partition=partition)
    await producer.stop()
    await eventually("all records", lambda: len(seen) >= PARTITIONS * RECORDS, first, second)
    assert sorted(seen) == [(p, o) for p in range(PARTITIONS) for o in range(RECORDS)], seen
    await second.stop()
    await eventually("the one that stays has all", lambda: len(first.owned) == PARTITIONS, first)
    await first.stop()


async def static_members():
    """One goes and comes back under its name within its session: it has what it had, and the other hears nothing of it."""
    stays = await Member("stays", group + "-static", "stays").start()
    comes = await Member("comes", group + "-static", "comes").start()
    await eventually("two members share", lambda: len(stays.owned) == len(comes.owned) == 2, stays, comes)
    had, before = comes.owned, len(stays.assigned)
    await comes.stop()
    again = await Member("again", group + "-static", "comes").start()
    await eventually("what it had", lambda: again.owned == had, again, stays)
    assert again.assigned == [had], again.assigned
    assert len(stays.assigned) == before, stays.assigned
    await again.stop()
    await stays.stop()


async def main():
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic(topic, PARTITIONS, 1)])
    await admin.close()
    await share_and_hand_over()
    await static_members()
    reader = AIOKafkaConsumer(bootstrap_servers=bootstrap, group_id=group, enable_auto_commit=False)
    await reader.start()
    for partition in range(PARTITIONS):
        print(partition, await reader.committed(TopicPartition(topic, partition)))
    await reader.stop()


asyncio.run(main())
