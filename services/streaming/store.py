"""What does streaming keep?"""

from __future__ import annotations

from shared.storage.tables import Index, TableSpec

LISTENING = TableSpec(
    "listening",
    indexes=(Index("pending", pk="pending", sk="pending_at"), Index("due", pk="due", sk="due_at")),
    expiry="expires_at",
)
"""Everything that listening needs besides the audio. All about one song is in the partition ``song#<id>``, all of one
user in ``user#<id>``. `pending` lists items with events to publish, `due` work that is to be done at a time."""
