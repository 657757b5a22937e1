"""What roles are granted against what they did: the tables of docs/security.md, and the comparison."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

_AUTOSCALING = "https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonec2autoscaling.html"
_EC2 = "https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonec2.html"
_XRAY = "https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsx-ray.html"

NO_RESOURCE_LEVEL: Mapping[str, str] = {
    "autoscaling:DescribeAutoScalingGroups": _AUTOSCALING,
    "autoscaling:DescribeInstanceRefreshes": _AUTOSCALING,
    "autoscaling:DescribeScalingActivities": _AUTOSCALING,
    "autoscaling:DescribeWarmPool": _AUTOSCALING,
    "ec2:DescribeInstances": _EC2,
    "ec2:DescribeInstanceStatus": _EC2,
    "ec2:DescribeLaunchTemplateVersions": _EC2,
    "ec2:DescribeNetworkInterfaces": _EC2,
    "ec2:DescribeSubnets": _EC2,
    "xray:PutTelemetryRecords": _XRAY,
    "xray:PutTraceSegments": _XRAY,
}
"""Actions that can only be granted on ``*``, each with the page of AWS's reference that has no resource for it."""

_POLLER = "Lambda's poller calls it, with the function's role"
_INTERFACES = "Lambda calls it, to put the function into its subnets; the function's own code is denied it"
_DAEMON = "Lambda's X-Ray daemon calls it"
_LOGS = "Lambda calls it, to write the function's log"

UNSEEN: Mapping[str, str] = {
    "ec2:AssignPrivateIpAddresses": _INTERFACES,
    "ec2:CreateNetworkInterface": _INTERFACES,
    "ec2:DeleteNetworkInterface": _INTERFACES,
    "ec2:DescribeNetworkInterfaces": _INTERFACES,
    "ec2:DescribeSubnets": _INTERFACES,
    "ec2:UnassignPrivateIpAddresses": _INTERFACES,
    "logs:CreateLogStream": _LOGS,
    "logs:PutLogEvents": _LOGS,
    "sqs:DeleteMessage": _POLLER,
    "sqs:GetQueueAttributes": _POLLER,
    "sqs:ReceiveMessage": _POLLER,
    "xray:PutTelemetryRecords": _DAEMON,
    "xray:PutTraceSegments": _DAEMON,
}
"""Actions that no run of the lab shows, for AWS's own side calls them, with who does and why."""


@dataclass(frozen=True, order=True)
class Grant:
    """One action on one resource, which may hold ``*``, that a role is granted.

    Attributes:
        role: its logical id.
    """

    role: str
    action: str
    resource: str

    def covers(self, call: Mapping[str, Any]) -> bool:
        """Whether a recorded call is one that this grants; its ``role`` is a logical id, too."""
        if (call["role"], call["action"]) != (self.role, self.action):
            return False
        # A call on a group of any id was recorded with a star in the id's place.
        return fnmatchcase(call["resource"], self.resource)


def grants_of(role: str, document: Mapping[str, Any]) -> Iterator[Grant]:
    """Yield what a policy document grants; one that denies grants nothing."""
    for statement in _several(document["Statement"]):
        if statement["Effect"] == "Allow":
            for action in _several(statement["Action"]):
                for resource in _several(statement["Resource"]):
                    yield Grant(role, action, resource)


def unused(grants: Iterable[Grant], calls: Iterable[Mapping[str, Any]]) -> list[Grant]:
    """Return what was granted and never called, but for :data:`UNSEEN`."""
    made = [call for call in calls if call["allowed"]]
    return sorted(g for g in grants if g.action not in UNSEEN and not any(g.covers(call) for call in made))


def not_granted(grants: Iterable[Grant], calls: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the calls that were refused, or let through by something else than these grants."""
    known = list(grants)
    return [call for call in calls if not call["allowed"] or not any(g.covers(call) for g in known)]


def render_tables() -> str:
    """Return the two tables as docs/security.md has them."""
    no_level = [f"| `{action}` | [reference]({url}) |" for action, url in NO_RESOURCE_LEVEL.items()]
    unseen = [f"| `{action}` | {reason} |" for action, reason in UNSEEN.items()]
    return "\n".join(
        [
            *("| only on `*` | because the resource column is empty |", "| --- | --- |", *no_level, ""),
            *("| in no run of the lab | for |", "| --- | --- |", *unseen, ""),
        ]
    )


def _several(value: Any) -> list[Any]:  # noqa: ANN401 - a policy's members are one or several
    return value if isinstance(value, list) else [value]


if __name__ == "__main__":
    print(render_tables(), end="")  # noqa: T201 - a command
