"""What does the gateway hear?"""

from __future__ import annotations

from typing import Any

from services.gateway.service import QueryService
from shared.events import UserDeleted
from shared.messaging.bus import Subscription


def subscriptions(service: QueryService) -> list[Subscription[Any]]:
    """Return what this service hears."""
    return [Subscription(UserDeleted, service.on_user_deleted, queue="gateway.user-deleted")]
