"""Which numbers decide what a landmark is, and when a song may be named?

Landmarks are derived from stored peaks, so these may change at any time: the index is rebuilt from the peaks.
"""

from __future__ import annotations

from dataclasses import dataclass

# --- Landmarks: pairs of peaks ----------------------------------------------------------------------------------------

SHORTEST_GAP = 20
"""Fewest frames between the two peaks of a landmark (0.32 s). Pairs far apart are more different from each other than
neighbours are: gaps of 20 to 100 frames find as many songs as gaps of 2 to 30, and read 40 % of the postings."""

LONGEST_GAP = 100
"""Most frames between the two peaks of a landmark (1.6 s). Seven bits, and room for a probe on either side."""

WIDEST_LEAP = 127
"""Most bins between the two peaks of a landmark (1 kHz), upwards or downwards. Eight bits."""

SONG_FAN_OUT = 3
"""Landmarks an anchor peak begins in a song, with the loudest targets: loud peaks survive. Of 100 noisy clips, 5 more
have their song among the candidates than with the nearest targets."""

ALONE_BINS = 8
"""A peak of a clip forms landmarks where no louder one is this many bins near, as it would have to be in a song."""

ALONE_FRAMES = 4
"""... or this many frames."""

ANCHORS_FRAMES = 32
"""Frames of a clip that share one quota of landmark peaks (0.512 s)."""

# --- Candidates: which places deserve a close look --------------------------------------------------------------------

BIN_FRAMES = 4
"""Frames per bin of the first, coarse histogram of offsets (64 ms); two neighbouring bins count together."""

PLACES_PER_SONG = 3
"""Places of one song that can be candidates: music repeats itself, and noise decides which refrain comes first."""

COMMON_SHARE = 500
"""A landmark with more than one of this many postings of the index is too common to tell anything."""


@dataclass(frozen=True, slots=True)
class Effort:
    """How much of a clip is looked up.

    Attributes
    ----------
    anchors : int
        Peaks that form landmarks per `ANCHORS_FRAMES`.
    fan_out : int
        Landmarks an anchor begins: the song's three may be hidden behind peaks of noise.
    postings : int
        Postings of one segment that are read, of the rarest landmarks first.
    candidates : int
        Places that are looked at closely.
    """

    anchors: int
    fan_out: int
    postings: int
    candidates: int


QUICK = Effort(anchors=24, fan_out=12, postings=200_000, candidates=32)
"""Enough for a clear clip: nine of ten clips of 10 s with noise as loud as the music."""

THOROUGH = Effort(anchors=60, fan_out=20, postings=1_200_000, candidates=128)
"""For a clip of which the quick look made nothing sure. Of 288 clips of 3 s in a crowd as loud as the music and in
rooms, 87 % have their place among the candidates; with 40 anchors and a fan-out of 12 they are 84 %."""

LEAST_BUDGET = 8
"""The smallest segment is read with this part of the budget of the largest, however small it is."""

MOST_CLIP_FRAMES = 32_768
"""Frames of a clip that are searched (8.7 min): a bin of the coarse histogram has to fit into 15 bits."""

# --- Scores: is it chance? --------------------------------------------------------------------------------------------

KEPT_FRAMES = (0.446, 0.213, 0.064)
"""Probability that a peak which a clip has kept lies 0, 1 or 2 frames later than in the song, or as many earlier."""

KEPT_STEPS = (0.49, 0.185, 0.05, 0.02)
"""Probability that it lies 0, 1, 2 or 3 quarter bins higher, or as many lower. Both were measured with 511 clips in
noise as loud as the music and in rooms."""

LOUDEST_KEPT = 0.5
"""How much likelier the loudest peaks of half a second are kept than the softest ones: ``exp(LOUDEST_KEPT)`` times."""

MOST_SHARE = 0.97
"""Share of its peaks, of any loudness, that a song in a clip is expected to keep at most."""

COMMON_CHANCE = 0.2
"""Weight of the mean of all frequencies in the chance at each: what was not heard in a short clip may still come."""

WAY_PRIOR = 0.3
"""The same for how peaks lie beside each other by chance."""

LEAST_PART = 0.02
"""Share of the peaks heard by chance that is granted to every way of lying beside each other."""

LEAST_CHANCE = 0.001
"""Chance that is granted to a frequency at which the clip has no peak."""

MOST_CHANCE = 0.5
"""Chance at a frequency where the clip always has a peak: its song may have more there than other music."""

LEAST_EXPECTED = 0.05
"""Chance hits that every whole-song comparison is granted: a song with hardly any must not win by a division by
nothing."""

ANSWER_SCORE = 20.5
"""Nats that name a song in a library of one. Every other song is one more chance to be wrong, so the threshold grows
by the logarithm of their number. Measured with 288 songs and 624 clips of 74 unknown ones, in noise, in rooms and off
speed: 0.5 % reached it, two of these three of a song that shares its sounds with the one named."""

# --- Off-speed search -------------------------------------------------------------------------------------------------

FASTEST_SPEED = 0.06
"""Largest change of speed, tempo and pitch together, that is searched: turntables and disc jockeys."""

FASTEST_TEMPO = 0.08
"""Largest change of tempo alone that is searched."""

HIGHEST_PITCH = 0.09
"""Largest change of pitch alone that is searched: 1.5 semitones."""

SPEED_STEP = 0.01
"""Steps of the searched speeds and pitches: half a step moves a peak at 1 kHz by half a bin."""

TEMPO_STEP = 0.016
"""Steps of the searched tempos: half a step moves the far end of a landmark by half a frame."""

WARPED_ANCHORS = 16
"""Landmark peaks per `ANCHORS_FRAMES` of a warped clip: many warps have to be looked up in little time."""

WARPED_FAN_OUT = 6
"""Landmarks an anchor peak begins in a warped clip."""

WARPED_POSTINGS = 10_000
"""Postings of one segment that are read for one warp, of the rarest landmarks first."""

WARPED_CANDIDATES_EACH = 6
"""Places that one warp can propose."""

WARPED_CANDIDATES = 24
"""Places in all warps together that are looked at closely."""

POLISH_STEPS = (0.004, 0.002, 0.001)
"""Steps in which the speed and pitch of the best place are refined. The last one is 10 ms in a clip of 10 s."""

POLISHED = 2
"""Places with most landmarks at other speeds that are refined, whatever their score: half a step beside its speed all
peaks above 1 kHz are missed, and a place that reaches 500 nats has been seen below 0."""

POLISH_MARGIN = 10.0
"""Nats below the threshold down to which the best place of all is refined."""

POLISH_GAIN = 20.0
"""Nats above the threshold that make a place an answer which was none before it was refined. Of 260 clips of unknown
songs, refined places came 13 nats above it; right ones reach hundreds."""

BRIEF_SPREAD = 0.24
"""Standard deviation of the times at which a song is heard, as a share of the clip's length, below which the clip is
tried at other speeds. Times all over a clip have 0.29; 2 % of speed leaves 0.1, and what chance hears all over it."""

UNSURE_MARGIN = 20.0
"""Nats above the threshold up to which a clip is searched at other speeds: 1 % off, a refrain may fit better by chance
than the right place does."""

SURE_SCORE = 300.0
"""Nats beyond which a place is not tried at other speeds, if it is heard all over the clip. 10 s that are 2 % fast or
slow reach 190 at the straight speed, and 900 at their own."""

WARPED_PENALTY = 6.0
"""Nats that a place at another speed loses: so many more places were there for chance to find."""
