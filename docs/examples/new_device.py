#!/usr/bin/env python3
"""Tells users of log-ins from new devices: by a line in a file, where a mailer would send.

    pip install nats-py==2.16.0
    NATS_URL=nats://audit:PASSWORD@bus:4222 python3 new_device.py mails.log

NATS_INBOX_PREFIX and NATS_API_PREFIX are what the account asks for, with deploy/nats.conf
`_INBOX_audit` and `JS.SESSIONS`. CONSUMER is the durable consumer's name, `new-device` unless set; it
is made where it is missing and this program may make it.

An event may come more than once: after a crash, and when the service has filled a lost stream again.
So each line holds the event's id, and what the file holds is not mailed again. The work and the note
that it was done are one write, which is what makes it happen once; with a database, write both in one
transaction.
"""

import asyncio
import json
import os
import sys
import uuid

import nats
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy
from nats.js.errors import NotFoundError

STREAM = "SESSIONS_EVENTS"


class Mails:
    """The file, and the ids that it holds."""

    def __init__(self, path):
        self.file = open(path, "a+b")
        self.file.seek(0)
        text = self.file.read()
        # A line without an end was cut off by a crash: it was not mailed.
        whole = text[: text.rfind(b"\n") + 1]
        self.file.truncate(len(whole))
        self.done = {line.split()[0].decode() for line in whole.splitlines()}

    def send(self, event_id, user):
        if event_id in self.done:
            return
        line = f"{event_id} to user {user}: a log-in from a new device\n"
        self.file.write(line.encode())
        self.file.flush()
        os.fsync(self.file.fileno())
        self.done.add(event_id)


def new_device(message):
    """The id of the event and the user, where it is a log-in from a new device.

    Kinds and forms that this program does not know are none of its business. What does not read as an
    event is an error: it is not believed, whoever sent it.
    """
    event = json.loads(message)
    if event["type"] != "session.opened" or event["data"]["v"] != 1 or not event["data"]["new_device"]:
        return None
    return str(uuid.UUID(event["id"])), uuid.UUID(event["data"]["user"])


async def subscribe(js, consumer):
    try:
        await js.consumer_info(STREAM, consumer)
    except NotFoundError:
        config = ConsumerConfig(
            durable_name=consumer,
            deliver_policy=DeliverPolicy.ALL,
            ack_policy=AckPolicy.EXPLICIT,
            # One at a time: nothing overtakes an event that failed.
            max_ack_pending=1,
        )
        await js.add_consumer(STREAM, config)
    return await js.pull_subscribe_bind(consumer, STREAM)


async def follow(js, consumer, mails):
    """Until something goes wrong."""
    subscription = await subscribe(js, consumer)
    while True:
        try:
            [message] = await subscription.fetch(1, timeout=5)
        except nats.errors.TimeoutError:
            continue
        try:
            found = new_device(message.data)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            # Nobody else could read it either, and it must keep no other waiting.
            print(f"not an event, dropped: {error!r}", file=sys.stderr)
            await message.term()
            continue
        if found:
            mails.send(*found)
        # After the work, never before it.
        await message.ack_sync()


async def main():
    mails = Mails(sys.argv[1])
    connection = await nats.connect(
        os.environ["NATS_URL"],
        inbox_prefix=os.environ.get("NATS_INBOX_PREFIX", "_INBOX"),
        max_reconnect_attempts=-1,
        reconnect_time_wait=0.5,
    )
    js = connection.jetstream(prefix=os.environ.get("NATS_API_PREFIX", "$JS.API"), timeout=2)
    print("listening for events", flush=True)
    while True:
        try:
            await follow(js, os.environ.get("CONSUMER", "new-device"), mails)
        except (nats.errors.Error, asyncio.TimeoutError) as error:
            # The server is away, or the stream and its consumer are: they come back.
            print(f"no events come: {error!r}", file=sys.stderr)
            await asyncio.sleep(1)


if __name__ == "__main__":
    asyncio.run(main())
