"""The disk: whole files or none, and data that is moved but never deleted."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from etcd_aws_agent import disk
from etcd_aws_agent.identity import Identity
from etcd_aws_agent.plan import Marker
from tests.unit.agent.conftest import Host
from tests.unit.agent.fake_aws import ADDRESS, INSTANCE

ME = Identity(instance_id=INSTANCE, private_ip=ADDRESS, region="us-east-1")
AGENT = Path(disk.__file__).parents[1]


def test_a_file_is_written_with_its_parents_and_for_everybody_to_read(tmp_path: Path) -> None:
    path = tmp_path / "etc" / "sysconfig" / "etcd-peers"
    old_umask = os.umask(0o077)
    try:
        assert disk.write_if_changed(path, "A=1\n")
    finally:
        os.umask(old_umask)

    assert path.read_text() == "A=1\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert list(path.parent.iterdir()) == [path]


def test_unchanged_content_is_not_rewritten(tmp_path: Path) -> None:
    path = tmp_path / "etcd-peers"
    disk.write_if_changed(path, "A=1\n")
    before = path.stat()

    assert not disk.write_if_changed(path, "A=1\n")
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_a_wrong_mode_is_put_right(tmp_path: Path) -> None:
    path = tmp_path / "etcd-peers"
    disk.write_if_changed(path, "A=1\n")
    path.chmod(0o600)

    assert disk.write_if_changed(path, "A=1\n")
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


@pytest.mark.parametrize(
    ("step", "left"),
    [
        ("os.fchmod", "OLD=1\n"),
        ("os.fsync", "OLD=1\n"),
        ("Path.replace", "OLD=1\n"),
        ("disk.sync_directory", "NEW=1\n"),
    ],
)
def test_killed_at_any_step_there_is_the_old_file_or_the_new_one(tmp_path: Path, step: str, left: str) -> None:
    path = tmp_path / "etcd-peers"
    path.write_text("OLD=1\n")
    # Another process really dies there, without a chance to tidy up.
    code = (
        "import os, sys; from pathlib import Path; from etcd_aws_agent import disk\n"
        f"{step} = lambda *a, **k: os._exit(9)\n"
        f"disk.write_if_changed(Path({str(path)!r}), 'NEW=1\\n')\n"
    )

    done = subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": str(AGENT)}, check=False)

    assert (done.returncode, path.read_text()) == (9, left)
    assert disk.write_if_changed(path, "NEW=2\n")
    assert path.read_text() == "NEW=2\n"


def test_a_failed_write_leaves_the_old_file_and_no_litter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "etcd-peers"
    path.write_text("OLD=1\n")

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)

    with pytest.raises(OSError, match="No space"):
        disk.write_if_changed(path, "NEW=1\n")

    assert list(tmp_path.iterdir()) == [path]
    assert path.read_text() == "OLD=1\n"


def test_data_goes_beside_the_data_directory_which_stays_as_it_is(host: Host) -> None:
    host.has_run_before()
    host.data_dir.chmod(0o700)

    target = disk.move_data_aside(host.data_dir)

    assert target.parent == host.data_dir.parent
    assert target.name.startswith("etcd.")
    assert target.name.endswith(".old")
    assert [path.read_text() for path in host.precious()] == ["precious"]
    assert stat.S_IMODE(host.data_dir.stat().st_mode) == 0o700
    assert not disk.look(host.data_dir, host.peers_file, ME).has_wal


def test_on_a_file_system_of_its_own_data_stays_inside(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    host.has_run_before()
    really_rename = os.rename

    def rename(source: Path, target: Path) -> None:
        if Path(target).parent != host.data_dir:
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        really_rename(source, target)

    monkeypatch.setattr(os, "rename", rename)

    target = disk.move_data_aside(host.data_dir)

    assert target.parent == host.data_dir
    assert [path.read_text() for path in host.precious()] == ["precious"]
    assert not disk.look(host.data_dir, host.peers_file, ME).has_wal


def test_data_moved_twice_in_a_second_is_kept_twice(host: Host) -> None:
    for _ in range(3):
        host.has_run_before()
        disk.move_data_aside(host.data_dir)

    assert len(host.precious()) == 3


def test_a_marker_is_read_back_as_written(host: Host) -> None:
    disk.write_marker(host.data_dir, Marker("etcd-1-g1", "g1"))

    assert disk.look(host.data_dir, host.peers_file, ME).marker == Marker("etcd-1-g1", "g1")
    assert host.marker_file.exists()


@pytest.mark.parametrize("content", ["", "{", "[]", '"x"', "{}", '{"token": "t"}', "\x00\xff", "[" * 4000])
def test_a_broken_marker_vouches_for_nothing(host: Host, content: str) -> None:
    host.marker_file.write_text(content)

    assert disk.look(host.data_dir, host.peers_file, ME).marker is None


def test_a_peers_file_from_an_image_of_another_instance_is_not_mine(host: Host) -> None:
    host.has_peers_file(INSTANCE + "4")
    assert not disk.look(host.data_dir, host.peers_file, ME).has_own_file

    host.has_peers_file(INSTANCE)
    assert disk.look(host.data_dir, host.peers_file, ME).has_own_file


def test_a_wal_directory_without_logs_is_no_wal(host: Host) -> None:
    (host.data_dir / "member" / "wal").mkdir(parents=True)

    assert not disk.look(host.data_dir, host.peers_file, ME).has_wal
