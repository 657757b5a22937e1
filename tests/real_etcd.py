"""Real etcd processes on loopback addresses, for tests: bounded waits, ended by their pids, data in one directory."""

from __future__ import annotations

import fcntl
import itertools
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TypeVar

from lab.processes import is_free

_T = TypeVar("_T")

CLIENT_PORT = 2379
PEER_PORT = 2380
WAIT_S = 90.0
"""For anything that etcd does by itself: forming takes 1 s, its health check 5 s, telling its name up to 7 s."""

_CACHE = Path(__file__).parents[1] / ".cache"


class NotAtHandError(Exception):
    """There is no binary of that version here; the message says so."""


def find_binary(version: str) -> Path:
    """Return etcd of a minor version, for example ``3.5``, or a release that is built from ``tools``.

    3.5 comes with the development environment, 3.4 is Debian's, 3.6 is built from ``tools/etcd-3.6``. ETCD_35 and
    ETCD_36 name others, for example the 3.5 that ``make etcd-3.5`` builds.

    Raises:
        NotAtHandError: It is not here.
    """
    candidates: dict[str, list[str | None]] = {
        "3.4": [shutil.which("etcd"), str(_CACHE / "etcd-3.4/usr/bin/etcd")],
        "3.5": [os.environ.get("ETCD_35"), f"{sys.prefix}/bin/etcd"],
        "3.5.35": [str(_CACHE / "etcd-3.5.35/etcd")],
        "3.6": [os.environ.get("ETCD_36"), str(_CACHE / "etcd-3.6/etcd")],
    }
    for candidate in candidates[version]:
        if candidate and f"{_version_of(candidate)}.".startswith(f"{version}."):
            return Path(candidate)
    if version == "3.4" and (unpacked := _unpack_debian_package()):
        return unpacked
    how = f" (make etcd-{version} builds it where Go is)" if version in {"3.5.35", "3.6"} else ""
    raise NotAtHandError(f"etcd {version} is not at hand: not run{how}")


def eventually(ask: Callable[[], _T]) -> _T:
    """Return the first true answer.

    Raises:
        AssertionError: There was none within WAIT_S.
    """
    deadline = time.monotonic() + WAIT_S
    while not (answer := ask()):
        if time.monotonic() > deadline:
            raise AssertionError(f"still {answer!r} after {WAIT_S} s")
        time.sleep(0.05)
    return answer


