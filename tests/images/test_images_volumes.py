"""The very disk script, and the units around it, on loop devices that the machine takes for its NVMe disks."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.images.conftest import STARTED, Instance, etcd_serves, member_id
from tests.images.machine import Machine, eventually

pytestmark = pytest.mark.debian_root

EBS = "Amazon Elastic Block Store"
LOCAL = "Amazon EC2 NVMe Instance Storage"
GIB = 1024**3
_SCRIPT = "/usr/local/lib/etcd-aws-cluster/data-volume"


def a_disk(folder: Path, name: str, size: int = GIB) -> Path:
    """An empty disk."""
    image = folder / f"{name}.image"
    with image.open("wb") as file:
        file.truncate(size)
    return image


def formatted(image: Path, label: str) -> Path:
    """Make a file system on a disk."""
    subprocess.run(["mkfs.ext4", "-q", "-F", "-L", label, str(image)], check=True)
    return image


def contents(image: Path) -> str:
    """What is on a disk."""
    with image.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def label_of(image: Path) -> str:
    """The label of a disk's file system, or nothing."""
    command = ["blkid", "--probe", "--output", "value", "--match-tag", "LABEL", str(image)]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


@pytest.fixture
def bare(assembled: Callable[..., Machine]) -> Machine:
    """A machine with the script and nothing else of ours, still off."""
    machine: Machine = assembled()
    script = machine.root / _SCRIPT[1:]
    script.parent.mkdir(parents=True)
    script.write_text((Path(__file__).parents[2] / "infra/user_data/files/data-volume.sh").read_text())
    script.chmod(0o755)
    (machine.root / "etc/cloud/cloud-init.disabled").touch()
    return machine


def chosen(machine: Machine, kind: str) -> str:
    """The disk that the script has left a link to, after it ended well."""
    done = machine.run(_SCRIPT, kind, "1" if kind == "ebs" else "0", "1")
    assert done.returncode == 0, done.stderr
    return machine.run("readlink", "/run/etcd-aws-cluster/data-volume").stdout.strip()


def refusal(machine: Machine, kind: str = "ebs") -> str:
    """What the script has said when it refused."""
    done = machine.run(_SCRIPT, kind, "1" if kind == "ebs" else "0", "1")
    assert done.returncode == 1, done.stderr
    assert machine.run("test", "-e", "/run/etcd-aws-cluster/data-volume").returncode == 1
    return done.stderr


def test_an_empty_disk_gets_a_file_system_once(bare: Machine, tmp_path: Path) -> None:
    disk = a_disk(tmp_path, "empty")
    bare.disks = {"nvme1n1": (disk, EBS)}
    bare.power_on()

    assert chosen(bare, "ebs") == "/dev/nvme1n1"

    assert label_of(disk) == "etcd-data"
    identity = bare.run("blkid", "--probe", "--match-tag", "UUID", "/dev/nvme1n1").stdout
    assert chosen(bare, "ebs") == "/dev/nvme1n1"
    assert bare.run("blkid", "--probe", "--match-tag", "UUID", "/dev/nvme1n1").stdout == identity


def test_our_disk_is_found_under_any_name_and_of_any_size(bare: Machine, tmp_path: Path) -> None:
    ours = formatted(a_disk(tmp_path, "ours", 2 * GIB), "etcd-data")
    empty = a_disk(tmp_path, "empty")
    bare.disks = {"nvme1n1": (empty, EBS), "nvme3n1": (ours, EBS)}
    bare.power_on()

    assert chosen(bare, "ebs") == "/dev/nvme3n1"
    assert not label_of(empty)


def a_file_system(folder: Path) -> Path:
    """Somebody's file system."""
    return formatted(a_disk(folder, "somebodys"), "photos")


def raw_bytes(folder: Path) -> Path:
    """Bytes that no probe knows."""
    disk = a_disk(folder, "raw")
    with disk.open("r+b") as file:
        file.seek(4096)
        file.write(b"a database on a raw disk")
    return disk


def a_partition_table(folder: Path) -> Path:
    """A table of four partitions, none of them used."""
    disk = a_disk(folder, "partitioned")
    with disk.open("r+b") as file:
        file.seek(510)
        file.write(b"\x55\xaa")
    return disk


@pytest.mark.parametrize("make", [a_file_system, raw_bytes, a_partition_table])
def test_a_disk_with_anything_on_it_is_left_as_it_is(
    bare: Machine, tmp_path: Path, make: Callable[[Path], Path]
) -> None:
    disk = make(tmp_path)
    before = contents(disk)
    bare.disks = {"nvme1n1": (disk, EBS)}
    bare.power_on()

    assert "/dev/nvme1n1 is not empty: left alone" in refusal(bare)

    assert contents(disk) == before


