"""Do damaged files end as fingerprints or as refusals? A few of those that `make fuzz` takes by the thousand."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bench.fuzz import cases, run
from bench.hostile_audio import damaged, originals


async def test_damaged_audio_is_heard_or_refused_and_leaves_nothing_behind(tmp_path: Path) -> None:
    report = await run(cases(seed=6, numbers=range(16)), workers=2, seed=6, keep=tmp_path / "kept")

    assert report.cases == 16
    assert len(report.outcomes) > 2  # it is damage of many kinds
    assert report.findings == {}
    assert report.left_over == []


def test_equal_seeds_make_equal_files() -> None:
    files = list(originals().values())
    first, again, other = (damaged(files, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert first == again
    assert len({first, other, *files}) == len(files) + 2
