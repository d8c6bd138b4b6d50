"""How does a package look to a player? As playlists of HLS and as a manifest of DASH, over the same segments.

Written here and not by a muxer, which would announce nominal bit rates for real ones, stamp the time of day on every
segment, and leave out that the song is complete. All paths are relative to the manifest.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import groupby

from services.streaming.package import CONTENT_TYPE, Package, Rendition, init_name, segment_name

HLS_TYPE = "application/vnd.apple.mpegurl"
DASH_TYPE = "application/dash+xml"
MASTER = "master.m3u8"
DASH = "manifest.mpd"
FIRST_BPS = 128_000
"""Rate of the rendition that HLS lists first, and with which many players begin."""

Link = Callable[[str], str]
"""Returns the URL of a file of the package."""


def playlist_name(rendition: str) -> str:
    """Return the name of a rendition's playlist beside the master playlist."""
    return f"{rendition}.m3u8"


def master_playlist(package: Package) -> str:
    """Return the HLS playlist of all renditions (RFC 8216, 4.3.4)."""
    lines = ["#EXTM3U", "#EXT-X-VERSION:7", "#EXT-X-INDEPENDENT-SEGMENTS"]
    for rendition in sorted(package.renditions, key=lambda one: abs(one.bit_rate_bps - FIRST_BPS)):
        rates = f"BANDWIDTH={rendition.peak_bps},AVERAGE-BANDWIDTH={rendition.average_bps}"
        lines += [f'#EXT-X-STREAM-INF:{rates},CODECS="{rendition.codec}"', playlist_name(rendition.name)]
    return "\n".join(lines) + "\n"


def media_playlist(package: Package, rendition: Rendition, link: Link = str) -> str:
    """Return the HLS playlist of one rendition, which is complete (RFC 8216, 4.3.3)."""
    durations_s = [samples / package.sample_rate_hz for samples in package.segment_samples]
    lines = [
        "#EXTM3U",
        "#EXT-X-VERSION:7",
        f"#EXT-X-TARGETDURATION:{max(1, round(max(durations_s)))}",
        "#EXT-X-PLAYLIST-TYPE:VOD",
        "#EXT-X-INDEPENDENT-SEGMENTS",
        f'#EXT-X-MAP:URI="{link(init_name(rendition.name))}"',
    ]
    for number, duration_s in enumerate(durations_s, start=1):
        lines += [f"#EXTINF:{duration_s:.6f},", link(segment_name(rendition.name, number))]
    return "\n".join([*lines, "#EXT-X-ENDLIST"]) + "\n"


def dash_manifest(package: Package) -> str:
    """Return the DASH manifest of all renditions (ISO/IEC 23009-1), with one timeline for all of them."""
    longest_s = max(package.segment_samples) / package.sample_rate_hz
    timeline = "".join(
        f'<S d="{samples}" r="{sum(1 for _ in equal) - 1}"/>' for samples, equal in groupby(package.segment_samples)
    )
    representations = "\n".join(
        f'      <Representation id="{rendition.name}" bandwidth="{rendition.peak_bps}" codecs="{rendition.codec}"'
        f' audioSamplingRate="{package.sample_rate_hz}">'
        '<AudioChannelConfiguration schemeIdUri="urn:mpeg:dash:23003:3:audio_channel_configuration:2011" value="2"/>'
        "</Representation>"
        for rendition in package.renditions
    )
    return f"""\
<?xml version="1.0" encoding="utf-8"?>
<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" profiles="urn:mpeg:dash:profile:isoff-live:2011" type="static"
     mediaPresentationDuration="PT{package.duration_s:.6f}S" minBufferTime="PT4S"
     maxSegmentDuration="PT{longest_s:.6f}S">
  <Period id="0" start="PT0S">
    <AdaptationSet id="0" contentType="audio" mimeType="{CONTENT_TYPE}" segmentAlignment="true" startWithSAP="1">
      <SegmentTemplate timescale="{package.sample_rate_hz}" startNumber="1"
                       initialization="{init_name("$RepresentationID$")}" media="$RepresentationID$/$Number%05d$.m4s">
        <SegmentTimeline>{timeline}</SegmentTimeline>
      </SegmentTemplate>
{representations}
    </AdaptationSet>
  </Period>
</MPD>
"""
