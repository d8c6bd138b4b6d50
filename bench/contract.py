"""Does the running service answer as its OpenAPI document says, whatever it is asked?

``python -m bench.contract --server one`` starts the service, makes accounts, songs and all else that has an id, and has
Schemathesis make up requests from ``/openapi.json``: some right, some wrong, some that follow each other. Every answer
must be documented, none a failure of ours, and nothing invalid may be accepted. It asks as an admin, then as a
contributor.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import httpx

from bench.contract_world import PASSWORD, ROLES, Role, World, made
from deploy.local.cache import REPOSITORY
from deploy.local.one_process import OneProcess
from deploy.local.process import end_in_order_when_asked
from deploy.local.stack import Stack

PHASES = "examples,coverage,fuzzing,stateful"
MUCH = "60000"
REFUSED = ["400", "401", "403", "404", "405", "406", "409", "412", "413", "414", "415", "422", "428", "429", "431"]
"""How invalid requests may end: without 5XX, which the default lets pass, and with what says that one is too large."""
DEADLINE_S = 30
"""For each answer; a question takes ten seconds at most."""
STREAM_S = 5
"""So long a stream is read that has nothing to tell."""
SETTINGS = {
    # Else most answers would be 429. Work that takes a processor stays bounded, so that there are some.
    "TUNESCOUT_AUTH_WRONG_PASSWORDS_PER_MINUTE": MUCH,
    "TUNESCOUT_AUTH_SIGNUPS_PER_MINUTE": MUCH,
    "TUNESCOUT_GATEWAY_QUESTIONS_PER_MINUTE": MUCH,
    "TUNESCOUT_INGEST_UPLOADS_PER_MINUTE": MUCH,
    "TUNESCOUT_INGEST_QUOTA_JOBS": "none",
    "TUNESCOUT_STREAMING_PLAYS_PER_MINUTE": MUCH,
    "TUNESCOUT_STREAMING_PACKAGES_PER_MINUTE": "6",
    "TUNESCOUT_STREAMING_RENDERS_PER_MINUTE": "30",
    "TUNESCOUT_STREAMING_PACKAGE_NEW_SONGS": "false",
}
"""What the service is started with."""


@contextmanager
def one_process(folder: Path) -> Iterator[tuple[str, Path | None]]:
    """Run everything in one process; yield its URL and its data folder."""
    process = OneProcess(folder)
    process.start()
    try:
        yield process.url, process.data
    finally:
        process.kill()


@contextmanager
def stack(folder: Path) -> Iterator[tuple[str, Path | None]]:
    """Run every service as a process of its own; yield the URL of the gateway, where nobody has an account yet."""
    made = Stack(folder)
    made.start()
    try:
        yield made.url, None
    finally:
        made.kill()


SERVERS = {"one": one_process, "stack": stack}


def configuration(world: World, role: Role) -> str:
    """Return what Schemathesis is told: which values exist in this service, and what it is wrong about."""
    people, media = world.people.values(), world.media[role]
    values = {
        "songs": list(world.songs.values()),
        "renders": world.renders,
        "presets": [role, "vocal", "flat"],
        "users": [person.user_id for person in people],
        "usernames": [person.username for person in people],
        "passwords": [PASSWORD],
        "keys": [person.api_key for person in people],
        "media_songs": [media["song_id"]],
        "packages": [media["package_id"]],
        "grants": [media["grant"]],
        "manifests": ["master.m3u8", "64k.m3u8", "128k.m3u8", "manifest.mpd"],
        "renditions": ["64k", "128k", "256k"],
        "files": ["init.mp4", "00001.m4s"],
        "beginning": [0],
    }
    bound = {
        "path.song_id": ("songs", 0.6),
        "path.render_id": ("renders", 0.6),
        "path.name": ("presets", 0.4),
        "path.user_id": ("users", 0.4),
        "body.preset": ("presets", 0.5),
        "header.last-event-id": ("beginning", 0.95),  # after another one it may be long until there is an event
    }
    of_operations = {
        "POST /v1/auth/login": {"body.username": ("usernames", 0.7), "body.password": ("passwords", 0.7)},
        "POST /v1/auth/token": {"body.api_key": ("keys", 0.5)},
        "POST /v1/auth/delete-account": {"body.password": ("passwords", 0.5)},
        "POST /v1/auth/password": {"body.old_password": ("passwords", 0.5)},
        **{
            f"GET /v1/media/{{song_id}}/{{package_id}}/{{grant}}/{rest}": {
                "path.song_id": ("media_songs", 0.9),
                "path.package_id": ("packages", 0.9),
                "path.grant": ("grants", 0.9),
                "path.manifest": ("manifests", 0.5),
                "path.rendition": ("renditions", 0.5),
                "path.file": ("files", 0.5),
            }
            for rest in ("{manifest}", "{rendition}/{file}")
        },
    }
    lines = [
        "[cache]",
        "enabled = false",
        "[phases.examples]",
        "fill-missing = true",
        "[checks.negative_data_rejection]",
        f"expected-statuses = {json.dumps(REFUSED)}",
        "[dictionaries]",
        *(f"{name}.values = {json.dumps(some)}" for name, some in values.items()),
    ]
    lines += ["[parameters]", *_bindings(bound)]
    for operation, bindings in of_operations.items():
        lines += ["[[operations]]", f"include-name = {json.dumps(operation)}", "[operations.parameters]"]
        lines += _bindings(bindings)
    # Streams of events end by themselves when there is nothing more to tell, which may be never.
    lines += ["[[operations]]", 'include-path-regex = "/events$"', "max-stream-events = 1"]
    lines += [f"request-timeout = {STREAM_S}"]
    return "\n".join(lines) + "\n"


def _bindings(bound: Mapping[str, tuple[str, float]]) -> list[str]:
    return [f'"{name}" = {{ dictionary = "{of}", probability = {share} }}' for name, (of, share) in bound.items()]


@dataclass(frozen=True, slots=True)
class Report:
    """What came of asking as one person.

    Attributes
    ----------
    operations : int
        How many were tested.
    cases : int
        Requests that were made up; those that check whether a token is needed come on top.
    failures : list of dict
        What was found: `title`, `operations`, and `count`.
    errors : list of dict
        Why something could not be tested.
    log : str
        Where Schemathesis tells the requests, so that they can be repeated.
    """

    operations: int
    cases: int
    failures: list[dict[str, Any]]
    errors: list[dict[str, Any]]
    log: str
    took_s: float


def run(world: World, role: Role, folder: Path, *, examples: int, seed: int, phases: str = PHASES) -> Report:
    """Have Schemathesis ask as somebody of this role.

    Raises
    ------
    RuntimeError
        It did not come to its end.
    """
    folder.mkdir(parents=True, exist_ok=True)
    world.save(folder / "world.json")
    (folder / "schemathesis.toml").write_text(configuration(world, role))
    said, log = folder / f"{role}.json", folder / f"{role}.log"
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(folder / "schemathesis.toml")),
        *("run", f"{world.url}/openapi.json", "--phases", phases, "--max-examples", str(examples)),
        *("--seed", str(seed), "--generation-database", "none"),
        *("--request-timeout", str(DEADLINE_S), "--suppress-health-check", "all", "--continue-on-failure"),
        *("--warnings", "off", "--no-color", "--report-json-path", str(said)),
    ]
    environment = {
        **os.environ,
        "CONTRACT_WORLD": str(folder / "world.json"),
        "CONTRACT_ROLE": role,
        "PYTHONPATH": str(REPOSITORY),
        "SCHEMATHESIS_HOOKS": "bench.contract_hooks",
    }
    began_s = time.monotonic()
    with log.open("w") as output:
        done = subprocess.run(command, env=environment, cwd=folder, stdout=output, stderr=output, check=False)
    report = json.loads(said.read_text() or "{}") if said.exists() else {}
    if not report.get("complete"):
        raise RuntimeError(f"schemathesis ended with {done.returncode}:\n{log.read_text()[-3000:]}")
    return Report(
        operations=report["operations"]["tested"],
        cases=report["test_cases"]["generated"],
        failures=report["failures"],
        errors=report["errors"],
        log=str(log),
        took_s=round(time.monotonic() - began_s, 1),
    )


def is_described(url: str) -> bool:
    """Tell whether a running service describes itself as `docs/openapi.json` does."""
    described = httpx.get(f"{url}/openapi.json", timeout=DEADLINE_S).raise_for_status().json()
    return bool(described == json.loads((REPOSITORY / "docs" / "openapi.json").read_text()))


def of_server(name: str, url: str, data_dir: Path | None, asked: argparse.Namespace) -> dict[str, Any]:
    """Ask one running service as everybody, print what is found, and return it."""
    folder = asked.folder.resolve() / name
    folder.mkdir(parents=True, exist_ok=True)
    figures: dict[str, Any] = {"is_described": is_described(url)}
    if not figures["is_described"]:
        print(f"{name}: /openapi.json is not docs/openapi.json")
    world = asyncio.run(made(url, data_dir, folder))
    for role in asked.roles:
        report = run(world, role, folder, examples=asked.examples, seed=asked.seed, phases=asked.phases)
        figures[role] = asdict(report)
        found = sum(failure["count"] for failure in report.failures)
        print(f"{name}, {role}: {report.operations} operations, {report.cases} cases, {found} failures,", end=" ")
        print(f"{len(report.errors)} errors in {report.took_s} s: {report.log}")
        for failure in (*report.failures, *report.errors):
            print(f"  {failure['title']}: {', '.join(failure.get('operations', ()))}")
    return figures


@contextmanager
def running(url: str, data_dir: Path | None) -> Iterator[tuple[str, Path | None]]:
    """Take a service that runs already."""
    yield url, data_dir


def main() -> int:
    """Return 1 where something was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--server", choices=SERVERS, nargs="+", default=list(SERVERS), help="how the service is run")
    parser.add_argument("--url", help="a running service instead, with the rate limits of SETTINGS")
    parser.add_argument("--data-dir", type=Path, help="its data folder, where it has an owner")
    parser.add_argument("--roles", choices=ROLES, nargs="+", default=list(ROLES))
    parser.add_argument("--examples", type=int, default=200, help="most examples for each operation")
    parser.add_argument("--phases", default=PHASES)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=Path, default=Path("var/contract"), help="for what Schemathesis says")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    end_in_order_when_asked()
    figures: dict[str, Any] = {}
    os.environ |= SETTINGS
    with tempfile.TemporaryDirectory(prefix="tunescout-") as temporary:
        ways = (
            {"url": running(asked.url, asked.data_dir)}
            if asked.url
            else {name: SERVERS[name](Path(temporary) / name) for name in asked.server}
        )
        for name, way in ways.items():
            with way as (url, data_dir):
                figures[name] = of_server(name, url, data_dir, asked)
    if asked.json:
        print(json.dumps(figures))
    is_clean = all(
        way["is_described"] and not any(way[role]["failures"] or way[role]["errors"] for role in asked.roles)
        for way in figures.values()
    )
    return 0 if is_clean else 1


if __name__ == "__main__":
    sys.exit(main())
