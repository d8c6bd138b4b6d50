"""How many pixels would a picture have, by what its first bytes claim and without decoding it?"""

from __future__ import annotations

_NO_FRAME_HEADERS = (0xC4, 0xC8, 0xCC)
"""Markers among those of JPEG's frame headers, C0 to CF, that are none (ITU-T T.81, table B.1)."""


def pixels(data: bytes) -> int | None:
    """Return width times height of a JPEG, PNG or WebP picture, or None where it does not say.

    Parameters
    ----------
    data : bytes
        The picture, of unknown origin.
    """
    if data.startswith(b"\xff\xd8\xff"):
        return _jpeg_pixels(data)
    if data.startswith(b"\x89PNG\r\n\x1a\n") and data[12:16] == b"IHDR" and len(data) >= 24:  # W3C PNG, 11.2.1
        return _big(data[16:20]) * _big(data[20:24]) or None
    return _webp_pixels(data[:30]) if data[:4] == b"RIFF" and data[8:12] == b"WEBP" and len(data) >= 30 else None


def _jpeg_pixels(data: bytes) -> int | None:
    """Walk along the segments to the first frame header (ITU-T T.81, B.1.1 and B.2.2)."""
    at = 2
    while at + 9 <= len(data) and data[at] == 0xFF:
        marker, length = data[at + 1], _big(data[at + 2 : at + 4])
        if 0xC0 <= marker <= 0xCF and marker not in _NO_FRAME_HEADERS:
            return _big(data[at + 5 : at + 7]) * _big(data[at + 7 : at + 9]) or None
        at += 1 if marker == 0xFF else 2 + max(length, 2)
    return None


def _webp_pixels(head: bytes) -> int | None:
    """Read the size in the first chunk (RFC 9649, 2.5 to 2.7)."""
    match head[12:16]:
        case b"VP8X":
            return (1 + _little(head[24:27])) * (1 + _little(head[27:30]))
        case b"VP8L":
            bits = _little(head[21:25])
            return (1 + (bits & 0x3FFF)) * (1 + (bits >> 14 & 0x3FFF))
        case b"VP8 ":
            return (_little(head[26:28]) & 0x3FFF) * (_little(head[28:30]) & 0x3FFF) or None
    return None


def _big(field: bytes) -> int:
    return int.from_bytes(field, "big")


def _little(field: bytes) -> int:
    return int.from_bytes(field, "little")
