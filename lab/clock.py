"""The wall clock that the controller's function and the hosts' agents see: this machine's, and an offset."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from lab import processes

_FILE: Final = "clock"
_PROBE_S: Final = 10_000_000


def set_offset(directory: Path, seconds: float) -> None:
    """Let the clock jump: to so many seconds after (or before) this machine's.

    Args:
        directory: the lab's folder.
        seconds: 0 is right again.
    """
    fresh = directory / f".{_FILE}.{os.getpid()}"
    fresh.write_text(f"{seconds:+f}\n", encoding="ascii")
    fresh.replace(directory / _FILE)


def variables(directory: Path) -> dict[str, str]:
    """The environment of a process that sees the lab's clock; empty if this machine cannot do that.

    Args:
        directory: the lab's folder; its clock must have been set.
    """
    wheel = importlib.util.find_spec("libfaketime")
    if wheel is None or wheel.origin is None:
        return {}
    return {
        "LD_PRELOAD": str(Path(wheel.origin).parent / "vendor" / "libfaketime" / "src" / "libfaketime.so.1"),
        "FAKETIME_TIMESTAMP_FILE": str(directory / _FILE),
        "FAKETIME_CACHE_DURATION": "1",  # s; a jump is soon seen, in mid-run too, and not every call opens the file
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "NO_FAKE_STAT": "1",
    }


def tidy() -> None:
    """Remove the shared memory that processes with such an environment leave behind when they are killed."""
    for path in Path("/dev/shm").glob("*faketime_s[eh]m_*"):  # noqa: S108  # libfaketime's own place
        if not processes.is_running(int(path.name.rpartition("_")[2])):
            path.unlink(missing_ok=True)


def can_step() -> bool:
    """Whether a process of this machine can be shown another time: the wheel has a library for x86-64 with glibc."""
    with tempfile.TemporaryDirectory() as folder:
        set_offset(Path(folder), _PROBE_S)
        environment = {**os.environ, **variables(Path(folder))}
        command = [sys.executable, "-S", "-c", "import time; print(time.time())"]
        shown = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    return float(shown) > time.time() + _PROBE_S / 2
