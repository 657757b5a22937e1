"""host.key, host.crt and ca.crt on the disk: each is whole or not there, and only etcd's user gets in."""

from __future__ import annotations

import errno
import os
import pwd
import stat
import tempfile
from pathlib import Path
from typing import NamedTuple

from etcd_aws_agent import disk
from etcd_aws_agent.certificate import Material

KEY = "host.key"
CERTIFICATE = "host.crt"
CA = "ca.crt"
_MODES = {KEY: 0o600, CERTIFICATE: 0o644, CA: 0o644}
_DIRECTORY_MODE = 0o700


class PkiFiles(NamedTuple):
    """The folder with a host's key and certificates.

    Attributes:
        user: owner of all, a name or a number; where the agent is not root or there is no such user, its own.
    """

    directory: Path
    user: str

    def path(self, name: str) -> Path:
        """Return where a file is."""
        return self.directory / name

    def read(self, name: str) -> str | None:
        """Return a file's text, None if it is not there.

        Raises:
            OSError: it is there and cannot be read.
        """
        return disk.read(self.path(name))

    def material(self) -> Material | None:
        """Return what is there if all three files are, good or not.

        Raises:
            OSError: one cannot be read.
        """
        ca, certificate, key = self.read(CA), self.read(CERTIFICATE), self.read(KEY)
        return None if ca is None or certificate is None or key is None else Material(ca, certificate, key)

    def write(self, name: str, text: str) -> bool:
        """Replace a file atomically, unless it has this text already; tell whether it was written.

        Raises:
            OSError: as for any file.
        """
        owner = self._owner()
        self._prepare(owner)
        path = self.path(name)
        return disk.write_if_changed(path, text, mode=_MODES[name], owner=owner)

    def settle(self) -> None:
        """Give folder and files their owner and modes again, whoever copied or restored them.

        Raises:
            OSError: they cannot be changed.
        """
        owner = self._owner()
        self._prepare(owner)
        for name, mode in _MODES.items():
            _own_file(self.path(name), owner, mode)

    def _owner(self) -> tuple[int, int] | None:
        if os.geteuid() != 0:
            return None
        if self.user.isdigit():
            return int(self.user), -1
        try:
            entry = pwd.getpwnam(self.user)
        except KeyError:
            return None
        return entry.pw_uid, entry.pw_gid

    def _prepare(self, owner: tuple[int, int] | None) -> None:
        """Make the folder, whole; change one that is there only if nothing but ours is in it."""
        if self.directory.is_dir():
            if all(entry.lstrip(".").startswith(tuple(_MODES)) for entry in os.listdir(self.directory)):  # noqa: PTH208
                _own_folder(self.directory, owner)
            return
        self.directory.parent.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(prefix=f".{self.directory.name}.", dir=self.directory.parent))
        try:
            _own_folder(fresh, owner)
            fresh.rename(self.directory)
        except BaseException:
            fresh.rmdir()
            raise
        disk.sync_directory(self.directory.parent)


def _own_folder(path: Path, owner: tuple[int, int] | None) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        _own(descriptor, owner, _DIRECTORY_MODE)
    finally:
        os.close(descriptor)


def _own_file(path: Path, owner: tuple[int, int] | None, mode: int) -> None:
    """Change a file if it is a plain one: the folder is etcd's, and a link there may lead to what is root's."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ELOOP, errno.ENXIO):
            return
        raise
    try:
        status = os.fstat(descriptor)
        if stat.S_ISREG(status.st_mode) and status.st_nlink == 1:
            _own(descriptor, owner, mode)
    finally:
        os.close(descriptor)


def _own(descriptor: int, owner: tuple[int, int] | None, mode: int) -> None:
    status = os.fstat(descriptor)
    if owner is not None and status.st_uid != owner[0]:
        os.fchown(descriptor, *owner)
    if stat.S_IMODE(status.st_mode) != mode:
        os.fchmod(descriptor, mode)
