"""Starts the two processes of a lab: the local AWS, and the hosts."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Final

from lab import clock, processes
from lab.deployment import ACCESS_KEY_ID, SECRET_ACCESS_KEY
from lab.paths import MINISTACK, ROOT
from lab.site import METADATA_PORT, LabState, guard_address

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

AWS_LOG: Final = "local-aws.log"
# Its mounts are its own and end with it; it execs, so the process id stays.
OWN_MOUNTS: Final = ("unshare", "--mount", "--")


def can_mount(directory: Path) -> bool:
    """Whether this process may mount a disk, in a mount namespace of its own."""
    try:
        command = [*OWN_MOUNTS, "mount", "-t", "tmpfs", "probe", str(directory)]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


class Starter:
    """Starts processes and writes them down.

    Args:
        state: where they are written.
        directory: the lab's folder.
        preexec: called in each process before its program.
    """

    def __init__(self, state: LabState, directory: Path, preexec: Callable[[], None] | None) -> None:
        self._state = state
        self._directory = directory
        self._preexec = preexec

    def start_aws(self, python: Path) -> None:
        """Start the local AWS with MiniStack's Python, and an environment that has nothing of this project."""
        temporary = self._directory / "tmp"
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        environment = {
            "PATH": os.pathsep.join([str(MINISTACK / "bin"), os.environ.get("PATH", os.defpath)]),
            "HOME": str(temporary),
            "TMPDIR": str(temporary),
            "AWS_ACCESS_KEY_ID": ACCESS_KEY_ID,
            "AWS_SECRET_ACCESS_KEY": SECRET_ACCESS_KEY,
            "AUTH": str(self._state.enforce_iam).lower(),
        }
        command: list[str | Path] = [
            *(python, "-m", "local_aws", "--port", str(self._state.aws_port)),
            *("--control-port", str(self._state.control_port), "--metadata-port", str(METADATA_PORT)),
            *("--hold", guard_address(self._state.cidr), "--children", self._clock()),
        ]
        self._start("local-aws", command, environment, ROOT / "lab", AWS_LOG)

    def start_hosts(self, agent: Path) -> None:
        """Start the hosts' process."""
        command: list[str | Path] = [
            *(sys.executable, "-m", "lab.hosts", "--control", self._state.control_url),
            *("--aws", self._state.aws_endpoint, "--metadata-port", str(METADATA_PORT)),
            *("--folder", self._directory / "instances", "--agent", agent, "--etcd", self._state.etcd),
            *("--clock", self._clock(), "--etcds", json.dumps(self._state.etcds)),
            *(["--links"] if self._state.links else []),
            *(["--small-disks"] if self._state.small_disks else []),
        ]
        if self._state.small_disks:
            command[:0] = OWN_MOUNTS
        environment = {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(self._directory)}
        self._start("hosts", command, environment, ROOT, "hosts.log")

    def _clock(self) -> str:
        return json.dumps(clock.variables(self._directory) if self._state.clock_steps else {})

    def _start(
        self, name: str, command: Sequence[str | Path], environment: dict[str, str], folder: Path, log: str
    ) -> None:
        _, started = processes.start(
            command, log=self._directory / log, environment=environment, directory=folder, preexec=self._preexec
        )
        self._state.processes[name] = started
        self._state.save(self._directory)
