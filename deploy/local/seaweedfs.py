"""How does an S3 that checks signatures run here? SeaweedFS, whose one program is in a wheel."""

from __future__ import annotations

import shutil
import sysconfig
from contextlib import suppress
from pathlib import Path

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from deploy.local.ports import TWIN_OFFSET, free_block, is_listening
from deploy.local.process import Process, StartFailed

_PORTS = 5
_OWN_BUCKET = "readiness"


class SeaweedFS:
    """An S3 endpoint with one pair of credentials. What it acknowledged outlives `stop` and `kill`.

    Parameters
    ----------
    folder : Path
        For data and log.
    access_key, secret_key : str
        The credentials that may do everything.
    base_port : int or None
        First of five ports, whose gRPC twins lie 10,000 above; S3 is on this one. None takes free ones.
    """

    def __init__(self, folder: Path, access_key: str, secret_key: str, base_port: int | None = None) -> None:
        s3_port = base_port or free_block(_PORTS)
        master_port, volume_port, filer_port, admin_port = range(s3_port + 1, s3_port + _PORTS)
        self._ports = range(s3_port, s3_port + _PORTS)
        self._folder = folder
        self.endpoint = f"http://127.0.0.1:{s3_port}"
        self._access_key, self._secret_key = access_key, secret_key
        options = {
            "dir": folder / "data",
            "ip": "127.0.0.1",
            "ip.bind": "127.0.0.1",
            "s3.port": s3_port,
            "s3.port.iceberg": 0,
            "s3.port.lance": 0,
            "master.port": master_port,
            "master.telemetry": "false",
            "volume.port": volume_port,
            "volume.preStopSeconds": 0,
            "filer.port": filer_port,
            "admin.port": admin_port,
            "admin.ui": "false",
            "webdav": "false",
            "bucket": _OWN_BUCKET,
        }
        self._process = Process(
            "seaweedfs",
            [program("weed"), "mini", *(f"-{name}={value}" for name, value in options.items())],
            folder,
            is_ready=self._takes_a_blob,
            environment={
                "AWS_ACCESS_KEY_ID": access_key,
                "AWS_SECRET_ACCESS_KEY": secret_key,
                # Without a limit it keeps 800 MB after a test with large blobs.
                "GOMEMLIMIT": "256MiB",
                # Its own log files go to the temporary folder.
                "TMPDIR": str(folder),
            },
        )

    @property
    def processes(self) -> list[Process]:
        """The one process."""
        return [self._process]

    def start(self) -> None:
        """Start the server and wait until it takes blobs."""
        self._remove_sockets()
        self._process.start()

    def stop(self) -> None:
        """Shut the server down in order; it loses nothing when that takes too long and it is killed."""
        self._process.stop()
        self._remove_sockets()

    def kill(self) -> None:
        """End the server as a power cut would."""
        self._process.kill()
        self._remove_sockets()

    def _takes_a_blob(self) -> bool:
        # The port is open, and buckets are listed, seconds before a blob can be stored.
        if not is_listening(self._ports[0]):
            return False
        client = boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            region_name="us-east-1",
            aws_access_key_id=self._access_key,
            aws_secret_access_key=self._secret_key,
            config=Config(connect_timeout=1, read_timeout=6, retries={"total_max_attempts": 1}),
        )
        try:
            client.put_object(Bucket=_OWN_BUCKET, Key="ready", Body=b"ready")
            client.delete_object(Bucket=_OWN_BUCKET, Key="ready")
        except (BotoCoreError, ClientError):
            return False
        finally:
            client.close()
        return True

    def _remove_sockets(self) -> None:
        # It names them after its ports, in /tmp whatever the temporary folder is, and a killed one leaves them behind.
        for port in (*self._ports, *(port + TWIN_OFFSET for port in self._ports)):
            for path in Path("/tmp").glob(f"seaweedfs-*-{port}.sock"):  # nosec B108
                with suppress(OSError):
                    path.unlink()


def program(name: str) -> Path:
    """Return a program that a wheel has installed beside this Python.

    Raises
    ------
    StartFailed
        It is not installed.
    """
    found = shutil.which(name, path=sysconfig.get_path("scripts")) or shutil.which(name)
    if found is None:
        raise StartFailed(f"`{name}` is not installed: run `make setup-dev`")
    return Path(found)
