"""Which numbers decide what a peak is?

Changing any of them, or of the spectrogram's in `shared.fingerprint`, makes new fingerprints incomparable with stored
ones: change `shared.fingerprint.ALGORITHM` with them.
"""

from __future__ import annotations

LOWEST_BIN = 20
"""First bin where peaks are looked for (156 Hz). Below lie hum, rumble, and what small loudspeakers leave out."""

HIGHEST_BIN = 499
"""Last bin where peaks are looked for (3.9 kHz): above, resampling filters differ between decoders."""

REACH_BINS = 8
"""A peak of a song is the loudest of this many bins on either side (63 Hz). Reaches of 12 bins and 7 frames found 5 of
100 noisy clips less: next to every loud peak there was room for no other."""

REACH_FRAMES = 4
"""A peak of a song is the loudest of this many frames on either side (64 ms)."""

CLIP_REACH_BINS = 4
"""A peak of a clip is the loudest of this many bins on either side (31 Hz). Noise beside a peak of the song must not
hide it: reaches of 6 bins and 3 frames lost 1 of 50 noisy clips."""

CLIP_REACH_FRAMES = 2
"""A peak of a clip is the loudest of this many frames on either side (32 ms)."""

QUOTA_FRAMES = 32
"""Frames that share one quota of peaks (0.512 s): loud and quiet passages are remembered equally well."""

SONG_QUOTA = 17
"""Peaks kept of a song per quota span (33 a second): with three landmarks each these are 98 a second."""

CLIP_QUOTA = 120
"""Peaks kept of a clip per quota span (234 a second). Down to rank 80 in white noise as loud as the music, a peak of
the clip is six times likelier where the song has one than elsewhere; beyond rank 100 still three times."""

FLOOR_DB = 70.0
"""Peaks this far below the loudest one of the recording are dropped: they are coding noise or reverberation."""

SILENCE_DBFS = -70.0
"""A recording whose loudest frame stays below this root-mean-square level is silence. Dither lies at -96 to -90 dBFS,
amplifier hiss below -75; music recorded far too low still reaches -60."""

FEWEST_MOMENTS = 8
"""A recording with peaks at fewer different times is silence too, whatever its level: a click is no music."""

SHORTEST_CLIP_S = 1.0
"""Clips below this length do not hold enough landmarks to tell two songs apart."""

SHORTEST_SONG_S = 3.0
"""Songs below this length cannot be found by a clip with any certainty."""

BLOCK_FRAMES = 256
"""Frames analysed at once (4 s): a block and all that follows from it stay in the cache, however long the recording."""
