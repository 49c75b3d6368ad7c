"""What is on the screen of an Xvfb that was started with -fbdir: read out of its memory, written as a PNG file.

Needs nothing but Python. The file there is of xwd's format: a header of 25 numbers, a name, a palette, the lines.
"""

from __future__ import annotations

import pathlib
import struct
import zlib
from typing import NamedTuple


class Picture(NamedTuple):
    """Rows of pixels, three bytes each: red, green, blue."""

    width: int
    height: int
    rows: list[bytes]

    def colours(self) -> set[str]:
        """Return all colours in it, as #rrggbb."""
        return {f"#{row[at : at + 3].hex()}" for row in set(self.rows) for at in range(0, len(row), 3)}

    def save(self, path: pathlib.Path) -> None:
        """Write it as a PNG file; with a palette, which makes it small, where 256 colours are enough."""
        colours = sorted({row[at : at + 3] for row in set(self.rows) for at in range(0, len(row), 3)})
        if len(colours) <= 256:
            number = {colour: index for index, colour in enumerate(colours)}
            lines = [bytes(number[row[at : at + 3]] for at in range(0, len(row), 3)) for row in self.rows]
            kind, palette = 3, [(b"PLTE", b"".join(colours))]
        else:
            lines, kind, palette = self.rows, 2, []
        head = struct.pack(">IIBBBBB", self.width, self.height, 8, kind, 0, 0, 0)
        body = zlib.compress(b"".join(b"\0" + line for line in lines))
        chunks = [(b"IHDR", head), *palette, (b"IDAT", body), (b"IEND", b"")]
        path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(map(_chunk, chunks)))


def read_screen(folder: pathlib.Path, left: int, top: int, width: int, height: int) -> Picture:
    """Return a part of the screen. Whoever has drawn there has asked the server something since, and got the answer."""
    content = (folder / "Xvfb_screen0").read_bytes()
    numbers = struct.unpack(">25I", content[:100])
    header, per_pixel, per_line, colours = numbers[0], numbers[11], numbers[12], numbers[19]
    assert (per_pixel, numbers[7]) == (32, 0), "four bytes a pixel, the lowest first: blue, green, red, nothing"
    begin = header + 12 * colours
    rows = []
    for y in range(top, top + height):
        line = content[begin + y * per_line + 4 * left : begin + y * per_line + 4 * (left + width)]
        row = bytearray(3 * width)
        row[0::3], row[1::3], row[2::3] = line[2::4], line[1::4], line[0::4]
        rows.append(bytes(row))
    return Picture(width, height, rows)


def _chunk(chunk: tuple[bytes, bytes]) -> bytes:
    name, content = chunk
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
