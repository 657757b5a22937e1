"""Disks of the hosts that can be full: a tmpfs each, in the mount namespace of the hosts' process."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

# Above what a host ever writes: etcd preallocates 64 MB at a time, twice; a tmpfs takes only the memory that is used.
_SIZE: Final = 1 << 30
_TRIES: Final = 20


class Disks:
    """The disks by instance."""

    def __init__(self) -> None:
        self._mounted: dict[str, Path] = {}

    def mount(self, instance_id: str, folder: Path) -> None:
        """Put an instance's disk there.

        Raises:
            subprocess.CalledProcessError: mounting is not allowed.
        """
        if instance_id not in self._mounted:
            _run("mount", "-t", "tmpfs", "-o", f"size={_SIZE}", instance_id, str(folder))
            self._mounted[instance_id] = folder

    def unmount(self, instance_id: str) -> None:
        """Take an instance's disk away, with all that is on it."""
        folder = self._mounted.pop(instance_id, None)
        if folder is not None:
            _run("umount", "--lazy", str(folder))

    def fill(self, instance_id: str) -> None:
        """Leave no free block: the disk becomes as small as what is on it.

        Raises:
            KeyError: the instance has no disk.
            OSError: what is on it grew faster.
        """
        folder = self._mounted[instance_id]
        for _ in range(_TRIES):
            found = os.statvfs(folder)
            if self._resize(folder, (found.f_blocks - found.f_bfree) * found.f_frsize):
                return
        raise OSError(f"the disk of {instance_id} grew faster than it could be filled")

    def free(self, instance_id: str) -> None:
        """Give it its free blocks back.

        Raises:
            KeyError: the instance has no disk.
        """
        self._resize(self._mounted[instance_id], _SIZE)

    @staticmethod
    def _resize(folder: Path, size: int) -> bool:
        command = ["mount", "-o", f"remount,size={size}", str(folder)]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0


def _run(*command: str) -> None:
    subprocess.run(command, capture_output=True, text=True, check=True)
