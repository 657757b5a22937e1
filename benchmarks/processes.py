"""What a command costs: seconds, seconds of CPU and memory, of it and of all that it starts."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_LOOK_S: Final = 0.003
_BOUND_S: Final = 120.0
# The peak memory of a child counts from the process that it is forked from: that one is kept small.
_LAUNCHER: Final = """
import os, sys, time
began = time.perf_counter()
_, status, usage = os.wait4(os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ), 0)
print(status, time.perf_counter() - began, usage.ru_utime + usage.ru_stime, usage.ru_maxrss)
"""


@dataclass(frozen=True)
class Cost:
    """What one run took.

    Attributes:
        wall_s: from start to end.
        cpu_s: user and system, of its children too.
        rss_mib: peak of its largest process.
    """

    wall_s: float
    cpu_s: float
    rss_mib: float


def cost_of(interpreter: str, command: Sequence[str], env: Mapping[str, str]) -> Cost:
    """Run a command once.

    Args:
        interpreter: a Python that starts it and waits for it, outside of what is measured.
        command: with an absolute path first.
        env: all of its environment.

    Raises:
        RuntimeError: it did not end well; with its last words.
    """
    done = subprocess.run(
        [interpreter, "-ISc", _LAUNCHER, *command], env=dict(env), capture_output=True, check=True, timeout=_BOUND_S
    )
    status, wall_s, cpu_s, rss_kib = done.stdout.split()[-4:]
    if int(status):
        raise RuntimeError(f"{command}: wait status {status.decode()}: {done.stderr.decode()[-500:]}")
    return Cost(float(wall_s), float(cpu_s), float(rss_kib) / 1024)


def peak_of_all(command: Sequence[str], env: Mapping[str, str]) -> float:
    """Run a command and return the peak of what all its processes had together, in MiB.

    Pages that they share count for each. Looked at every few milliseconds, which is not for runs whose time counts.
    """
    process = subprocess.Popen(command, env=dict(env), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    peak = 0
    while process.poll() is None:
        peak = max(peak, sum(_resident_kib(pid) for pid in _tree(process.pid)))
        time.sleep(_LOOK_S)
    return peak / 1024


def size_mib(paths: Sequence[Path]) -> float:
    """Return the size of files, and of all files below folders, in MiB."""
    files = (file for path in paths for file in ([path] if path.is_file() else path.rglob("*")))
    return sum(file.stat().st_size for file in files if file.is_file() and not file.is_symlink()) / 2**20


def _tree(pid: int) -> Iterator[int]:
    yield pid
    with suppress(OSError):
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            yield from _tree(int(child))


def _resident_kib(pid: int) -> int:
    with suppress(OSError, IndexError):
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024
    return 0
