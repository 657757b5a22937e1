"""A machine: a Debian root whose own systemd is the first process, with a network and a cgroup of its own."""

from __future__ import annotations

import contextlib
import ctypes
import itertools
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

_T = TypeVar("_T")
ROOTFS = Path(__file__).parents[2] / ".cache" / "rootfs"
WAIT_S = 120.0
_HERE = Path(__file__).parent
_PATH = "PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"
_NAMESPACES = ("--mount", "--pid", "--net", "--uts", "--ipc", "--cgroup")
_numbers = itertools.count(1)


def why_not() -> str:
    """Why no machine can be booted here; nothing if one can."""
    if os.geteuid() != 0:
        return "needs root: namespaces, mounts"
    if not ROOTFS.exists():
        return "there is no Debian root: make rootfs, which needs root and apt"
    if not shutil.which("unshare") or not shutil.which("nsenter"):
        return "needs unshare and nsenter (util-linux)"
    if not _cgroups():
        return "needs cgroup2 mounted"
    tried = subprocess.run(
        ["unshare", "--mount", "--pid", "--net", "--cgroup", "--fork", "mount", "-t", "cgroup2", "none", "/mnt"],
        capture_output=True,
        text=True,
        check=False,
    )
    return "" if tried.returncode == 0 else f"no namespaces here: {tried.stderr.strip()}"


