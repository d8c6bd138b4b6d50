"""Which numbers decide what a peak is?

Changing any of them, or of the spectrogram's in `shared.fingerprint`, makes new fingerprints incomparable with stored
ones: change `shared.fingerprint.ALGORITHM` with them.
"""

from __future__ import annotations

LOWEST_BIN = 20
"""First bin where peaks are looked for (156 Hz). Below lie hum, rumble, and what small loudspeakers leave out."""

HIGHEST_BIN = 499
"""Last bin where peaks are looked for (3.9 kHz): above, resampling filters differ between decoders."""

REACH_BINS = 12
"""A peak is the loudest of this many bins on either side (94 Hz)."""

REACH_FRAMES = 7
"""A peak is the loudest of this many frames on either side (112 ms)."""

QUOTA_FRAMES = 32
"""Frames that share one quota of peaks (0.512 s): loud and quiet passages are remembered equally well."""

SONG_QUOTA = 15
"""Peaks kept of a song per quota span (29 a second): denser gains little and costs memory for ever."""

CLIP_QUOTA = 30
"""Peaks kept of a clip per quota span (59 a second): noise adds peaks, and the true ones must still be among them."""

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

BLOCK_FRAMES = 1_024
"""Frames analysed at once (16 s): the block and its spectra stay in the cache, however long the recording is."""
