"""Key and certificates on the disk: owner, modes, trouble, and the power cut at every step."""

from __future__ import annotations

import os
import pwd
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from etcd_aws_agent import backoff
from etcd_aws_agent.pki_files import CA, CERTIFICATE, KEY, PkiFiles
from tests.unit.agent.conftest import Host
from tests.unit.agent.fake_aws import Server
from tests.unit.agent.fake_pki import PkiAws

STRANGER = "daemon"
IS_ROOT = os.geteuid() == 0
ONLY_ROOT = pytest.mark.skipif(not IS_ROOT, reason="not run: only root gives files away")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@ONLY_ROOT
@pytest.mark.parametrize("user", [STRANGER, str(pwd.getpwnam(STRANGER).pw_uid)])
def test_root_gives_folder_and_files_to_etcds_user(tmp_path: Path, user: str) -> None:
    files = PkiFiles(tmp_path / "etc" / "pki", user)

    for name in (KEY, CERTIFICATE, CA):
        assert files.write(name, "text\n")

    owned = (files.directory, *files.directory.iterdir())
    assert {path.stat().st_uid for path in owned} == {pwd.getpwnam(STRANGER).pw_uid}
    assert [mode(files.path(name)) for name in (KEY, CERTIFICATE, CA)] == [0o600, 0o644, 0o644]
    assert mode(files.directory) == 0o700
    assert (tmp_path / "etc").stat().st_uid == 0


def test_a_user_that_is_not_there_leaves_the_files_to_the_agents_own(tmp_path: Path) -> None:
    files = PkiFiles(tmp_path / "pki", "nobody-of-this-name")

    files.write(KEY, "text\n")

    assert files.path(KEY).stat().st_uid == os.geteuid()


def test_owner_and_modes_that_got_lost_come_back(tmp_path: Path) -> None:
    files = PkiFiles(tmp_path / "pki", STRANGER)
    files.write(KEY, "text\n")
    expected = files.path(KEY).stat().st_uid
    files.path(KEY).chmod(0o644)
    files.directory.chmod(0o755)
    if IS_ROOT:
        os.chown(files.path(KEY), 0, 0)
        os.chown(files.directory, 0, 0)

    files.settle()

    assert (mode(files.path(KEY)), mode(files.directory)) == (0o600, 0o700)
    assert (files.path(KEY).stat().st_uid, files.directory.stat().st_uid) == (expected, expected)


@pytest.mark.parametrize("link", [Path.symlink_to, Path.hardlink_to])
def test_a_link_in_the_folder_gives_nothing_away_for_who_runs_as_etcd_may_have_put_it_there(
    tmp_path: Path, link: Callable[[Path, Path], None]
) -> None:
    secret = tmp_path / "shadow"
    secret.write_text("root's\n")
    secret.chmod(0o600)
    files = PkiFiles(tmp_path / "pki", STRANGER)
    files.write(KEY, "text\n")
    link(files.path(CA), secret)
    os.mkfifo(files.path(CERTIFICATE))

    files.settle()

    assert (mode(secret), secret.stat().st_uid) == (0o600, os.geteuid())


def test_a_folder_that_has_other_things_in_it_stays_as_it_is(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / "passwd").write_text("not ours")
    files = PkiFiles(tmp_path, STRANGER)

    files.write(KEY, "text\n")

    assert (mode(tmp_path), tmp_path.stat().st_uid) == (0o755, os.geteuid())
    assert mode(files.path(KEY)) == 0o600


def test_what_would_not_change_is_not_touched(tmp_path: Path) -> None:
    files = PkiFiles(tmp_path / "pki", STRANGER)
    files.write(CA, "text\n")
    before = files.path(CA).stat().st_mtime_ns

    assert not files.write(CA, "text\n")
    assert files.path(CA).stat().st_mtime_ns == before


@pytest.fixture
def aws() -> Iterator[PkiAws]:
    fake = PkiAws()
    server = Server(fake)
    yield fake
    server.close()


