"""What an instance of the group is."""

from dataclasses import dataclass

from infra.settings.rules import Text, Whole, setting


@dataclass(frozen=True, kw_only=True)
class MemberSettings:
    """What an instance of the group is."""

    instance_type: str = setting(
        "m7g.medium",
        Text(form=r"[a-z][a-z0-9-]*\.[a-z0-9-]+", expected="an EC2 instance type such as m7g.medium"),
        "EC2 instance type; its processor (x86_64 or arm64) selects image and etcd archive",
    )
    ami_id: str = setting(
        "",
        Text(form=r"|ami-[0-9a-f]{8}([0-9a-f]{9})?", expected="an image id such as ami-0123456789abcdef0, or empty"),
        "machine image with systemd, curl, the AWS CLI and Python 3.9 or newer; empty takes the Amazon Linux 2023 "
        "that is newest at each deploy",
    )
    root_device_name: str = setting(
        "/dev/xvda",
        Text(form=r"/dev/[a-z0-9]+", expected="a device such as /dev/xvda"),
        "root device of the image",
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
