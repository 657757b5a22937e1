"""The very user data in a plain Debian root: its own cloud-init and systemd, artifacts from a mirror on loopback."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.images.conftest import STARTED, Instance, etcd_serves, member_id
from tests.images.machine import eventually
from tests.unit.agent.fake_aws import INSTANCE

pytestmark = pytest.mark.debian_root

_SETUP = "/usr/local/lib/etcd-aws-cluster/setup"
_PEERS = "etc/sysconfig/etcd-peers"


def written(root: Path) -> dict[str, bytes]:
    """What the user data has put on the disk, by path."""
    folders = ("etc/etcd-aws-cluster", "etc/sysconfig", "etc/systemd/system", "usr/local")
    paths = (path for folder in folders for path in (root / folder).rglob("*") if "__pycache__" not in path.parts)
    return {str(path.relative_to(root)): path.read_bytes() for path in paths if path.is_file()}


def test_a_first_boot_ends_with_etcd_up_and_the_file_written(instance: Instance) -> None:
    machine = instance.machine
    instance.has_user_data()

    machine.power_on()

    etcd_serves(machine)
    assert (machine.root / _PEERS).read_text().splitlines()[:3] == [
        "ETCD_INITIAL_CLUSTER_STATE=new",
        f"ETCD_NAME={INSTANCE}",
        f'ETCD_INITIAL_CLUSTER="{INSTANCE}=http://10.0.0.4:2380"',
    ]
    done = machine.run("cloud-init", "status", "--wait", "--long")
    assert "status: done" in done.stdout, done.stdout + machine.run("cat", "/var/log/cloud-init.log").stdout[-2000:]
    assert machine.said("is-enabled", "etcd.service").strip() == "enabled"
    process = machine.said("show", "--property=MainPID", "--value", "etcd.service").strip()
    assert machine.run("stat", "--format=%U", f"/proc/{process}").stdout == "etcd\n"
    assert machine.run("stat", "--format=%U %a", "/var/lib/etcd").stdout.strip() == "etcd 700"


def test_the_script_a_second_time_changes_nothing_and_asks_nobody(instance: Instance) -> None:
    machine = instance.machine
    instance.has_user_data()
    machine.power_on()
    etcd_serves(machine)
    before, asked = written(machine.root), len(instance.cloud.requests)

    again = machine.run(_SETUP)

    assert again.returncode == 0, again.stderr
    assert written(machine.root) == before
    assert len(instance.cloud.requests) == asked
    # And so does all of the user data.
    for module in ("write-files", "runcmd", "scripts-user"):
        done = machine.run("cloud-init", "single", "--name", module, "--frequency", "always")
        assert done.returncode == 0, done.stderr
    assert written(machine.root) == before
    etcd_serves(machine)


def test_a_reboot_keeps_data_and_membership_and_fetches_nothing(instance: Instance) -> None:
    machine = instance.machine
    instance.has_user_data()
    machine.power_on()
    etcd_serves(machine)
    assert machine.run("etcdctl", "put", "precious", "value").returncode == 0
    before = member_id(machine)
    instance.cloud.ssm = [STARTED]
    instance.cloud.requests.clear()

    machine.cut_power()
    machine.power_on()

    etcd_serves(machine)
    assert member_id(machine) == before
    assert machine.run("etcdctl", "get", "precious", "--print-value-only").stdout == "value\n"
    assert "ETCD_INITIAL_CLUSTER_STATE=existing" in (machine.root / _PEERS).read_text()
    assert not instance.cloud.downloads()


def test_an_archive_with_another_checksum_is_not_installed(instance: Instance) -> None:
    machine = instance.machine
    instance.has_user_data(etcd_sha256="0" * 64)

    machine.power_on()

    eventually(lambda: "FAILED" in machine.journal("etcd.service"), "the checksum's refusal")
    assert not (machine.root / "usr/local/bin/etcd").exists()
    assert not machine.unit_is("etcd.service", "active")


def test_what_s3_does_not_give_at_first_is_asked_for_again_by_the_unit(instance: Instance) -> None:
    machine = instance.machine
    archive = instance.cloud.objects.pop("archives/etcd.tar.gz")
    instance.has_user_data()
    machine.power_on()
    eventually(lambda: "archives/etcd.tar.gz" in instance.cloud.downloads(), "a download")

    instance.cloud.objects["archives/etcd.tar.gz"] = archive

    etcd_serves(machine)
