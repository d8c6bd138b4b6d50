"""Are the words of other systems understood?"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bench.peers import audfprint_matches, most_alike, olaf_matches, panako_matches
from bench.systems import Answer


def test_matches_of_audfprint_are_read() -> None:
    told = """\
Sat Nov 21 2026 Analyzed #0 /clips/a 1.wav of 9.729 s to 278 hashes
Matched /clips/a 1.wav 9.7 sec 278 raw hashes as /songs/b at dawn.mp3 at   30.0 s with    98 of   102 common hashes
NOMATCH /clips/c.wav 5.0 sec 130 raw hashes
DEBUG:audfprint2:Matched /clips/d.wav 4.9 sec 120 raw hashes as /songs/e.ogg at   -0.1 s with     4 of     9
"""
    assert audfprint_matches(told) == {
        Path("/clips/a 1.wav"): Answer(Path("/songs/b at dawn.mp3"), 98.0, True, 30.0),
        Path("/clips/d.wav"): Answer(Path("/songs/e.ogg"), 4.0, False, -0.1),
    }


def test_matches_of_olaf_are_read_with_and_without_the_column_that_newer_versions_add() -> None:
    told = """\
query_index, total_queries, query_path, query_offset, match_count, query_start, query_stop, path, match_identifier, \
reference_start, reference_stop
1 ,3 ,/clips/a.flac, 0.000, 12 ,1.5 ,9.3,"/songs/b, live.ogg", 3517681762, 70.5, 78.3
1 ,3 ,/clips/a.flac, 0.000, 7 ,1.5 ,9.3, /songs/c.ogg, 3517681763, 0.5, 8.3
2, 3, c.flac, 252, 1.0, 9.5, /songs/c.ogg, 4218917231, 43.25, 51.75
3, 3, d.flac, 0, 0.00, 0.00, , 0, 0.00, 0.00
"""
    assert olaf_matches(told) == {
        Path("/clips/a.flac"): Answer(Path("/songs/b, live.ogg"), 12.0, True, 69.0),
        Path("c.flac"): Answer(Path("/songs/c.ogg"), 252.0, True, 42.25),
    }


def test_matches_of_panako_are_read_and_its_null_is_none() -> None:
    told = """\
Index; Total ; Query path;Query start (s);Query stop (s); Match path;Match id; Match start (s); Match stop (s); \
Match score; Time factor (%); Frequency factor(%); Seconds with match (%)
1 ; 2 ; /clips/a.flac ; 1.500 ; 9.000 ; /songs/b.ogg ; 19515506 ; 31.750 ; 39.250 ; 36 ; 1.000 % ; 1.000 %; 0.75
2 ; 2 ; /clips/c.flac ; 0.000 ; 0.000 ; null ; null ; -1.000 ; -1.000 ; -1 ; -1.000 % ; -1.000 %; 0.00
"""
    assert panako_matches(told) == {Path("/clips/a.flac"): Answer(Path("/songs/b.ogg"), 36.0, True, 30.25)}


def test_the_place_where_most_bits_agree_is_found_and_never_across_two_songs() -> None:
    rng = np.random.default_rng(1)
    library = rng.integers(0, 1 << 32, 500, dtype=np.uint32)
    starts = np.array([0, 200, 500])
    noisy = library[330:370] ^ np.uint32(1 << 7 | 1 << 20)
    found = most_alike(noisy, library, starts)
    assert found is not None
    assert found[0] == 330
    assert found[1] == 1 - 2 / 32
    across = most_alike(library[180:220], library, starts)
    assert across is not None
    assert across[1] < 0.65
    assert most_alike(library, library[:10], np.array([0, 10])) is None
