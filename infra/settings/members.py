"""What an instance of the group is."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from infra.settings.rules import KEY_PREFIX, Text, TextOf, Whole, setting

if TYPE_CHECKING:
    from infra.settings import Settings

_ROOT_DEVICES: Mapping[str, str] = {
    "amazon-linux-2023": "/dev/xvda",
    "ubuntu": "/dev/sda1",
    "flatcar": "/dev/xvda",
}


@dataclass(frozen=True, kw_only=True)
class MemberSettings:
    """What an instance of the group is."""

    instance_type: str = setting(
        "m7g.medium",
        # What CDK can read; the types for databases of terabytes (u-6tb1.metal) have other names.
        Text(form=r"[a-z]+[0-9]{1,2}[a-z-]*\.[a-z0-9-]+", expected="an EC2 instance type such as m7g.medium"),
        "EC2 instance type; its processor (x86_64 or arm64) selects image and etcd archive",
    )
    operating_system: str = setting(
        "amazon-linux-2023",
        TextOf(choices=tuple(_ROOT_DEVICES)),
        "system of the instances; ubuntu is 24.04 LTS; flatcar needs ami_id and agent_image",
    )
    ami_id: str = setting(
        "",
        Text(form=r"|ami-[0-9a-f]{8}([0-9a-f]{9})?", expected="an image id such as ami-0123456789abcdef0, or empty"),
        "machine image of that system, or one like it; empty takes the one that is newest at each deploy",
    )
    agent_image: str = setting(
        "",
        Text(
            form=r"|s3://[A-Za-z0-9._~/-]+|[a-z0-9]([A-Za-z0-9._/:@-]*[A-Za-z0-9])?",
            expected="an image such as registry.example.com/etcd-aws-agent:1, the s3:// address of one saved by "
            "docker save, or empty",
        ),
        "flatcar: OCI image of the agent, pulled without credentials or loaded from S3",
    )
    root_device_name: str = setting(
        "",
        Text(form=r"|/dev/[a-z0-9]+", expected="a device such as /dev/xvda, or empty"),
        "root device of the image; empty takes that of the system's own images",
    )
    volume_gib: int = setting(20, Whole(minimum=8, maximum=16384), "size of the encrypted gp3 root volume", unit="GiB")
    imds_hop_limit: int = setting(
        1, Whole(minimum=1, maximum=64), "network hops that an IMDSv2 answer may take; 2 for containers", unit="hops"
    )
    health_check_grace_s: int = setting(
        60,
        Whole(minimum=0, maximum=7200),
        "time after InService in which the group ignores failed EC2 checks",
        unit="s",
    )
    agent_deadline_s: int = setting(
        1800,
        Whole(minimum=5, maximum=7200),
        "how long the agent of one boot waits to be listed before systemd starts it again",
        unit="s",
    )

    @property
    def root_device(self) -> str:
        """The root device of the image."""
        return self.root_device_name or _ROOT_DEVICES[self.operating_system]


def member_conflicts(settings: "Settings", _given: Mapping[str, Any]) -> Iterator[str]:
    """Yield one line for each pair of values that cannot go together."""
    members = settings.members
    if members.operating_system == "flatcar":
        for key, why in (
            ("ami_id", "an image id, for there is no public parameter with Flatcar's newest"),
            ("agent_image", "the agent's OCI image, for Flatcar has no Python"),
        ):
            if not getattr(members, key):
                yield f"{KEY_PREFIX}{key}: got nothing, expected {why} ({KEY_PREFIX}operating_system=flatcar)"
    elif members.agent_image:
        yield (
            f"{KEY_PREFIX}agent_image: got {members.agent_image!r}, expected nothing, "
            f"for with {KEY_PREFIX}operating_system={members.operating_system} the agent runs with the image's Python"
        )
    if settings.network.egress == "endpoints" and members.agent_image and not members.agent_image.startswith("s3://"):
        yield (
            f"{KEY_PREFIX}agent_image: got {members.agent_image!r}, expected an s3:// address, "
            f"for with {KEY_PREFIX}egress=endpoints nothing else can be reached"
        )
