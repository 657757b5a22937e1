"""The Auto Scaling group as a deployment sees it: launch templates, instance refreshes, scaling activities."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import takewhile
from typing import TYPE_CHECKING

from ..aws.errors import AlreadySo, already, aws_call
from ..core.errors import AwsError, GroupGoneError
from ..core.model import LAUNCHING, LEAVING, InstanceId, Lifecycle
from .deployed import TAG

if TYPE_CHECKING:
    from mypy_boto3_autoscaling.client import AutoScalingClient
    from mypy_boto3_autoscaling.type_defs import ActivityTypeDef, InstanceRefreshTypeDef
    from mypy_boto3_ec2.client import EC2Client

ACTIVE = frozenset({"Pending", "InProgress", "Cancelling", "RollbackInProgress", "Baking"})
"""Statuses of an instance refresh that is not over."""

_NOT_RUNNING = AlreadySo("ActiveInstanceRefreshNotFound")
_FAILED = frozenset({"Failed", "Cancelled"})
_CANNOT_LAUNCH = 3
"""EC2 may refuse a launch for a moment, or in one zone: so many refusals in a row are taken for an answer."""
_LAUNCHED = frozenset({"MidLifecycleAction", "WaitingForInstanceWarmup", "Successful"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Refresh:
    """An instance refresh.

    Attributes:
        status: AWS's word.
        reason: AWS's explanation of it; empty where there is none.
        is_ours: Whether it replaces what the deployment wants replaced, in the way that the deployment would.
        started_at: Epoch seconds, by AWS's clock; 0 where AWS has not said, as of one that is pending.
    """

    refresh_id: str
    status: str
    reason: str = ""
    is_ours: bool = True
    started_at: float = 0.0

    @property
    def is_active(self) -> bool:
        """Whether it is not over."""
        return self.status in ACTIVE


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupState:
    """One look.

    Attributes:
        old: Instances in service, or on standby, of another launch template than the group's.
        old_newcomers: Instances of another launch template that are still launching.
        newcomers: Instances of the group's launch template that are still launching.
        in_service: Instances of the group's launch template that are in service.
        leaving: Instances on their way out, of any launch template.
        protected: Instances, of any launch template, that scaling in does not touch.
        refreshes: Newest first.
    """

    desired: int
    old: frozenset[InstanceId] = frozenset()
    old_newcomers: frozenset[InstanceId] = frozenset()
    newcomers: frozenset[InstanceId] = frozenset()
    in_service: frozenset[InstanceId] = frozenset()
    leaving: frozenset[InstanceId] = frozenset()
    protected: frozenset[InstanceId] = frozenset()
    refreshes: tuple[Refresh, ...] = field(default=())

    @property
    def active_refresh(self) -> Refresh | None:
        """The instance refresh that is not over; a group has one at most."""
        return next((r for r in self.refreshes if r.is_active), None)

    def refresh(self, refresh_id: str) -> Refresh | None:
        """Return the instance refresh of that id."""
        return next((r for r in self.refreshes if r.refresh_id == refresh_id), None)


class DeployedGroup:
    """One group's launch template, refreshes and activities, on AWS."""

    def __init__(self, *, autoscaling: AutoScalingClient, ec2: EC2Client, name: str) -> None:
        self._autoscaling = autoscaling
        self._ec2 = ec2
        self._name = name

    def tags(self, instance_ids: Collection[InstanceId]) -> Mapping[InstanceId, str]:
        """Return what each of the instances was deployed with, as its tag says; those without it are left out.

        Raises:
            AwsError: The call failed.
        """
        if not instance_ids:
            return {}
        with aws_call("DescribeInstances", ", ".join(sorted(instance_ids))):
            pages = self._ec2.get_paginator("describe_instances").paginate(
                Filters=[{"Name": "instance-id", "Values": sorted(instance_ids)}]
            )
            instances = [i for page in pages for r in page["Reservations"] for i in r["Instances"]]
        return {
            InstanceId(i["InstanceId"]): tag["Value"]
            for i in instances
            for tag in i.get("Tags", ())
            if tag["Key"] == TAG
        }

    def look(self) -> GroupState:
        """Return how the group stands.

        Raises:
            GroupGoneError: There is no such group.
            AwsError: A call failed.
        """
        with aws_call("DescribeAutoScalingGroups", self._name):
            found = self._autoscaling.describe_auto_scaling_groups(AutoScalingGroupNames=[self._name])
        if not found["AutoScalingGroups"]:
            raise GroupGoneError(f"there is no Auto Scaling group named {self._name!r}")
        group = found["AutoScalingGroups"][0]
        wanted = group.get("LaunchTemplate", {})
        template, version = wanted.get("LaunchTemplateId", ""), wanted.get("Version", "")
        listed = {
            InstanceId(i["InstanceId"]): (Lifecycle.parse(i["LifecycleState"]), i.get("LaunchTemplate", {}))
            for i in group.get("Instances", [])
        }
        versions = {t.get("Version", "") for _, t in listed.values() if t.get("LaunchTemplateId") == template}
        same = self._same_content(template, version, versions)
        current = {i for i, (_, t) in listed.items() if t.get("LaunchTemplateId") == template and t["Version"] in same}
        serving = {i for i, (state, _) in listed.items() if state in {Lifecycle.IN_SERVICE, Lifecycle.STANDBY}}
        launching = {i for i, (state, _) in listed.items() if state in LAUNCHING}
        return GroupState(
            desired=group["DesiredCapacity"],
            old=frozenset(serving - current),
            old_newcomers=frozenset(launching - current),
            newcomers=frozenset(launching & current),
            in_service=frozenset(serving & current),
            leaving=frozenset(i for i, (state, _) in listed.items() if state in LEAVING),
            protected=frozenset(
                InstanceId(i["InstanceId"]) for i in group.get("Instances", []) if i.get("ProtectedFromScaleIn")
            )
            & serving,
            refreshes=self._refreshes(),
        )

    def start_refresh(self, desired: int) -> str:
        """Start an instance refresh that launches one before it terminates one. Returns its id.

        Raises:
            AwsError: The call failed; another refresh may be running.
        """
        with aws_call("StartInstanceRefresh", self._name):
            answer = self._autoscaling.start_instance_refresh(
                AutoScalingGroupName=self._name,
                Strategy="Rolling",
                Preferences={
                    "MinHealthyPercentage": 100,
                    "MaxHealthyPercentage": one_more(desired),
                    # InService means a caught-up voter: there is nothing more to wait for.
                    "InstanceWarmup": 0,
                    "SkipMatching": True,
                    "ScaleInProtectedInstances": "Refresh",
                    "StandbyInstances": "Wait",
                },
            )
        return answer["InstanceRefreshId"]

    def protect(self, instance_ids: Collection[InstanceId], *, yes: bool) -> None:
        """Protect instances from scaling in, or no longer.

        Raises:
            AwsError: The call failed, as it does for an instance that has just left.
        """
        with aws_call("SetInstanceProtection", ", ".join(sorted(instance_ids))):
            self._autoscaling.set_instance_protection(
                AutoScalingGroupName=self._name, InstanceIds=sorted(instance_ids), ProtectedFromScaleIn=yes
            )

    def cancel_refresh(self) -> None:
        """Stop the running instance refresh; if there is none, that is success.

        Raises:
            AwsError: The call failed.
        """
        with aws_call("CancelInstanceRefresh", self._name), already(_NOT_RUNNING):
            self._autoscaling.cancel_instance_refresh(AutoScalingGroupName=self._name)

    def failed_launches(self, since: float) -> tuple[str, ...]:
        """Return AWS's words for launches that began at ``since`` (epoch seconds, AWS's clock) or later and failed.

        One that a lifecycle hook abandoned is enough; EC2's refusals count from the third on since the last launch.

        Raises:
            AwsError: The call failed.
        """
        with aws_call("DescribeScalingActivities", self._name):
            # The newest hundred: more than a refresh of nine instances makes.
            activities = self._autoscaling.describe_scaling_activities(AutoScalingGroupName=self._name)["Activities"]
        launches = [
            a
            for a in activities
            if a["StartTime"].timestamp() >= since and a.get("Description", "").startswith("Launching")
        ]
        abandoned = [a for a in _failed(launches) if "Lifecycle Action" in a.get("StatusMessage", "")]
        refused = _failed(takewhile(lambda a: a["StatusCode"] not in _LAUNCHED, launches))
        counted = abandoned or (refused if len(refused) >= _CANNOT_LAUNCH else [])
        return tuple(_words(a) for a in counted)

    def _same_content(self, template: str, version: str, versions: set[str]) -> set[str]:
        """Those of a launch template's versions that launch the same as ``version`` does.

        A stack that rolls back may make a new version of the old content: no reason to replace anything.
        """
        if versions <= {version}:
            return {version}
        with aws_call("DescribeLaunchTemplateVersions", template):
            pages = self._ec2.get_paginator("describe_launch_template_versions").paginate(
                LaunchTemplateId=template, Versions=sorted(versions | {version})
            )
            found = {
                str(v["VersionNumber"]): v["LaunchTemplateData"]
                for page in pages
                for v in page["LaunchTemplateVersions"]
            }
        if version not in found:
            raise AwsError(f"DescribeLaunchTemplateVersions does not find version {version} of {template}")
        return {number for number, data in found.items() if data == found[version]}

    def _refreshes(self) -> tuple[Refresh, ...]:
        with aws_call("DescribeInstanceRefreshes", self._name):
            found = self._autoscaling.describe_instance_refreshes(AutoScalingGroupName=self._name)["InstanceRefreshes"]
        return tuple(_refresh(raw) for raw in found)


def one_more(desired: int) -> int:
    """Return the least MaxHealthyPercentage with which one instance more than ``desired`` may run."""
    return min(200, math.ceil(100 * (desired + 1) / desired)) if desired else 100


def _refresh(raw: InstanceRefreshTypeDef) -> Refresh:
    preferences = raw.get("Preferences", {})
    return Refresh(
        refresh_id=raw["InstanceRefreshId"],
        status=raw["Status"],
        reason=raw.get("StatusReason") or "",
        # To the group's own launch template, and never fewer voters than desired.
        is_ours="LaunchTemplate" not in (raw.get("DesiredConfiguration") or {})
        and preferences.get("MinHealthyPercentage") == 100,  # noqa: PLR2004 - percent
        started_at=raw["StartTime"].timestamp() if "StartTime" in raw else 0.0,
    )


def _failed(activities: Iterable[ActivityTypeDef]) -> list[ActivityTypeDef]:
    return [a for a in activities if a["StatusCode"] in _FAILED]


def _words(activity: ActivityTypeDef) -> str:
    return f"{activity.get('Description', '')}: {activity.get('StatusMessage') or activity['StatusCode']}"