def test_a_disk_of_another_size_or_kind_and_a_partitioned_one_are_not_taken(bare: Machine, tmp_path: Path) -> None:
    root = a_disk(tmp_path, "root")
    bare.disks = {
        "nvme0n1": (root, EBS),
        "nvme1n1": (a_disk(tmp_path, "other", 2 * GIB), EBS),
        "nvme2n1": (a_disk(tmp_path, "local"), LOCAL),
    }
    bare.power_on()
    shown = bare.folder / "disks" / "sys" / "nvme0n1" / "nvme0n1p1"
    shown.mkdir()
    (shown / "partition").write_text("1\n")

    said = refusal(bare)

    assert "/dev/nvme1n1 is of another size" in said
    assert "no disk of etcd's and no empty one" in said
    assert not any(label_of(disk) for disk, _ in bare.disks.values())


def test_two_disks_that_could_be_meant_are_none(bare: Machine, tmp_path: Path) -> None:
    bare.disks = {"nvme1n1": (a_disk(tmp_path, "a"), EBS), "nvme2n1": (a_disk(tmp_path, "b"), EBS)}
    bare.power_on()
    assert "several empty disks: /dev/nvme1n1 /dev/nvme2n1" in refusal(bare)
    assert not any(label_of(disk) for disk, _ in bare.disks.values())


def test_two_disks_with_our_label_are_none(bare: Machine, tmp_path: Path) -> None:
    disks = [formatted(a_disk(tmp_path, name), "etcd-data") for name in "ab"]
    bare.disks = {"nvme1n1": (disks[0], EBS), "nvme2n1": (disks[1], EBS)}
    bare.power_on()
    assert "several disks have the label etcd-data" in refusal(bare)


def test_of_several_local_disks_the_first_serves_and_then_the_one_with_the_label(bare: Machine, tmp_path: Path) -> None:
    first, second = a_disk(tmp_path, "first"), a_disk(tmp_path, "second")
    bare.disks = {"nvme1n1": (first, LOCAL), "nvme2n1": (second, LOCAL)}
    bare.power_on()
    assert chosen(bare, "instance-store") == "/dev/nvme1n1"
    assert (label_of(first), label_of(second)) == ("etcd-data", "")

    bare.cut_power()
    bare.disks = {"nvme1n1": (second, LOCAL), "nvme2n1": (first, LOCAL)}
    bare.power_on()
    assert chosen(bare, "instance-store") == "/dev/nvme2n1"
    assert not label_of(second)


@pytest.mark.parametrize(
    ("model", "told"),
    [
        (EBS, {"data_volume": "ebs", "data_volume_gib": "1", "quota_mib": "512"}),
        (LOCAL, {"data_volume": "instance-store", "instance_type": "m7gd.medium"}),
    ],
    ids=["ebs", "instance-store"],
)
def test_etcd_lives_on_the_data_volume_and_a_reboot_keeps_it(
    instance: Instance, tmp_path: Path, model: str, told: dict[str, str]
) -> None:
    machine = instance.machine
    disk = a_disk(tmp_path, "data")
    machine.disks = {"nvme1n1": (disk, model)}
    instance.has_user_data(**told)
    machine.power_on()
    etcd_serves(machine)
    mounted = machine.run("findmnt", "--noheadings", "--output", "SOURCE,FSTYPE", "/var/lib/etcd").stdout
    assert mounted.split() == ["/dev/nvme1n1", "ext4"]
    assert label_of(disk) == "etcd-data"
    assert machine.run("etcdctl", "put", "precious", "value").returncode == 0
    before = member_id(machine)
    instance.cloud.ssm = [STARTED]

    machine.cut_power()
    # Nothing of it was on the root.
    assert not list((machine.root / "var/lib/etcd").iterdir())
    machine.power_on()

    etcd_serves(machine)
    assert member_id(machine) == before
    assert machine.run("etcdctl", "get", "precious", "--print-value-only").stdout == "value\n"


def test_a_lost_local_disk_is_made_anew_and_the_agent_refuses_to_start_without_the_data(
    instance: Instance, tmp_path: Path
) -> None:
    machine = instance.machine
    machine.disks = {"nvme1n1": (a_disk(tmp_path, "data"), LOCAL)}
    instance.has_user_data(data_volume="instance-store", instance_type="m7gd.medium")
    machine.power_on()
    etcd_serves(machine)
    instance.cloud.ssm = [STARTED]

    # What a stop and a start do: another host, another disk.
    machine.cut_power()
    machine.disks = {"nvme1n1": (a_disk(tmp_path, "another"), LOCAL)}
    machine.power_on()

    eventually(lambda: "exit=16" in machine.journal("etcd.service"), "the agent's refusal")
    assert not machine.unit_is("etcd.service", "active")


def test_a_missing_disk_stops_etcd_and_not_the_boot(instance: Instance) -> None:
    machine = instance.machine
    instance.has_user_data(data_volume="ebs", data_volume_gib="1", quota_mib="512")

    machine.power_on()

    eventually(
        lambda: "no disk of etcd's and no empty one" in machine.journal("etcd-data-volume.service"), "the script's word"
    )
    assert machine.unit_is("multi-user.target", "active")
    assert machine.unit_is("etcd.service", "inactive")
    assert not instance.cloud.downloads()
