"""Which bus, tables and blobs do the settings choose?"""

from __future__ import annotations

import secrets
import socket
from pathlib import Path

from shared.messaging.bus import EventBus
from shared.messaging.memory import MemoryBus
from shared.messaging.rabbit import RabbitBus
from shared.runtime.private_file import write_private
from shared.runtime.settings import Settings
from shared.storage.blobs import BlobStore
from shared.storage.dynamodb import DynamoTable
from shared.storage.files import FolderStore
from shared.storage.s3 import S3Store
from shared.storage.sqlite import SqliteTable
from shared.storage.tables import Table, TableSpec

KEY_BYTES = 32


def event_bus(settings: Settings, service: str, replica: str | None = None) -> EventBus:
    """Return RabbitMQ where its address is set, else the bus in memory with its journal in the data folder."""
    if settings.broker_url is not None:
        return RabbitBus(
            settings.broker_url.get_secret_value(),
            service=service,
            replica=replica or socket.gethostname(),
            graceful_stop_s=settings.graceful_stop_s,
        )
    settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)  # accounts and audio are nobody else's business
    return MemoryBus(settings.data_dir / "events.sqlite", graceful_stop_s=settings.graceful_stop_s)


def table(settings: Settings, spec: TableSpec) -> Table:
    """Return a table of DynamoDB, or of the SQLite file in the data folder."""
    if settings.tables.kind == "dynamodb":
        return DynamoTable(settings.tables, spec)
    return SqliteTable(settings.data_dir / "tables.sqlite", spec)


def blob_store(settings: Settings) -> BlobStore:
    """Return the S3 bucket, or the folder in the data folder."""
    if settings.blobs.kind == "s3":
        origins = [*settings.page_origins(), *settings.blobs.cors_origins]
        return S3Store(settings.blobs.model_copy(update={"cors_origins": origins}))
    configured = settings.blobs.url_key
    secret = _secret(settings.data_dir / "blob-key") if configured is None else configured.get_secret_value().encode()
    return FolderStore(settings.data_dir / "audio", base_url=settings.public_base(), secret=secret)


def _secret(path: Path) -> bytes:
    # Kept, so that signed URLs outlive a restart.
    if not path.exists():
        write_private(path, secrets.token_bytes(KEY_BYTES))
    return path.read_bytes()