def eventually(ask: Callable[[], _T], what: str, explain: Callable[[], str] = str) -> _T:
    """Return the first true answer.

    Raises:
        AssertionError: There was none within WAIT_S.
    """
    deadline = time.monotonic() + WAIT_S
    while not (answer := ask()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {WAIT_S} s: {what}; {explain()}")
        time.sleep(0.1)
    return answer


@dataclass
class Machine:
    """Off until :meth:`power_on`. What is written to it stays in ``folder``, as on a disk.

    Args:
        folder: of this machine alone.
        disks: files with the contents of its NVMe disks, by device name, with the model that each says it is.
    """

    folder: Path
    disks: dict[str, tuple[Path, str]] = field(default_factory=dict)
    _process: subprocess.Popen[bytes] | None = None
    _network: subprocess.Popen[bytes] | None = None
    _loops: list[str] = field(default_factory=list)
    _cgroup: Path | None = None

    @property
    def root(self) -> Path:
        """Its root directory, as seen from outside."""
        return self.folder / "root"

    def assemble(self) -> None:
        """Put its root together, and its network: loopback, IMDS's address, and the machine's own."""
        for name in ("root", "upper", "work", "disks/sys"):
            (self.folder / name).mkdir(parents=True)
        layers = f"lowerdir={ROOTFS},upperdir={self.folder}/upper,workdir={self.folder}/work"
        _do("mount", "-t", "overlay", "overlay", "-o", layers, str(self.root))
        self._network = subprocess.Popen(["unshare", "--net", "sleep", "infinity"])
        mine = Path("/proc/self/ns/net").readlink()
        eventually(lambda: self._network_of(mine), "a network namespace")
        for command in ("link set lo up", "addr add 169.254.169.254/32 dev lo", "addr add 10.0.0.4/32 dev lo"):
            _do("nsenter", f"--net={self.network}", "chroot", str(self.root), "ip", *command.split())

    def _network_of(self, mine: Path) -> bool:
        return self._network is not None and Path(self.network).readlink() != mine

    @property
    def network(self) -> str:
        """Path of its network namespace."""
        assert self._network is not None
        return f"/proc/{self._network.pid}/ns/net"

    def in_its_network(self, make: Callable[[], _T]) -> _T:
        """Do something, such as to make a listening socket, in the machine's network, and return what it made."""
        made: list[_T] = []

        def enter() -> None:
            with Path(self.network).open("rb") as namespace:
                assert ctypes.CDLL(None, use_errno=True).setns(namespace.fileno(), 0) == 0
            made.append(make())

        thread = threading.Thread(target=enter)
        thread.start()
        thread.join()
        return made[0]

    def power_on(self) -> None:
        """Boot, and wait until that is done as far as anything but etcd is concerned."""
        self._attach()
        self._cgroup = _cgroups()[0] / f"machine-{os.getpid()}-{next(_numbers)}"
        self._cgroup.mkdir()
        command = ["unshare", *(name for name in _NAMESPACES if name != "--net"), "--fork", "--kill-child"]
        boot = [*command, "sh", str(_HERE / "power_on.sh"), str(self.root), str(self.folder / "disks")]
        self._process = subprocess.Popen(
            [
                "nsenter",
                f"--net={self.network}",
                "sh",
                "-c",
                'echo $$ >"$0/cgroup.procs"; exec "$@"',
                self._cgroup,
                *boot,
            ],
            stdin=subprocess.DEVNULL,
        )
        eventually(self._is_up, "multi-user.target", lambda: self.said("list-jobs"))

    def _is_up(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, "the machine's first process has ended"
        return bool(self._first()) and self.unit_is("multi-user.target", "active")

    def cut_power(self) -> None:
        """End everything on it at once; what was synced to its disks is there at the next boot."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
        if self._cgroup is not None:
            eventually(self._is_quiet, "the end of its processes")
            _remove_cgroup(self._cgroup)
            self._cgroup = None
        for loop in self._loops:
            _do("losetup", "--detach", loop)
        self._loops.clear()

    def _is_quiet(self) -> bool:
        assert self._cgroup is not None
        return "populated 0" in (self._cgroup / "cgroup.events").read_text()

    def scrap(self) -> None:
        """Take it apart."""
        self.cut_power()
        if self._network is not None:
            self._network.kill()
            self._network.wait()
        subprocess.run(["umount", self.root], check=False)

    def _attach(self) -> None:
        folder = self.folder / "disks"
        shutil.rmtree(folder)
        (folder / "sys").mkdir(parents=True)
        for name, (image, model) in self.disks.items():
            loop = _do("losetup", "--find", "--show", str(image)).strip()
            self._loops.append(loop)
            number = os.stat(loop).st_rdev  # noqa: PTH116 - of a device
            (folder / name).write_text(f"{os.major(number)} {os.minor(number)}\n")
            shown = folder / "sys" / name
            (shown / "device").mkdir(parents=True)
            (shown / "holders").mkdir()
            # As the kernel shows it: filled up with blanks.
            (shown / "device" / "model").write_text(f"{model:40}\n")
            (shown / "size").write_text(f"{image.stat().st_size // 512}\n")

    def _first(self) -> int | None:
        """Process id, as seen from outside, of its systemd; None before there is one."""
        if self._process is None:
            return None
        with contextlib.suppress(OSError, ValueError):
            child = int(_children(self._process.pid))
            if (Path("/proc") / str(child) / "comm").read_text().strip() == "systemd":
                return child
        return None

    def run(self, *command: str, timeout_s: float = WAIT_S) -> subprocess.CompletedProcess[str]:
        """Run a command on it, as root."""
        first = self._first()
        assert first is not None, "the machine is off"
        enter = ["nsenter", f"--target={first}", *_NAMESPACES, "--root", "--wd=/", "env", "-i", _PATH]
        return subprocess.run([*enter, *command], capture_output=True, text=True, timeout=timeout_s, check=False)

    def said(self, *systemctl: str) -> str:
        """What systemctl says, or nothing while nobody answers."""
        return self.run("systemctl", "--no-pager", *systemctl).stdout if self._first() else ""

    def unit_is(self, unit: str, state: str) -> bool:
        """Whether a unit is active, failed, activating, ..."""
        return self.said("show", "--property=ActiveState", "--value", unit).strip() == state

    def journal(self, unit: str) -> str:
        """What a unit has said since the machine was switched on."""
        return self.run("journalctl", "--no-pager", "--boot", "--unit", unit, "--output=cat").stdout


def _do(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"
    return done.stdout


def _children(pid: int) -> str:
    return (Path("/proc") / str(pid) / "task" / str(pid) / "children").read_text().strip()


def _cgroups() -> list[Path]:
    lines = Path("/proc/mounts").read_text().splitlines()
    return [Path(where) for _, where, kind, *_ in (line.split() for line in lines) if kind == "cgroup2"]


def _remove_cgroup(folder: Path) -> None:
    for below in sorted(_folders(folder), reverse=True):
        below.rmdir()


def _folders(folder: Path) -> Iterator[Path]:
    return (path for path in (folder, *folder.rglob("*")) if path.is_dir())