@dataclass
class RealEtcd:
    """Any number of members, each on a loopback address of its own.

    Args:
        binary: Of any version from 3.4.
        directory: Where data and logs go.
        flags: For every member.
        tls: Gives a member's TLS options, by name, from its own name and address. With it all URLs are https.
        plain_peers: Members whose peer URLs are http all the same.
    """

    binary: Path
    directory: Path
    flags: Sequence[str] = ()
    tls: Callable[[str, str], Mapping[str, str]] | None = None
    plain_peers: Collection[str] = ()
    _processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    _addresses: dict[str, str] = field(default_factory=dict)

    def peer_url(self, name: str) -> str:
        """Return a member's peer URL; its address is free when first asked for."""
        if name not in self._addresses:
            self._addresses[name] = _free_address()
        scheme = "http" if name in self.plain_peers else self._scheme
        return f"{scheme}://{self._addresses[name]}:{PEER_PORT}"

    def endpoint(self, name: str) -> str:
        """Return a member's client endpoint."""
        self.peer_url(name)
        return f"{self._scheme}://{self._addresses[name]}:{CLIENT_PORT}"

    @property
    def _scheme(self) -> str:
        return "https" if self.tls else "http"

    def form(self, names: Iterable[str], *, token: str = "etcd-1") -> None:  # noqa: S107 - names a cluster
        """Start a new cluster."""
        cohort = {name: self.peer_url(name) for name in names}
        for name in cohort:
            self._start(name, _initial_cluster(cohort), "new", token)

    def join(self, name: str, others: Sequence[tuple[str, str]]) -> None:
        """Start a member that was added; ``others`` are names and peer URLs of the rest."""
        members = {**dict(others), name: self.peer_url(name)}
        self._start(name, _initial_cluster(members), "existing", "etcd-1")

    def kill(self, name: str) -> None:
        """End a member as a power failure would."""
        process = self._processes.pop(name)
        process.kill()
        process.wait(WAIT_S)

    def hang(self, name: str) -> None:
        """Stop a member without ending it; done when it returns."""
        process = self._processes[name]
        process.send_signal(signal.SIGSTOP)
        # The signal stops all threads once one of them has run, and on a busy machine others may serve until then.
        eventually(lambda: _is_stopped(process.pid))

    def resume(self, name: str) -> None:
        """Let a hung member go on."""
        self._processes[name].send_signal(signal.SIGCONT)

    def is_running(self, name: str) -> bool:
        """Whether the member's process is there."""
        return name in self._processes and self._processes[name].poll() is None

    def close(self) -> None:
        """End all members, and give their addresses back."""
        for name in list(self._processes):
            self.kill(name)
        _taken.difference_update(self._addresses.values())
        self._addresses.clear()

    def wipe(self, name: str) -> None:
        """Empty a member's data directory."""
        shutil.rmtree(self.directory / f"{name}.data", ignore_errors=True)

    def _start(self, name: str, initial_cluster: str, state: str, token: str) -> None:
        peer, client = self.peer_url(name), self.endpoint(name)
        command = [
            *_die_with_parent(),
            str(self.binary),
            *("--name", name),
            *("--data-dir", str(self.directory / f"{name}.data")),
            *("--listen-peer-urls", peer),
            *("--initial-advertise-peer-urls", peer),
            *("--listen-client-urls", client),
            *("--advertise-client-urls", client),
            *("--initial-cluster", initial_cluster),
            *("--initial-cluster-state", state),
            *("--initial-cluster-token", token),
            *("--heartbeat-interval", "50"),
            *("--election-timeout", "500"),
            *self.flags,
            *self._tls_flags(name),
        ]
        with self._log(name) as log:
            self._processes[name] = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)

    def _tls_flags(self, name: str) -> Iterable[str]:
        options = self.tls(name, self._addresses[name]) if self.tls else {}
        return (f"--{option}={value}" for option, value in options.items())

    def _log(self, name: str) -> IO[bytes]:
        return (self.directory / f"{name}.log").open("ab")


def _initial_cluster(peer_urls: dict[str, str]) -> str:
    return ",".join(f"{name}={url}" for name, url in peer_urls.items())


def _die_with_parent() -> list[str]:
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "KILL"] if setpriv else []


def _is_stopped(pid: int) -> bool:
    stats = Path(f"/proc/{pid}/task").glob("*/stat")
    return all(each.read_text().rpartition(")")[2].split()[0] == "T" for each in stats)


_hosts = itertools.count(1)
_taken: set[str] = set()


def _free_address() -> str:
    """Return an address below the labs' whose etcd ports nobody listens on; the start differs between processes."""
    for number in itertools.islice(_hosts, 250):
        address = f"127.{1 + os.getpid() % 32}.{os.getpid() // 32 % 256}.{number % 250 + 1}"
        if address not in _taken and all(is_free(address, port) for port in (CLIENT_PORT, PEER_PORT)):
            _taken.add(address)
            return address
    raise NotAtHandError("no address is free")


def _version_of(binary: str) -> str:
    try:
        said = subprocess.run([binary, "--version"], capture_output=True, text=True, timeout=WAIT_S, check=False)
    except OSError:
        return ""
    return said.stdout.partition("etcd Version: ")[2].partition("\n")[0]


def _unpack_debian_package() -> Path | None:
    """Fetch and unpack etcd-server without installing it; tried once, None where apt cannot."""
    directory = _CACHE / "etcd-3.4"
    binary = directory / "usr/bin/etcd"
    _CACHE.mkdir(exist_ok=True)
    # Tests run side by side: who comes second waits for what the first one unpacks.
    with (_CACHE / "etcd-3.4.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not directory.exists() and (apt := shutil.which("apt-get")) and (dpkg := shutil.which("dpkg")):
            directory.mkdir()
            command = [apt, "download", "etcd-server"]
            subprocess.run(command, cwd=directory, capture_output=True, timeout=120, check=False)
            for package in directory.glob("*.deb"):
                subprocess.run([dpkg, "-x", str(package), str(directory)], capture_output=True, timeout=60, check=False)
    return binary if _version_of(str(binary)).startswith("3.4.") else None
