"""Does a process refuse to start where its settings would let strangers in, and does it keep its secrets to itself?"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from shared.runtime.exposure import refuse_exposure
from shared.runtime.settings import Settings

ROOT = Path(__file__).parents[2]
LONG = "6b1f0c57d2b94c1f9b1c"
DEV = ROOT / "deploy/k8s/overlays/dev/connections.not-for-production.env"
SOUND: dict[str, Any] = {
    "environment": "production",
    "broker_url": f"amqp://us:{LONG}@broker/tunescout",
    "tables": {"kind": "dynamodb"},
    "blobs": {"kind": "s3"},
    "public_url": "https://music.example",
}


def refusal(environment: dict[str, str] | None = None, **changed: Any) -> str:
    with pytest.raises(SystemExit) as stopped:
        refuse_exposure(Settings.model_validate(SOUND | changed), environment or {}, is_gateway=True)
    return str(stopped.value)


def test_sound_settings_are_let_in() -> None:
    refuse_exposure(Settings.model_validate(SOUND), {"AWS_SECRET_ACCESS_KEY": LONG}, is_gateway=True)


@pytest.mark.parametrize(
    ("named", "changed"),
    [
        ("TUNESCOUT_BROKER_URL", {"broker_url": f"amqp://guest:{LONG}@broker"}),
        ("TUNESCOUT_BROKER_URL", {"broker_url": "amqp://us@broker"}),
        ("TUNESCOUT_BROKER_URL", {"broker_url": "amqp://us:tunescout-broker@broker"}),
        ("TUNESCOUT_BLOBS__URL_KEY", {"blobs": {"kind": "folder"}}),
        ("TUNESCOUT_DATA_DIR", {"tables": {"kind": "sqlite"}}),
        ("TUNESCOUT_PUBLIC_URL", {"public_url": None}),
        ("TUNESCOUT_PUBLIC_URL", {"public_url": "http://music.example"}),
        ("TUNESCOUT_BLOBS__PUBLIC_ENDPOINT_URL", {"blobs": {"kind": "s3", "public_endpoint_url": "http://s3.example"}}),
        ("TUNESCOUT_TRUSTED_PROXIES", {"trusted_proxies": ["*"]}),
        ("TUNESCOUT_TRUSTED_PROXIES", {"trusted_proxies": ["10.0.0.1", "::/0"]}),
    ],
)
def test_a_weakness_is_refused_by_name(named: str, changed: dict[str, Any]) -> None:
    assert named in refusal(**changed)


@pytest.mark.parametrize("secret", ["test", "minioadmin", "rustfsadmin", "not-for-production", "x" * 11])
def test_secrets_of_examples_are_refused(secret: str) -> None:
    said = refusal({"AWS_SECRET_ACCESS_KEY": secret})

    assert "AWS_SECRET_ACCESS_KEY" in said
    assert secret not in said


def test_secrets_of_development_are_refused_in_production() -> None:
    connections = dict(line.split("=", 1) for line in DEV.read_text().splitlines())

    said = refusal(connections, broker_url=connections["TUNESCOUT_BROKER_URL"])

    assert "TUNESCOUT_BROKER_URL" in said
    assert "AWS_SECRET_ACCESS_KEY" in said


def test_secrets_that_compose_draws_are_let_in() -> None:
    drawn = subprocess.run(["sh", ROOT / "deploy/compose-env.sh"], check=True, capture_output=True, text=True).stdout
    values = dict(re.findall(r'^(\w+)="?([^"\n]+)', drawn, re.MULTILINE))
    broker_url = f"amqp://tunescout:{values['BROKER_PASSWORD']}@broker:5672/tunescout"
    settings = Settings.model_validate(SOUND | {"broker_url": broker_url, "public_url": "http://127.0.0.1:8000"})

    refuse_exposure(settings, {"AWS_SECRET_ACCESS_KEY": values["S3_SECRET_KEY"]}, is_gateway=True)


@pytest.mark.parametrize(
    ("named", "wrong"),
    [
        ("TUNESCOUT_BROKER_URL", {}),
        ("TUNESCOUT_PORT", {"TUNESCOUT_PORT": "hunter2", "TUNESCOUT_ENVIRONMENT": "local"}),
        (
            "TUNESCOUT_GATEWAY_MAX_QUERIES",
            {"TUNESCOUT_GATEWAY_MAX_QUERIES": "hunter2", "TUNESCOUT_ENVIRONMENT": "local"},
        ),
    ],
)
def test_a_process_that_refuses_to_start_tells_why_and_no_secret(
    named: str, wrong: dict[str, str], tmp_path: Path
) -> None:
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("TUNESCOUT_", "AWS_"))},
        "PYTHONPATH": str(ROOT),
        "HOME": str(tmp_path),
        "TUNESCOUT_ENVIRONMENT": "production",
        "TUNESCOUT_BROKER_URL": "amqp://guest:hunter2@broker",
        **wrong,
    }

    ended = subprocess.run(
        [sys.executable, "-m", "services", "gateway"], env=environment, capture_output=True, text=True, timeout=100
    )

    assert ended.returncode != 0
    assert named in ended.stderr
    assert "Traceback" not in ended.stderr
    assert "hunter2" not in ended.stdout + ended.stderr


def test_settings_that_are_printed_hold_no_secret() -> None:
    settings = Settings.model_validate(SOUND | {"blobs": {"url_key": LONG}})

    assert LONG not in f"{settings!r} {settings} {settings.model_dump_json()}"
