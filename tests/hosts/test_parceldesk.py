"""The program of examples/parceldesk under real toolkits: used, and closed in the middle of its work."""

from __future__ import annotations

import json
import pathlib
import sqlite3
import subprocess
import time
from contextlib import closing
from typing import Any

import pytest

from examples.parceldesk.depot import Depot

from .conftest import Toolkits
from .drive_parceldesk import EARLIER, FOUND, SEED

LEFT = "cancelled 3 jobs, 0 callbacks delivered"


def drive(toolkits: Toolkits, kit: str, file: pathlib.Path, *picture: str) -> dict[str, Any]:
    """Run it to its end, which waits for nobody until a time is up; what its user has seen."""
    program = toolkits.start(kit, "-m", "tests.hosts.drive_parceldesk", kit, str(file), *picture)
    assert program.stdout is not None
    seen: dict[str, Any] = {}
    rest = []
    for line in program.stdout:
        try:
            seen |= json.loads(line)
        except ValueError:
            rest.append(line.decode(errors="replace"))
        if "closing" in seen:
            break
    begin = time.monotonic()
    try:
        rest += program.communicate(timeout=30)[0].decode(errors="replace").splitlines(keepends=True)
    except subprocess.TimeoutExpired:
        program.kill()
        pytest.fail(f"something holds up the end, after {seen}: {program.communicate()[0].decode(errors='replace')}")
    print(f"from the close button to the end of the process: {time.monotonic() - begin:.2f} s")
    noise = [line for line in rest if "propagateSizeHints" not in line]  # of Qt's offscreen platform
    if program.returncode or noise:
        pytest.fail(f"exit code {program.returncode}, after {seen}: {''.join(noise)}")
    return seen


def check_file(file: pathlib.Path) -> None:
    """The file is whole, and says the truth about the archive: the download's `finally` has run."""
    with closing(sqlite3.connect(file)) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        received, state, checksum = database.execute("SELECT received, state, checksum FROM archive").fetchone()
        assert database.execute("SELECT count(*) FROM parcels").fetchone()[0] >= len(FOUND)
    assert state == "stopped"
    assert EARLIER < received < 2_000_000_000
    # the checksum of what came since, begun where the earlier run ended, is that of the archive from its beginning
    assert checksum == Depot(SEED).archive_checksum(received)


def test_the_window_under_tk(toolkits: Toolkits, screen_folder: pathlib.Path, tmp_path: pathlib.Path) -> None:
    """Type, click, look, rotate, F12, close: what is on the screen is asked of the widgets, and of the pixels."""
    file, picture = tmp_path / "desk.sqlite", tmp_path / "window.png"
    seen = drive(toolkits, "tk", file, str(screen_folder), str(picture))

    assert (seen["typed"], seen["rows"], seen["cities"]) == ("par", len(FOUND), ["Paris"])
    assert seen["asked"] == ["/parcels?q=", "/parcels?q=par"]
    assert seen["back"].endswith(LEFT)
    assert (seen["detail"], seen["hung_up"]) == (None, 3)
    assert seen["photo"] == ["Could not be loaded:", "the photo store does not answer"]
    assert seen["route"] == 10
    assert seen["history"] >= 2
    assert seen["button"] == "Stop"
    assert (seen["size"], seen["missing"]) == ([1120, 700], [])
    assert picture.read_bytes()[:4] == b"\x89PNG"
    assert (seen["rotated"], seen["gone"], seen["text"], seen["same"]) == (True, True, "par", True)
    assert seen["goes_on"] is True
    assert (seen["photos"], seen["downloads"]) == (3, 1), "nothing was loaded again for the new window"
    assert seen["jobs"] is True
    assert {"parceldesk-trace.json", "parceldesk-report.html"} <= set(seen["saved"])
    check_file(file)


@pytest.mark.parametrize("kit", ["PySide6", "PyQt6"])
def test_the_same_view_models_under_qt(toolkits: Toolkits, kit: str, tmp_path: pathlib.Path) -> None:
    file = tmp_path / "desk.sqlite"
    seen = drive(toolkits, kit, file)

    assert (seen["typed"], seen["rows"]) == ("par", len(FOUND))
    assert seen["back"].endswith(LEFT)
    assert seen["title"] == ""
    assert (seen["photo"], seen["route"], seen["button"]) == ("the photo store does not answer", 5, "Stop")
    assert (seen["rotated"], seen["text"]) == (True, "par")
    assert (seen["photos"], seen["downloads"]) == (3, 1)
    check_file(file)
