"""Where etcd's data lives, and what becomes of it (docs/images.md)."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from infra.settings.rules import KEY_PREFIX, TextOf, Whole, setting

if TYPE_CHECKING:
    from infra.settings import Settings

# A d among the letters after the generation says that local disks belong to the type; these families have them
# without saying so: https://docs.aws.amazon.com/ec2/latest/instancetypes/instance-type-names.html
_HAS_LOCAL_DISK = re.compile(r"[a-z]+[0-9]+[a-z-]*d[a-z-]*|(i|is|im|f|g|p|trn)[0-9].*|d3.*")
# Their EBS volumes are no NVMe devices, by whose model the boot knows them:
# https://docs.aws.amazon.com/ec2/latest/instancetypes/ec2-nitro-instances.html
_HAS_NO_NVME = re.compile(r"t[12]|[mcr][1-4]|i[23]|d2|h1|x1e?|p[23]|g[23]s?|f1|hs1")
# https://docs.aws.amazon.com/ebs/latest/userguide/general-purpose.html
_MOST_IOPS_FOR_ONE_GIB = 500
_MOST_MIB_S_FOR_ONE_IOPS = 0.25
# The database, and its copy while it is defragmented: https://etcd.io/docs/v3.5/op-guide/maintenance/
_DATABASES_THAT_FIT = 2


@dataclass(frozen=True, kw_only=True)
class VolumeSettings:
    """The volume for etcd's data."""

    data_volume: str = setting(
        "root",
        TextOf(choices=("root", "ebs", "instance-store")),
        "where etcd's data lives: on the root volume, on a gp3 volume of its own, or on the instance's local NVMe disk",
    )
    data_volume_gib: int = setting(
        20, Whole(minimum=1, maximum=16384), "ebs: size of the encrypted data volume", unit="GiB"
    )
    data_volume_iops: int = setting(
        3000, Whole(minimum=3000, maximum=16000), "ebs: operations of the data volume", unit="1/s"
    )
    data_volume_mib_s: int = setting(
        125, Whole(minimum=125, maximum=1000), "ebs: throughput of the data volume", unit="MiB/s"
    )
    data_volume_on_termination: str = setting(
        "delete",
        TextOf(choices=("delete", "keep")),
        "what becomes of the EBS volume with etcd's data when its instance is terminated; keep is for you to look "
        "into and to delete, nothing uses it again",
    )


def volume_conflicts(settings: "Settings", given: Mapping[str, Any]) -> Iterator[str]:
    """Yield one line for each pair of values that cannot go together."""
    volumes, instance_type = settings.volumes, settings.members.instance_type
    if volumes.data_volume != "ebs":
        for key in ("data_volume_gib", "data_volume_iops", "data_volume_mib_s"):
            if key in given:
                yield (
                    f"{KEY_PREFIX}{key}: got {given[key]!r}, expected nothing, "
                    f"for with {KEY_PREFIX}data_volume={volumes.data_volume} there is no such volume"
                )
    family = instance_type.partition(".")[0]
    if volumes.data_volume == "ebs" and _HAS_NO_NVME.fullmatch(family):
        yield (
            f"{KEY_PREFIX}data_volume: got ebs, expected an {KEY_PREFIX}instance_type whose EBS volumes are NVMe "
            f"devices, such as m7g.medium; those of {instance_type} are not"
        )
    if volumes.data_volume == "instance-store":
        if not _HAS_LOCAL_DISK.fullmatch(family):
            yield (
                f"{KEY_PREFIX}data_volume: got instance-store, expected an {KEY_PREFIX}instance_type with a local NVMe "
                f"disk, such as m7gd.medium; {instance_type} has none"
            )
        if volumes.data_volume_on_termination == "keep":
            yield (
                f"{KEY_PREFIX}data_volume_on_termination: got keep, expected delete, "
                f"for with {KEY_PREFIX}data_volume=instance-store the disk ends with its instance"
            )
    if volumes.data_volume == "ebs":
        yield from _of_the_ebs_volume(volumes, settings.etcd.quota_mib)


def _of_the_ebs_volume(volumes: VolumeSettings, quota_mib: int) -> Iterator[str]:
    least_gib = -(-quota_mib * _DATABASES_THAT_FIT // 1024)
    if volumes.data_volume_gib < least_gib:
        yield (
            f"{KEY_PREFIX}data_volume_gib: got {volumes.data_volume_gib}, expected at least {least_gib}, "
            f"for {KEY_PREFIX}quota_mib={quota_mib}, and a database is copied while it is defragmented"
        )
    most_iops = max(3000, volumes.data_volume_gib * _MOST_IOPS_FOR_ONE_GIB)
    if volumes.data_volume_iops > most_iops:
        yield (
            f"{KEY_PREFIX}data_volume_iops: got {volumes.data_volume_iops}, expected at most {most_iops}, "
            f"which is what gp3 allows for {KEY_PREFIX}data_volume_gib={volumes.data_volume_gib}"
        )
    most_mib_s = int(volumes.data_volume_iops * _MOST_MIB_S_FOR_ONE_IOPS)
    if volumes.data_volume_mib_s > most_mib_s:
        yield (
            f"{KEY_PREFIX}data_volume_mib_s: got {volumes.data_volume_mib_s}, expected at most {most_mib_s}, "
            f"which is what gp3 allows for {KEY_PREFIX}data_volume_iops={volumes.data_volume_iops}"
        )
