"""What does streaming hear?"""

from __future__ import annotations

from typing import Any

from shared.messaging.bus import Subscription


def subscriptions() -> list[Subscription[Any]]:
    """Return what this service hears."""
    return []
