"""What do many songs cost on Amazon's services, at list prices?

``python -m bench.costs`` prints it from what `bench.scale` has measured of a song. All prices are in one place here:
put in those of your region and day.
"""

from __future__ import annotations

import argparse
import json
import math
from dataclasses import dataclass

PRICES = {
    "DynamoDB: million units written": 0.625,
    "DynamoDB: million units read": 0.125,
    "DynamoDB: GB and month": 0.25,
    "S3: thousand PUTs": 0.005,
    "S3: thousand GETs": 0.0004,
    "S3: GB and month": 0.023,
    "EC2: hour of r7g.xlarge, 4 cores and 32 GiB": 0.2142,
}
"""US dollars, on demand, Standard classes, us-east-1, as published until 2026. They change; taxes, discounts, free
tiers and traffic to the Internet are left out. Sources: aws.amazon.com/dynamodb/pricing, /s3/pricing, /ec2/pricing."""

GB = 1e9
HOURS = 730.0
"""Hours of a month."""

MACHINE_BYTES = 26 * (1 << 30)
"""Memory of that machine that is left for the index."""

WRITES_PER_SONG = 60
"""Units that the small items of a song take from its registration to its package, with transactions and secondary
indexes counted twice: an estimate, from the writes of `services.ingest.store`."""

STORED_PER_SONG = 6_000
"""Bytes of those items."""

PACKAGED_BPS = (64 + 128 + 256) * 1_000
"""Bits per second of a package for adaptive streaming."""

SEGMENT_S = 4.0
RENDITIONS = 3


@dataclass(frozen=True, slots=True)
class Song:
    """What one song takes.

    Attributes
    ----------
    seconds : float
        Its length.
    packed_bytes : float
        Its stored fingerprint.
    index_bytes : float
        Its part of the index, in memory and on disk.
    uploaded_bytes : float
        Its audio file.
    """

    seconds: float
    packed_bytes: float
    index_bytes: float
    uploaded_bytes: float


def costs(songs: int, song: Song, replicas: int) -> dict[str, float]:
    """Return the dollars that songs cost once, when they come, and in every month after that."""
    written = math.ceil(song.packed_bytes / 1_000) + WRITES_PER_SONG
    reading = math.ceil(song.packed_bytes / 4_000)
    files = 1 + RENDITIONS * math.ceil(song.seconds / SEGMENT_S)
    package_bytes = PACKAGED_BPS / 8 * song.seconds
    machines = replicas * math.ceil(songs * song.index_bytes / MACHINE_BYTES)
    return {
        "once: DynamoDB, writing": songs * written / 1e6 * PRICES["DynamoDB: million units written"],
        "once: S3, uploads and packages": songs * files / 1e3 * PRICES["S3: thousand PUTs"],
        "month: DynamoDB, storing": songs
        * (song.packed_bytes + STORED_PER_SONG)
        / GB
        * PRICES["DynamoDB: GB and month"],
        "month: S3, uploads": songs * song.uploaded_bytes / GB * PRICES["S3: GB and month"],
        "month: S3, packages": songs * package_bytes / GB * PRICES["S3: GB and month"],
        "month: S3, snapshots": 2 * songs * song.index_bytes / GB * PRICES["S3: GB and month"],
        "month: machines of the matcher": machines * HOURS * PRICES["EC2: hour of r7g.xlarge, 4 cores and 32 GiB"],
        "each rebuild of a replica from the table": songs * reading / 1e6 * PRICES["DynamoDB: million units read"],
    }


def main() -> None:
    """Print the costs, and with ``--json`` one JSON object as the last line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--songs", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=float, default=240.0, help="length of a song")
    parser.add_argument("--packed", type=float, default=20_300.0, help="bytes of a stored fingerprint")
    parser.add_argument("--index", type=float, default=129_000.0, help="bytes of a song in the index")
    parser.add_argument("--upload", type=float, default=5_760_000.0, help="bytes of an audio file: 192 kbps")
    parser.add_argument("--replicas", type=int, default=2, help="of every shard")
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    arguments = parser.parse_args()
    song = Song(arguments.seconds, arguments.packed, arguments.index, arguments.upload)
    found = costs(arguments.songs, song, arguments.replicas)
    for name, dollars in found.items():
        print(f"{name:44} {dollars:12,.0f} USD")
    if arguments.json:
        print(json.dumps(found))


if __name__ == "__main__":
    main()
