"""The local disk: the peers file, the life marker, the data directory; what is written survives a power cut whole."""

from __future__ import annotations

import errno
import json
import os
import stat
import tempfile
import time
from pathlib import Path

from etcd_aws_agent.identity import Identity
from etcd_aws_agent.plan import Local, Marker

FILE_MODE = 0o644
LONGEST_FILE_BYTES = 1024 * 1024


def marker_path(data_dir: Path) -> Path:
    """Return where the life marker is: beside the data directory, so that it is not moved with the data."""
    return data_dir.with_name(data_dir.name + ".life")


def look(data_dir: Path, peers_file: Path, identity: Identity) -> Local:
    """Return what is on the disk.

    Raises:
        OSError: something is there and cannot be read; that is not the same as nothing.
    """
    return Local(
        has_wal=_has_wal(data_dir),
        marker=_read_marker(marker_path(data_dir)),
        has_own_file=f"ETCD_NAME={identity.instance_id}" in (read(peers_file) or "").splitlines(),
    )


def write_marker(data_dir: Path, marker: Marker) -> None:
    """Write the life marker."""
    text = json.dumps({"token": marker.initial_cluster_token, "life": marker.life})
    write_if_changed(marker_path(data_dir), text + "\n")


def write_if_changed(path: Path, text: str, *, mode: int = FILE_MODE, owner: tuple[int, int] | None = None) -> bool:
    """Replace a file atomically, unless it has this text already; tell whether it was written.

    `owner` is uid and gid (-1: the agent's own); None leaves both to the system.
    """
    if read(path) == text and _is_so(path.stat(), mode, owner):
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            os.fchmod(file.fileno(), mode)
            if owner is not None:
                os.fchown(file.fileno(), *owner)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink()
        raise
    sync_directory(path.parent)
    return True


def move_data_aside(data_dir: Path) -> Path:
    """Rename etcd's `member` directory out of the way and return where it is now; nothing is ever deleted.

    It goes beside the data directory, or stays inside where that is a file system of its own.
    The data directory itself stays, with its owner and mode.
    """
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    member = data_dir / "member"
    try:
        target = _rename_to_free_name(member, data_dir.with_name(f"{data_dir.name}.{stamp}.old"))
    except OSError as error:
        if error.errno not in (errno.EXDEV, errno.EACCES, errno.EPERM, errno.EROFS):
            raise
        target = _rename_to_free_name(member, data_dir / f"member.{stamp}.old")
    sync_directory(data_dir)
    sync_directory(target.parent)
    return target


def _is_so(status: os.stat_result, mode: int, owner: tuple[int, int] | None) -> bool:
    return stat.S_IMODE(status.st_mode) == mode and (owner is None or status.st_uid == owner[0])


def _rename_to_free_name(source: Path, target: Path) -> Path:
    candidate = target
    count = 1
    while os.path.lexists(candidate):
        count += 1
        candidate = target.with_name(f"{target.name}-{count}")
    return source.rename(candidate)


def _has_wal(data_dir: Path) -> bool:
    try:
        return any(path.suffix == ".wal" for path in (data_dir / "member" / "wal").iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return False


def _read_marker(path: Path) -> Marker | None:
    try:
        document = json.loads(read(path) or "")
        return Marker(initial_cluster_token=str(document["token"]), life=str(document["life"]))
    except (ValueError, TypeError, KeyError, RecursionError):
        # A marker that says nothing vouches for nothing.
        return None


def read(path: Path) -> str | None:
    """Return a file's text, None if it is not there."""
    try:
        with path.open("rb") as file:
            return file.read(LONGEST_FILE_BYTES).decode("utf-8", "replace")
    except FileNotFoundError:
        return None


def sync_directory(path: Path) -> None:
    """Make renames in a folder survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
