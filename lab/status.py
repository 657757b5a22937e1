"""What ``status`` shows: instances, members, the record."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from lab.paths import LabError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lab.lab import Lab

_COLUMNS: Final = ("instance", "zone", "address", "lifecycle", "health", "etcd")


def report(lab: Lab) -> str:
    """The lab's state for a person to read."""
    state = lab.state
    parts = [
        f"local AWS {state.aws_endpoint}   control {state.control_url}   network {state.cidr}   {lab.directory}",
        table([_COLUMNS, *_rows(lab)]),
        _members(lab),
        _record(lab.record()),
    ]
    return "\n\n".join(parts)


def table(rows: Sequence[tuple[str, ...]]) -> str:
    """Rows in columns; the first row is the heading."""
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def _rows(lab: Lab) -> list[tuple[str, ...]]:
    roles = _roles(lab)
    hosts = {each["instance_id"]: each for each in lab.hosts()}
    rows: list[tuple[str, ...]] = []
    for group in lab.autoscaling.describe_auto_scaling_groups()["AutoScalingGroups"]:
        for each in group["Instances"]:
            instance_id = each["InstanceId"]
            address = hosts.get(instance_id, {}).get("address", "")
            default = (
                "" if group["AutoScalingGroupName"] == lab.state.cluster else f"(of {group['AutoScalingGroupName']})"
            )
            role = roles.get(instance_id, default)
            rows.append(
                (instance_id, each["AvailabilityZone"], address, each["LifecycleState"], each["HealthStatus"], role)
            )
    return rows


def _roles(lab: Lab) -> dict[str, str]:
    """What etcd calls each instance; empty when no member answers."""
    try:
        members, leader = lab.etcdctl.members(), lab.etcdctl.leader()
    except LabError:
        return {}
    return {
        each["name"]: "learner" if each.get("isLearner") else "leader" if each["ID"] == leader else "voter"
        for each in members
        if each.get("name")
    }


def _members(lab: Lab) -> str:
    try:
        return lab.etcdctl.run("member", "list", "--write-out=table").rstrip()
    except LabError as error:
        return str(error)


def _record(record: dict[str, Any] | None) -> str:
    """The record, each member on a line of its own."""
    if record is None:
        return "no record"
    members = [f"  {json.dumps(each)}" for each in record["members"]]
    rest = {name: value for name, value in record.items() if name != "members"}
    return "\n".join([f"record {json.dumps(rest)}", *members])
