"""How is the fingerprint service put together?"""

from __future__ import annotations

from services.fingerprint.handlers import subscriptions
from services.fingerprint.service import FingerprintService
from services.fingerprint.settings import FingerprintSettings
from shared.runtime.app import Runtime, ServiceApp
from shared.storage.fingerprints import FINGERPRINTS, FingerprintStore


def build(runtime: Runtime) -> ServiceApp:
    """Wire the fingerprint service."""
    settings = FingerprintSettings()
    store = FingerprintStore(runtime.table(FINGERPRINTS))
    service = FingerprintService(store, runtime.blobs, runtime.bus, settings)
    return ServiceApp(
        "fingerprint",
        subscriptions=subscriptions(service, settings),
        start=service.warm_up,
        background=[service.keep_warm],
    )
