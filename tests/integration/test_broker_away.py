"""Does a service hear what it subscribed to, though the broker left while it did?"""

from __future__ import annotations

import asyncio
import re
import secrets
from functools import partial

from deploy.local.fault_proxy import Fault, FaultProxy
from shared.events import UserRegistered
from shared.messaging.bus import Subscription
from shared.messaging.rabbit import RabbitBus
from shared.runtime.app import when_available


async def test_subscription_that_was_cut_off_is_made_when_the_broker_is_back(rabbitmq_url: str) -> None:
    port = re.search(r":(\d+)/", rabbitmq_url)
    assert port is not None
    heard: asyncio.Queue[UserRegistered] = asyncio.Queue()
    subscription = Subscription(UserRegistered, heard.put, queue=f"test.{secrets.token_hex(6)}")
    async with FaultProxy(int(port[1])) as proxy:
        bus = RabbitBus(rabbitmq_url.replace(port[0], f":{proxy.port}/"), service="test", replica="a")
        await bus.connect()
        proxy.fault = Fault(is_closed=True)
        subscribing = asyncio.create_task(when_available(partial(bus.subscribe, subscription)))
        await asyncio.sleep(0.5)
        assert not subscribing.done()
        proxy.fault = Fault()
        await asyncio.wait_for(subscribing, 30)

        event = UserRegistered(user_id="ada")
        await bus.publish(event)
        assert (await asyncio.wait_for(heard.get(), 30)).id == event.id
        assert await bus.is_ready()
        await bus.close()
        assert heard.empty()