@pytest.fixture
def pki(host: Host) -> Path:
    host.env.update(ETCD_PKI="automatic", ETCD_PKI_DIR=str(host.root / "pki"), ETCD_USER=STRANGER)
    return host.root / "pki"


def test_a_place_where_no_folder_can_be_is_the_disks_exit_code(
    host: Host, aws: PkiAws, pki: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (host.root / "file").write_text("")
    host.env["ETCD_PKI_DIR"] = str(host.root / "file" / "pki")

    assert host.run() == 19
    assert aws.puts() == []
    assert not host.peers_file.exists()


def test_a_disk_that_is_full_is_the_disks_exit_code_and_leaves_nothing_half_written(
    host: Host, aws: PkiAws, pki: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)

    assert host.run() == 19
    assert list(pki.iterdir()) == []


def test_a_file_that_cannot_be_read_is_not_a_file_that_is_not_there(host: Host, aws: PkiAws, pki: Path) -> None:
    assert host.run() == 0
    (pki / "host.key").unlink()
    (pki / "host.key").mkdir()

    assert host.run() == 19
    assert len(aws.puts()) == 1


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backoff, "between_looks_for_certificate", lambda *_: 0.01)


class PowerCutError(BaseException):
    """Nothing is done after it, no tidying up either."""


def run_until(step: int, host: Host, *arguments: str) -> int | None:
    """Run the agent up to the `step`-th call that changes a disk; None if that was not the end of it."""
    left = step

    def until_the_cut(call: Callable[..., object]) -> Callable[..., object]:
        def counted(*args: object, **kwargs: object) -> object:
            nonlocal left
            left -= 1
            if left < 0:
                raise PowerCutError
            return call(*args, **kwargs)

        return counted

    with pytest.MonkeyPatch.context() as patch:
        for name in ("fsync", "replace", "rename", "fchmod", "fchown", "chown", "chmod", "mkdir", "unlink", "rmdir"):
            patch.setattr(os, name, until_the_cut(getattr(os, name)))
        try:
            return host.run(*arguments)
        except PowerCutError:
            return None


def is_whole(pki: Path) -> bool:
    """Tell whether what is there under its final name is there with its end, and nobody else may read the key."""
    present = [pki / name for name in (KEY, CERTIFICATE, CA) if (pki / name).exists()]
    ends = all(path.read_text().rstrip().endswith("-----") for path in present)
    return ends and all(mode(path) == 0o600 for path in present if path.name == KEY)


@pytest.mark.usefixtures("quick")
def test_killed_before_any_step_the_next_start_has_good_files(host: Host, aws: PkiAws, pki: Path) -> None:
    for step in range(60):
        aws.parameters.pop("/etcd-aws-cluster/etcd/certificates/i-0a1b2c3d", None)
        for path in [*pki.glob("*"), host.peers_file, host.marker_file]:
            path.unlink(missing_ok=True)
        if pki.exists():
            pki.rmdir()
        if run_until(step, host) == 0:
            break
        assert is_whole(pki)
        assert host.run() == 0
        assert is_whole(pki)
        assert host.run("--renew") == 0
    assert step > 15


@pytest.mark.usefixtures("quick")
def test_killed_before_any_step_of_a_renewal_what_is_there_works(host: Host, aws: PkiAws, pki: Path) -> None:
    for step in range(60):
        host.env["CERTIFICATE_RENEW_AT"] = "0.5"
        assert host.run() == 0
        host.env["CERTIFICATE_RENEW_AT"] = "0.05"
        aws.life = {"since_s": -1.0}
        if run_until(step, host, "--renew") == 0:
            break
        aws.life = {}
        host.env["CERTIFICATE_RENEW_AT"] = "0.5"
        asked = len(aws.puts())
        assert host.run("--renew") == 0
        assert len(aws.puts()) == asked
        aws.parameters.pop("/etcd-aws-cluster/etcd/certificates/i-0a1b2c3d")
        (pki / CERTIFICATE).unlink()
    assert step > 2
