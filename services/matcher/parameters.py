"""Which numbers decide what a landmark is, and when a song may be named?

Landmarks are derived from stored peaks, so these may change at any time: the index is rebuilt from the peaks.
"""

from __future__ import annotations

# --- Landmarks: pairs of peaks ----------------------------------------------------------------------------------------

SHORTEST_GAP = 2
"""Fewest frames between the two peaks of a landmark (32 ms): nearer ones are one sound."""

LONGEST_GAP = 126
"""Most frames between the two peaks of a landmark (2.0 s). Seven bits, and room for a probe on either side."""

WIDEST_LEAP = 127
"""Most bins between the two peaks of a landmark (1 kHz), upwards or downwards. Eight bits."""

SONG_FAN_OUT = 3
"""Landmarks an anchor peak begins in a song: many peaks with few pairs find more than few peaks with many pairs."""

CLIP_FAN_OUT = 8
"""Landmarks an anchor peak begins in a clip: the song's nearest three may be hidden behind peaks of noise."""

# --- Candidates: which songs deserve a close look ---------------------------------------------------------------------

BIN_FRAMES = 4
"""Frames per bin of the first, coarse histogram of offsets (64 ms); two neighbouring bins count together."""

CANDIDATES = 32
"""Songs that are looked at closely."""

MOST_CLIP_FRAMES = 32_768
"""Frames of a clip that are searched (8.7 min): a bin of the coarse histogram has to fit into 15 bits."""

COMPARISON_SPAN = 1_875
"""Frames of a whole song that look for candidates at a time (30 s)."""

LEAST_SPAN_SCORE = 20.0
"""Nats that a known song has to reach in one span of a new song to be compared with it at length."""

# --- Scores: is it chance? --------------------------------------------------------------------------------------------

ALIGNED_FRAMES = 4
"""Width of the window of offsets that count as one alignment (64 ms): both peaks are off by up to a frame, and the
clock by a few tenths of a percent. Every frame more lets in more chance."""

LEAST_EXPECTED = 0.05
"""Chance hits that every alignment is granted: a song with hardly any hits must not win by dividing by nothing."""

ANSWER_SCORE = 19.0
"""Nats that name a song in a library of one. Every other song is one more chance to be wrong, so the threshold grows
by the logarithm of their number. Measured with 24 songs of 16 styles and 3,454 clips: none of the wrong songs
reached it."""

CONFIDENCE_BASE = -4.5
"""Logits of confidence at the threshold and without any lead. This and the two slopes were fitted to 3,454 clips of 24
songs, each with and without its song in the library."""

MARGIN_SLOPE = 0.1
"""Logits of confidence per nat above the threshold."""

LEAD_SLOPE = 0.55
"""Logits of confidence per nat before the next song."""

CLEAR_MARGIN = 40.0
"""Nats above the threshold beyond which confidence grows no more."""

CLEAR_LEAD = 20.0
"""Nats before the next song that leave no doubt which one it is."""

# --- Comparison of whole songs ----------------------------------------------------------------------------------------

MOST_DRIFT = 0.002
"""Largest difference of speed between two copies of one recording, ±0.2 %: clocks of sound cards and tape transfers."""

DRIFT_STEPS = 41
"""Speeds tried within ``±MOST_DRIFT``, the same speed among them."""

CLEARLY_MORE = 1.03
"""How many times more hits another speed must align than the speeds nearer to the same one."""

ALIGNED_REACH = 3
"""Frames on either side of the line of alignment that belong to it (48 ms)."""

SECOND_SHARE = 0.3
"""Share of the anchors of a second that must be aligned for the second to be the same. An MP3 at 64 kbit/s keeps 45 to
90 % in most seconds, an added voice or a common drum loop as loud as the rest leaves less than 30 %."""

SAME_SHARE = 0.6
"""Share of the seconds of the shorter song that must be the same for the songs to overlap at all."""

SAME_LENGTH = 0.75
"""Ratio of the common seconds' shares of two recordings, above which one is not clearly longer than the other."""
