"""A group as a user of the bash container has it: made by hand, without hooks, its hosts without the agent."""

from __future__ import annotations

import base64
import ipaddress
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from lab.hosts.user_data import OLD_CONTAINER, OLD_UNIT_ENV

if TYPE_CHECKING:
    from collections.abc import Callable

_ZONES: Final = ("us-east-1a", "us-east-1b", "us-east-1c")
_OLD: Final = f"""#!/bin/bash
private_ipv4=$(curl --silent http://169.254.169.254/latest/meta-data/local-ipv4)
cat > {OLD_UNIT_ENV} <<EOF
ETCD_DATA_DIR=/var/lib/etcd/data
ETCD_ENABLE_V2=true
ETCD_LISTEN_PEER_URLS=http://$private_ipv4:2380
ETCD_LISTEN_CLIENT_URLS=http://$private_ipv4:2379
ETCD_INITIAL_ADVERTISE_PEER_URLS=http://$private_ipv4:2380
ETCD_ADVERTISE_CLIENT_URLS=http://$private_ipv4:2379
EOF
docker run --net=host -v /etc/sysconfig/:/etc/sysconfig/ {OLD_CONTAINER}
systemctl start etcd
"""


@dataclass(frozen=True)
class OldGroup:
    """What was made.

    Attributes:
        client: makes boto3 clients by service.
    """

    client: Callable[[str], Any]
    name: str
    vpc_id: str
    security_group_id: str
    launch_template_id: str

    def take(self, script: str) -> None:
        """Give the group a version of its launch template with another script as its user data."""
        self.client("ec2").create_launch_template_version(
            LaunchTemplateId=self.launch_template_id,
            LaunchTemplateData=_launch_data(self.name, self.security_group_id, script),
        )
        self.client("autoscaling").update_auto_scaling_group(
            AutoScalingGroupName=self.name,
            LaunchTemplate={"LaunchTemplateId": self.launch_template_id, "Version": "$Latest"},
        )


def old_group(client: Callable[[str], Any], *, name: str, size: int, cidr: str) -> OldGroup:
    """Make a VPC of three isolated subnets, a security group, a role, a launch template and the group.

    Args:
        client: makes boto3 clients by service.
        name: name of the group, and of its launch template and role.
        size: number of instances.
        cidr: addresses of the VPC.
    """
    ec2 = client("ec2")
    vpc_id = ec2.create_vpc(CidrBlock=cidr)["Vpc"]["VpcId"]
    parts = ipaddress.ip_network(cidr).subnets(prefixlen_diff=2)
    subnets = [
        ec2.create_subnet(VpcId=vpc_id, CidrBlock=str(part), AvailabilityZone=zone)["Subnet"]["SubnetId"]
        for part, zone in zip(parts, _ZONES, strict=False)
    ]
    security_group_id = ec2.create_security_group(GroupName=name, Description="etcd", VpcId=vpc_id)["GroupId"]
    _profile(client("iam"), name)
    template = ec2.create_launch_template(
        LaunchTemplateName=name, LaunchTemplateData=_launch_data(name, security_group_id, _OLD)
    )["LaunchTemplate"]["LaunchTemplateId"]
    client("autoscaling").create_auto_scaling_group(
        AutoScalingGroupName=name,
        LaunchTemplate={"LaunchTemplateId": template, "Version": "1"},
        MinSize=1,
        MaxSize=size + 1,
        DesiredCapacity=size,
        VPCZoneIdentifier=",".join(subnets),
    )
    return OldGroup(
        client=client,
        name=name,
        vpc_id=vpc_id,
        security_group_id=security_group_id,
        launch_template_id=template,
    )


def _launch_data(name: str, security_group_id: str, script: str) -> dict[str, Any]:
    return {
        "ImageId": "ami-0c2023a1b2c3d4e5f",
        "InstanceType": "m5.large",
        "IamInstanceProfile": {"Name": name},
        "SecurityGroupIds": [security_group_id],
        "UserData": base64.b64encode(script.encode()).decode(),
    }


def _profile(iam: Any, name: str) -> None:  # noqa: ANN401  # a boto3 client
    """A role with what the container needs, and what the agent will need (docs/attach.md)."""
    trust = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
    groups = ["autoscaling:DescribeAutoScalingGroups", "autoscaling:DescribeAutoScalingInstances"]
    record = f"arn:aws:ssm:*:*:parameter/etcd-aws-cluster/{name}/record"
    statements: list[dict[str, Any]] = [
        {"Effect": "Allow", "Action": [*groups, "ec2:DescribeInstances"], "Resource": "*"},
        {"Effect": "Allow", "Action": "ssm:GetParameter", "Resource": record},
    ]
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=_policy([trust]))
    iam.put_role_policy(RoleName=name, PolicyName="hosts", PolicyDocument=_policy(statements))
    iam.create_instance_profile(InstanceProfileName=name)
    iam.add_role_to_instance_profile(InstanceProfileName=name, RoleName=name)


def _policy(statements: list[dict[str, Any]]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements})
