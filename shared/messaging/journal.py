"""What does the event bus of one process remember when the process is gone?

Which queues are bound to which events, the messages that nobody has finished, and the dead letters. One SQLite file, or
nothing but memory. Another process may list and release dead letters meanwhile.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from shared.messaging.bus import DeadLetter

BUSY_TIMEOUT_S = 5.0

_SCHEMA = """
CREATE TABLE IF NOT EXISTS bindings (
    queue TEXT NOT NULL, event TEXT NOT NULL, PRIMARY KEY (queue, event)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS messages (
    row INTEGER PRIMARY KEY AUTOINCREMENT,
    queue TEXT NOT NULL, event TEXT NOT NULL, id TEXT NOT NULL, body BLOB NOT NULL,
    deliveries INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE IF NOT EXISTS dead_letters (
    row INTEGER PRIMARY KEY AUTOINCREMENT,
    queue TEXT NOT NULL, event TEXT NOT NULL, id TEXT NOT NULL, body BLOB NOT NULL,
    deliveries INTEGER NOT NULL, reason TEXT NOT NULL, died_at TEXT NOT NULL,
    released INTEGER NOT NULL DEFAULT 0
);
"""


@dataclass(slots=True)
class Entry:
    """A message in a queue. `row` is its place in the journal, None where the queue is not kept there."""

    queue: str
    event: str
    id: str
    body: bytes
    deliveries: int = 0
    row: int | None = None


class Journal:
    """The journal. Every method blocks, and all are called from one and the same thread.

    Parameters
    ----------
    path : Path or None
        The file, made where it is missing; None keeps everything in memory.
    """

    def __init__(self, path: Path | None) -> None:
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(path or ":memory:", timeout=BUSY_TIMEOUT_S, isolation_level=None)
        # An event whose publisher was told that it is safe must survive a power cut, so every commit reaches the disk.
        self._db.executescript(f"PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; {_SCHEMA}")

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield self._db
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def bind(self, queue: str, event: str) -> None:
        """Remember that the queue gets this event."""
        self._db.execute("INSERT OR IGNORE INTO bindings VALUES (?, ?)", (queue, event))

    def bindings(self) -> list[tuple[str, str]]:
        """Return each (queue, event)."""
        return self._db.execute("SELECT queue, event FROM bindings").fetchall()

    def unfinished(self) -> list[Entry]:
        """Return the messages that nobody has finished, oldest first."""
        rows = self._db.execute("SELECT queue, event, id, body, deliveries, row FROM messages ORDER BY row")
        return [Entry(*row) for row in rows]

    def add(self, entries: Sequence[Entry]) -> None:
        """Store new messages, all or none, and give each its row."""
        with self._transaction():
            for entry in entries:
                self._add(entry)

    def _add(self, entry: Entry) -> None:
        entry.row = self._db.execute(
            "INSERT INTO messages (queue, event, id, body) VALUES (?, ?, ?, ?)",
            (entry.queue, entry.event, entry.id, entry.body),
        ).lastrowid

    def begin(self, entry: Entry) -> None:
        """Count a delivery before it starts: a message that kills the process must not come back for ever."""
        self._db.execute("UPDATE messages SET deliveries = ? WHERE row = ?", (entry.deliveries, entry.row))

    def finish(self, entry: Entry) -> None:
        """Forget a message that is done."""
        self._db.execute("DELETE FROM messages WHERE row = ?", (entry.row,))

    def bury(self, entry: Entry, reason: str) -> None:
        """Make a message a dead letter."""
        with self._transaction():
            self.finish(entry)
            self._db.execute(
                "INSERT INTO dead_letters (queue, event, id, body, deliveries, reason, died_at)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    entry.queue,
                    entry.event,
                    entry.id,
                    entry.body,
                    entry.deliveries,
                    reason,
                    datetime.now(UTC).isoformat(),
                ),
            )

    def dead_letters(self, queue: str | None, limit: int) -> list[DeadLetter]:
        """List dead letters, oldest first."""
        rows = self._db.execute(
            "SELECT id, queue, event, reason, deliveries, died_at, body FROM dead_letters"
            " WHERE released = 0 AND (?1 IS NULL OR queue = ?1) ORDER BY row LIMIT ?2",
            (queue, limit),
        )
        return [
            DeadLetter(
                id=id_,
                queue=name,
                event=event,
                reason=reason,
                deliveries=deliveries,
                died_at=datetime.fromisoformat(died_at),
                body=body,
            )
            for id_, name, event, reason, deliveries, died_at, body in rows
        ]

    def release(self, queue: str | None, limit: int) -> int:
        """Mark dead letters, oldest first, for the bus that consumes their queue to take back; return how many."""
        return self._db.execute(
            "UPDATE dead_letters SET released = 1 WHERE row IN (SELECT row FROM dead_letters"
            " WHERE released = 0 AND (?1 IS NULL OR queue = ?1) ORDER BY row LIMIT ?2)",
            (queue, limit),
        ).rowcount

    def take_released(self, queues: Sequence[str], transient: Sequence[str]) -> list[Entry]:
        """Turn released dead letters of these queues into messages, those of `transient` queues without a row."""
        names = ", ".join("?" * len(queues))
        select = (
            f"SELECT queue, event, id, body FROM dead_letters WHERE released = 1 AND queue IN ({names}) ORDER BY row"
        )
        if not self._db.execute(f"{select} LIMIT 1", queues).fetchone():
            return []  # asked twice a second, so it must not wait for a writer in another process
        with self._transaction():
            entries = [Entry(*row) for row in self._db.execute(select, queues)]
            self._db.execute(f"DELETE FROM dead_letters WHERE released = 1 AND queue IN ({names})", queues)
            for entry in entries:
                if entry.queue not in transient:
                    self._add(entry)
        return entries
