"""Do the committed documents say what the code says?"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from docs import generate
from services.hosting import openapi


@pytest.fixture(scope="module")
def said() -> dict[str, str]:
    return generate.documents()


@pytest.mark.parametrize(
    "name", ["asyncapi.json", "equalizer-responses.json", "events.md", "openapi.json", "settings.md"]
)
def test_a_generated_document_is_up_to_date(name: str, said: dict[str, str]) -> None:
    committed = (generate.FOLDER / name).read_text()

    assert committed == said[name], "run `make docs` and commit what it writes"


def test_the_pages_know_every_address_of_the_api() -> None:
    known = (generate.FOLDER.parent / "web" / "src" / "api" / "schema.d.ts").read_text()

    assert [path for path in openapi()["paths"] if f'"{path}"' not in known] == [], "run `npm run api` in web/"


def test_every_setting_says_what_it_is() -> None:
    silent = [
        variable.name
        for settings in generate.settings_classes()
        for variable in generate.variables(settings)
        if not variable.description
    ]

    assert silent == []


@pytest.mark.parametrize("page", sorted(generate.FOLDER.parent.glob("*.md")), ids=lambda page: page.name)
def test_a_link_to_a_file_leads_somewhere(page: Path) -> None:
    text = page.read_text()
    targets = [target.split("#")[0] for target in re.findall(r"\]\(([^)]+)\)", text) if "://" not in target]

    lost = [target for target in targets if target and not (page.parent / target).exists()]

    assert lost == []


def test_every_test_that_proves_security_exists() -> None:
    root = generate.FOLDER.parent
    named = set(re.findall(r"`(test_\w+)`", (root / "SECURITY.md").read_text()))
    tests = "".join(path.read_text() for path in (root / "tests").rglob("test_*.py"))

    assert named
    assert named <= set(re.findall(r"def (test_\w+)", tests))
