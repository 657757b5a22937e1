"""What EC2's API shows of played instances: one network interface, no address once terminated, failed status checks.

DescribeInstances heeds the filter ``instance-id``, which MiniStack passes over: it would show the whole account.
"""

# ruff: noqa: SLF001  # MiniStack has no other door; names.py checks these names at start

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from ministack.services import ec2

if TYPE_CHECKING:
    from collections.abc import Callable

    from .fleet import Ec2Fleet

_ADDRESS: Final = re.compile(r"\s*<(privateIpAddress|privateDnsName|subnetId|vpcId)>[^<]*</\1>")
_PUBLIC: Final = re.compile(r"\s*<(ipAddress|dnsName)></\1>")
_STATUS: Final = re.compile(r"(<(?:systemStatus|instanceStatus)>\s*<status>)ok(</status>.*?<status>)passed", re.DOTALL)


def install(fleet: Ec2Fleet, wake: Callable[[], None]) -> None:
    """Put the lab's view of its instances into MiniStack's EC2.

    Args:
        fleet: knows which instances are impaired.
        wake: called after a request may have changed an instance.
    """
    plain = ec2._instance_xml

    def instance_xml(record: dict[str, Any]) -> str:
        text = str(plain(record))
        if "_group" not in record:
            return text
        text = _PUBLIC.sub("", text)
        if record["State"]["Name"] == "terminated":
            return _ADDRESS.sub("", text)
        return text.rstrip().removesuffix("</item>") + _interface(record) + "</item>"

    ec2._instance_xml = instance_xml
    plain_match = ec2._matches_filters

    def matches_filters(record: dict[str, Any], filters: dict[str, list[str]]) -> bool:
        if record["InstanceId"] not in filters.get("instance-id", [record["InstanceId"]]):
            return False
        return bool(plain_match(record, filters))

    ec2._matches_filters = matches_filters
    status = ec2._ACTION_MAP["DescribeInstanceStatus"]

    def describe_status(parameters: dict[str, Any]) -> Any:  # noqa: ANN401  # MiniStack's answer
        code, headers, body = status(parameters)
        return code, headers, _impair(body.decode(), fleet).encode()

    ec2._ACTION_MAP["DescribeInstanceStatus"] = describe_status
    for action in ("TerminateInstances", "StopInstances", "StartInstances"):
        ec2._ACTION_MAP[action] = _waking(ec2._ACTION_MAP[action], wake)


def _waking(action: Callable[[Any], Any], wake: Callable[[], None]) -> Callable[[Any], Any]:
    def wrapped(parameters: Any) -> Any:  # noqa: ANN401  # MiniStack's request and answer
        answer = action(parameters)
        wake()
        return answer

    return wrapped


def _impair(text: str, fleet: Ec2Fleet) -> str:
    parts = re.split(r"(?=<item>\s*<instanceId>)", text)
    for at, part in enumerate(parts):
        found = re.search(r"<instanceId>([^<]+)</instanceId>", part)
        if found and fleet.impaired(found[1]):
            parts[at] = _STATUS.sub(r"\1impaired\2failed", part)
    return "".join(parts)


def _interface(record: dict[str, Any]) -> str:
    address, eni = record["PrivateIpAddress"], "eni-" + record["InstanceId"][2:]
    return (
        f"<networkInterfaceSet><item><networkInterfaceId>{eni}</networkInterfaceId>"
        f"<subnetId>{record['SubnetId']}</subnetId><vpcId>{record['VpcId']}</vpcId><status>in-use</status>"
        f"<privateIpAddress>{address}</privateIpAddress><attachment><deviceIndex>0</deviceIndex>"
        f"<status>attached</status></attachment><privateIpAddressesSet><item>"
        f"<privateIpAddress>{address}</privateIpAddress><primary>true</primary></item></privateIpAddressesSet>"
        f"</item></networkInterfaceSet>"
    )
