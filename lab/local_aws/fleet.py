"""EC2 for the played Auto Scaling: instances in MiniStack's EC2, with addresses that this machine can bind."""

# ruff: noqa: SLF001  # MiniStack has no other door; names.py checks these names at start

from __future__ import annotations

import ipaddress
import threading
import time
from typing import TYPE_CHECKING, Any, Final

from ministack.services import ec2

from .autoscaling.ports import ApiError, Launched, Subnet

if TYPE_CHECKING:
    from collections.abc import Callable

    from .autoscaling.model import Group

_CODES: Final = {"pending": 0, "running": 16, "shutting-down": 32, "terminated": 48, "stopping": 64, "stopped": 80}
_GONE: Final = frozenset({"shutting-down", "terminated"})
_RESERVED_ADDRESSES: Final = 3  # after the network's own: AWS keeps the first four of a subnet


class Ec2Fleet:
    """Instances of Auto Scaling groups.

    Args:
        changed: called with an instance id after its EC2 state changed.
    """

    def __init__(self, changed: Callable[[str], None]) -> None:
        self._changed = changed
        self._lock = threading.Lock()
        self._impaired: set[str] = set()

    def subnets(self, subnet_ids: list[str]) -> list[Subnet]:
        """The subnets of these ids that exist."""
        found = (ec2._subnets.get(each) for each in subnet_ids)
        return [Subnet(each["SubnetId"], each["AvailabilityZone"]) for each in found if each]

    def template(self, specification: dict[str, Any]) -> dict[str, str]:
        """The launch template's id, name and the version number that the specification means now.

        Raises:
            ApiError: there is no such launch template or version.
        """
        record, version = self._version(specification)
        return {
            "LaunchTemplateId": record["LaunchTemplateId"],
            "LaunchTemplateName": record["LaunchTemplateName"],
            "Version": str(version["VersionNumber"]),
        }

    def launch(self, group: Group, subnet: Subnet, launch_template: dict[str, str]) -> Launched:
        """Start one instance of the launch template, in state ``pending``, with the subnet's lowest free address.

        Raises:
            ApiError: the launch template is gone, or the subnet is full.
        """
        _, version = self._version(launch_template)
        data = version["LaunchTemplateData"]
        interfaces = data.get("NetworkInterfaces") or [{}]
        profile = data.get("IamInstanceProfile") or {}
        resolved, _ = ec2._resolve_iam_instance_profile(
            iam_arn=profile.get("Arn", ""), iam_name=profile.get("Name", ""), allow_missing=True
        )
        with self._lock:
            record = ec2._launch_instances_internal(
                data.get("ImageId", "ami-0"),
                data.get("InstanceType", "t3.small"),
                subnet.subnet_id,
                1,
                user_data=data.get("UserData", ""),
                sg_ids=data.get("SecurityGroupIds") or interfaces[0].get("Groups"),
                requested_private_ip=_free_address(subnet.subnet_id),
                iam_profile=resolved,
            )[0]
        instance_id = record["InstanceId"]
        record["Placement"]["AvailabilityZone"] = subnet.zone
        record["PublicIpAddress"] = record["PublicDnsName"] = ""
        record["State"] = {"Code": _CODES["pending"], "Name": "pending"}
        record["_group"] = group.name
        own = {"aws:autoscaling:groupName": group.name}
        # The group's tags win: https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-tagging.html
        tags = _template_tags(data) | {t["Key"]: t["Value"] for t in group.tags if t["PropagateAtLaunch"]} | own
        ec2._tags[instance_id] = [{"Key": key, "Value": value} for key, value in tags.items()]
        self._changed(instance_id)
        return Launched(instance_id, record["ImageId"], record["InstanceType"], launch_template)

    def state(self, instance_id: str) -> str:
        """EC2's instance state; ``terminated`` too for an instance that EC2 no longer knows."""
        record = ec2._instances.get(instance_id)
        return str(record["State"]["Name"]) if record else "terminated"

    def set_state(self, instance_id: str, state: str) -> None:
        """Put the instance into an EC2 instance state; an instance that is gone only goes further."""
        record = ec2._instances.get(instance_id)
        if record is None or (record["State"]["Name"] in _GONE and state not in _GONE):
            return
        if record["State"]["Name"] == "terminated":
            return
        record["State"] = {"Code": _CODES[state], "Name": state}
        if state == "terminated":
            record["_terminated_at"] = time.time()
        self._changed(instance_id)

    def impaired(self, instance_id: str) -> bool:
        """Whether a status check of the instance fails."""
        return instance_id in self._impaired

    def impair(self, instance_id: str) -> None:
        """Let the instance's status checks fail: its host lost power or network."""
        self._impaired.add(instance_id)
        self._changed(instance_id)

    def _version(self, specification: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        wanted, name = specification.get("LaunchTemplateId"), specification.get("LaunchTemplateName")
        record = ec2._launch_templates.get(wanted) if wanted else None
        if record is None and name:
            record = next((t for t in ec2._launch_templates.values() if t["LaunchTemplateName"] == name), None)
        if record is None:
            raise ApiError(
                "ValidationError",
                "You must use a valid fully-formed launch template. The specified launch template does not exist.",
            )
        number = str(specification.get("Version") or "$Default")
        latest, default = record["LatestVersionNumber"], record["DefaultVersionNumber"]
        number = {"$Latest": str(latest), "$Default": str(default)}.get(number, number)
        for version in record["Versions"]:
            if str(version["VersionNumber"]) == number:
                return record, version
        raise ApiError(
            "ValidationError",
            f"You must use a valid fully-formed launch template. Launch template version {number} does not exist.",
        )


def _template_tags(data: dict[str, Any]) -> dict[str, str]:
    """The tags that a launch template gives its instances."""
    return {
        tag["Key"]: tag["Value"]
        for specification in data.get("TagSpecifications") or ()
        if specification["ResourceType"] == "instance"
        for tag in specification["Tags"]
    }


def _free_address(subnet_id: str) -> str:
    used = {each["PrivateIpAddress"] for each in ec2._instances.values() if each["State"]["Name"] != "terminated"}
    cidr = ec2._subnets[subnet_id]["CidrBlock"]
    hosts = list(ipaddress.ip_network(cidr).hosts())[_RESERVED_ADDRESSES:]
    free = next((str(host) for host in hosts if str(host) not in used), None)
    if free is None:
        raise ApiError(
            "InsufficientFreeAddressesInSubnet", f"There are no free addresses in subnet {subnet_id} ({cidr})"
        )
    return free
