"""What the depot knows, made up from a seed: parcels with their ways, their histories and photos, and the archive."""

from __future__ import annotations

import zlib
from datetime import datetime, timedelta
from random import Random

from .model import Entry, Parcel, Stop

PIECE = 256 * 1024  # bytes of the archive that are sent at once

_FIRST = "Ada Anna Barbara Carla Daniel Edsger Elif Emil Frances Grace Ines Jakob Katherine Lena Mats Nora".split()
_LAST = "Adler Berg Costa Dahl Engel Fischer Garcia Hansen Ivanova Jansen Keller Moreau Novak Okafor Rossi".split()
_CITIES = "Antwerp Basel Bergen Bologna Bruges Cologne Ghent Graz Hamburg Krakow Lille Nantes Paris Porto Riga".split()
_HUBS = "Rotterdam Leipzig Liege Metz Milan Poznan".split()
_REACHED = {"announced": 0, "in transit": 2, "at the depot": 4, "out for delivery": 4, "delivered": 5}  # of five stops
_TODAY = datetime(2026, 11, 20, 17, 30)


class Depot:
    """All parcels. The same seed gives the same ones, on every machine.

    Args:
        seed: Any text or number.
        size: Parcels.
        archive: Bytes of the archive.
    """

    def __init__(self, seed: object = 1, size: int = 400, archive: int = 2_000_000_000) -> None:
        self.archive = archive
        self._seed = seed
        self._piece = Random(f"{seed} archive").randbytes(PIECE)
        self.parcels = {parcel.number: parcel for parcel in map(self._parcel, range(size))}

    def find(self, text: str, most: int = 40) -> list[Parcel]:
        """Return the parcels with all words of `text` in their number, recipient, city or status."""
        words = text.lower().split()
        found = [p for p in self.parcels.values() if all(word in " ".join(p).lower() for word in words)]
        return found[:most]

    def route(self, number: str) -> list[Stop]:
        parcel, random = self.parcels[number], self._random(number)
        start, *hubs = random.sample(_HUBS, 3)
        door = f"{random.choice(('Mill Lane', 'Harbour Quay', 'High Street'))} {random.randrange(1, 40)}"
        places = [start, *(f"{hub} hub" for hub in hubs), f"{parcel.city} depot", door]
        reached = _REACHED[parcel.status]
        time = _TODAY - timedelta(hours=11 * reached + random.random() * 5)
        stops = []
        for index, place in enumerate(places):
            stops.append(Stop(place, f"{time:%d %b, %H:%M}", index < reached))
            time += timedelta(hours=6 + random.random() * 5)
        return stops

    def history(self, number: str) -> list[Entry]:
        random = self._random(number)
        entries = [Entry(_TODAY.strftime("%d %b, %H:%M"), f"Asked for at the desk: {self.parcels[number].status}")]
        for stop in reversed(self.route(number)):
            if stop.reached:
                done = random.choice(("Scanned by", "Loaded by", "Sorted by"))
                entries.append(Entry(stop.time, f"{done} {random.choice(_FIRST)} in {stop.place}"))
        return entries

    def photo(self, number: str, width: int = 234, height: int = 156) -> bytes:
        """Return a picture of the parcel on a doorstep, as a PPM file."""
        random = self._random(number)
        rows = []
        for y in range(height):  # a wall that is lit from above
            light = 226 - y // 3
            rows.append(bytearray(bytes((light, light - 6, light - 18)) * width))

        def fill(x: int, y: int, wide: int, high: int, colour: tuple[int, int, int]) -> None:
            for row in rows[y : y + high]:
                row[3 * x : 3 * (x + wide)] = bytes(colour) * wide

        floor = height * 3 // 4
        fill(0, floor, width, height - floor, (150, 141, 130))
        door = random.choice(((46, 84, 96), (128, 54, 48), (58, 92, 62), (70, 70, 104)))
        fill(20, 16, 84, floor - 16, tuple(c // 2 for c in door))  # type: ignore[arg-type]
        fill(24, 20, 76, floor - 20, door)
        for panel in (28, 70):
            fill(34, panel, 56, 32, tuple(min(255, c + 18) for c in door))  # type: ignore[arg-type]
        fill(92, 64, 5, 10, (222, 196, 120))
        wide, high = random.randrange(84, 110), random.randrange(58, 76)
        left, top = random.randrange(108, 120), floor + 18 - high
        fill(left + 6, top + high, wide, 6, (118, 110, 100))
        fill(left, top, wide, high, (196, 152, 98))
        fill(left, top, wide, 8, (208, 168, 116))
        fill(left + wide // 2 - 7, top, 14, high, (224, 202, 160))
        fill(left + wide - 38, top + high - 28, 30, 20, (244, 242, 236))
        for line in range(4):
            fill(left + wide - 35, top + high - 25 + 4 * line, random.randrange(10, 24), 2, (70, 70, 70))
        return b"P6 %d %d 255\n" % (width, height) + b"".join(rows)

    def archive_piece(self, offset: int) -> bytes:
        """Return the bytes of the archive from `offset`, a piece at most."""
        start = offset % PIECE
        return self._piece[start : start + self.archive - offset]

    def archive_checksum(self, size: int) -> int:
        """Return the CRC-32 of the first `size` bytes of the archive."""
        crc = 0
        for offset in range(0, size, PIECE):
            crc = zlib.crc32(self._piece[: size - offset], crc)
        return crc

    def _parcel(self, index: int) -> Parcel:
        random = self._random(index)
        number = f"PD {4100 + index // 20} {random.randrange(1000, 9999)} {index % 20:02}"
        recipient = f"{random.choice(_FIRST)} {random.choice(_LAST)}"
        return Parcel(number, recipient, random.choice(_CITIES), random.choice(tuple(_REACHED)))

    def _random(self, what: object) -> Random:
        return Random(f"{self._seed} {what}")
