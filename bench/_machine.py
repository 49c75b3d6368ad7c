"""What the figures were measured on, without a name that says whose it is."""

from __future__ import annotations

import os
import platform
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

from vmscope._primitives import FREE_THREADED


def describe() -> dict[str, Any]:
    """Return the processor, the interpreter, the peers' versions, and how busy the machine is."""
    versions = {}
    for name in ("uvloop", "trio", "reactivex"):
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = "-"
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    return {
        "python": f"{platform.python_implementation()} {platform.python_version()}"
        + (" free-threaded" if FREE_THREADED else ""),
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "cores": os.cpu_count(),
        "load": None if load is None else round(load, 1),
        "peers": versions,
        "flags": " ".join(sys.orig_argv[1:2]) if sys.flags.optimize else "",
    }


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or "unknown"


def in_words(about: dict[str, Any]) -> str:
    """Return it as one line."""
    peers = ", ".join(f"{name} {version}" for name, version in about["peers"].items() if version != "-")
    load = "" if about["load"] is None else f", load {about['load']} at the start"
    return (
        f"{about['python']} on {about['system']}, {about['processor']}, {about['cores']} cores{load}"
        f"{'; ' + peers if peers else ''}"
    )
