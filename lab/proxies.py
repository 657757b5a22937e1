"""A group of etcd proxies beside the cluster: the kind of host that ``PROXY_ASG`` is for."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any, Final

from lab.hosts.user_data import AGENT_ENV

if TYPE_CHECKING:
    from collections.abc import Callable

_USER_DATA: Final = """#cloud-config
write_files:
- path: {path}
  content: |
    {variables}
"""


def proxy_group(client: Callable[[str], Any], *, name: str, follows: dict[str, Any], size: int, by_tag: bool) -> None:
    """Make the group, with a launch template of its own.

    Args:
        client: makes boto3 clients by service.
        name: name of the group and of its launch template.
        follows: the cluster's group, as DescribeAutoScalingGroups shows it.
        size: number of hosts.
        by_tag: let them find the cluster's group by its ``Name`` tag.
    """
    variables = {"PROXY_ASG": follows["AutoScalingGroupName"], "AWS_REGION": "us-east-1"}
    if by_tag:
        tags = {tag["Key"]: tag["Value"] for tag in follows["Tags"]}
        variables |= {"PROXY_ASG": tags["Name"], "ASG_BY_TAG": "true"}
    lines = "\n    ".join(f"{key}={value}" for key, value in variables.items())
    user_data = _USER_DATA.format(path=AGENT_ENV, variables=lines)
    profile = _profile(client("iam"), name)
    template = client("ec2").create_launch_template(
        LaunchTemplateName=name,
        LaunchTemplateData={
            "ImageId": "ami-0c2023a1b2c3d4e5f",
            "InstanceType": "t4g.micro",
            "IamInstanceProfile": {"Name": profile},
            "UserData": base64.b64encode(user_data.encode()).decode(),
        },
    )["LaunchTemplate"]["LaunchTemplateId"]
    client("autoscaling").create_auto_scaling_group(
        AutoScalingGroupName=name,
        LaunchTemplate={"LaunchTemplateId": template, "Version": "$Latest"},
        MinSize=size,
        MaxSize=size,
        VPCZoneIdentifier=follows["VPCZoneIdentifier"],
    )


def _profile(iam: Any, name: str) -> str:  # noqa: ANN401  # a boto3 client
    """An instance profile whose role can do what a proxy's agent does, and nothing else."""
    trust = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
    allowed = {
        "Effect": "Allow",
        "Action": ["ssm:GetParameter", "autoscaling:DescribeTags"],
        "Resource": "*",
    }
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=_policy(trust))
    iam.put_role_policy(RoleName=name, PolicyName="agent", PolicyDocument=_policy(allowed))
    iam.create_instance_profile(InstanceProfileName=name)
    iam.add_role_to_instance_profile(InstanceProfileName=name, RoleName=name)
    return name


def _policy(statement: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})
