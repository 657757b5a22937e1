"""Processes that the lab starts, and stops again by the very id that it started."""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import itertools
import os
import random
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

_PR_SET_PDEATHSIG: Final = 1
_LIBC: Final = ctypes.CDLL(None, use_errno=True)
_POLL_S: Final = 0.02
_GRACE_S: Final = 3.0
# Below those of outgoing connections (/proc/sys/net/ipv4/ip_local_port_range), which come at any moment.
_PORTS: Final = range(20_000, 32_000)
# Kept until they end: who starts a process may well forget its handle.
_CHILDREN: Final[dict[int, subprocess.Popen[bytes]]] = {}


class Started(NamedTuple):
    """A process that was started; ``born`` tells it from a later one with the same id."""

    pid: int
    born: str

    @property
    def is_alive(self) -> bool:
        """Whether it still runs."""
        return _born(self.pid) == self.born


def dies_with_parent() -> None:
    """Let the kernel kill this process when the thread that started it is gone (for ``preexec_fn``)."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


@contextlib.contextmanager
def one_at_a_time(lock: Path) -> Iterator[None]:
    """Let no other process into the block that has the same lock file."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def start(
    command: Sequence[str | Path],
    *,
    log: Path,
    environment: Mapping[str, str],
    directory: Path,
    preexec: Callable[[], None] | None = None,
) -> tuple[subprocess.Popen[bytes], Started]:
    """Start a process in a session of its own, its output in a log file.

    Args:
        command: program and arguments.
        log: file to append its output to.
        environment: its whole environment.
        directory: its working directory.
        preexec: called in the child before the program.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        process = subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=dict(environment),
            cwd=directory,
            start_new_session=True,
            preexec_fn=preexec,  # noqa: PLW1509  # one system call, no locks
        )
    for pid, child in list(_CHILDREN.items()):  # other hosts' threads start and stop theirs meanwhile
        if child.poll() is not None:
            _CHILDREN.pop(pid, None)
    _CHILDREN[process.pid] = process
    return process, Started(process.pid, _born(process.pid))


def stop(started: Started, *, grace_s: float = _GRACE_S) -> None:
    """Stop a process with its group: SIGTERM, and SIGKILL for what is left after the grace time."""
    child = _CHILDREN.pop(started.pid, None)
    if started.is_alive:
        _signal_group(started.pid, signal.SIGTERM)
        deadline = time.monotonic() + grace_s
        while started.is_alive and time.monotonic() < deadline:
            time.sleep(_POLL_S)
        _signal_group(started.pid, signal.SIGKILL)
        while started.is_alive:
            time.sleep(_POLL_S)
    if child is not None:
        child.wait(grace_s)


def kill(started: Started) -> None:
    """Kill a process with its group, at once."""
    if started.is_alive:
        _signal_group(started.pid, signal.SIGKILL)
    child = _CHILDREN.pop(started.pid, None)
    if child is not None:
        child.wait(_GRACE_S)


def is_running(pid: int) -> bool:
    """Whether there is a process of that id, and no zombie."""
    return bool(_born(pid))


def free_ports(count: int) -> list[int]:
    """Free TCP ports of all addresses, all different; no outgoing connection is given one of them meanwhile."""
    candidates = random.sample(_PORTS, len(_PORTS))
    return list(itertools.islice((port for port in candidates if is_free("", port)), count))


def is_free(address: str, port: int) -> bool:
    """Whether a server could listen there."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError:
            return False
    return True


def connection(port: int) -> socket.socket:
    """A connection to a port of 127.0.0.1.

    Raises:
        OSError: nobody listens there.
    """
    return socket.create_connection(("127.0.0.1", port), timeout=1)


def tail(path: Path, lines: int = 15) -> str:
    """The last lines of a log, for a message."""
    text = path.read_text(encoding="utf-8", errors="replace") if path.exists() else "(no log)"
    return "\n".join(text.splitlines()[-lines:])


def _signal_group(pid: int, number: signal.Signals) -> None:
    try:
        os.killpg(pid, number)
    except ProcessLookupError:
        return


def _born(pid: int) -> str:
    """The start time of a process in clock ticks since boot; empty if it is gone or a zombie (proc(5))."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in "ZX" else fields[19]
