"""How do we reach S3 and DynamoDB, and which of their failures pass by themselves?"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

import boto3.session
from botocore.config import Config
from botocore.exceptions import ClientError, HTTPClientError, IncompleteReadError
from botocore.exceptions import ConnectionError as ConnectFailed

from shared.errors import Unavailable

CONNECT_TIMEOUT_S = 3
ATTEMPTS = 3

_TRY_AGAIN = {
    "ConditionalRequestConflict",
    "InternalServerError",
    "LimitExceededException",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "RequestTimeout",
    "SlowDown",
    "ThrottlingError",
    "ThrottlingException",
    "TransactionInProgressException",
}


def aws_client(
    service: str,
    *,
    endpoint_url: str | None,
    region: str,
    connections: int,
    read_timeout_s: float,
    s3: Mapping[str, str] | None = None,
) -> Any:
    """Return a client with bounded waits and retries; it may be used from as many threads as it has connections."""
    config = Config(
        connect_timeout=CONNECT_TIMEOUT_S,
        read_timeout=read_timeout_s,
        retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
        max_pool_connections=connections,
        signature_version="s3v4" if service == "s3" else None,
        # Checksums beyond those that S3 demands are not understood by every store, and would end up in signed URLs.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        s3=s3,
    )
    return boto3.session.Session().client(service, endpoint_url=endpoint_url, region_name=region, config=config)


@contextlib.contextmanager
def answering(system: str) -> Iterator[None]:
    """Turn the failures that may pass by themselves into `Unavailable`; the others remain what they are."""
    try:
        yield
    except (HTTPClientError, ConnectFailed, IncompleteReadError) as error:
        raise Unavailable(f"{system} cannot be reached") from error
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] >= 500 or error_code(error) in _TRY_AGAIN:
            raise Unavailable(f"{system} answered {error_code(error)}") from error
        raise


def error_code(error: ClientError) -> str:
    """Return the name that AWS gives to a failure."""
    return str(error.response["Error"]["Code"])
