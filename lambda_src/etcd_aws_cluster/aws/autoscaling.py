"""The Auto Scaling group and EC2."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING

from ..core.errors import GroupGoneError
from ..core.model import Ec2State, Group, Instance, InstanceId, Lifecycle, Result, Transition
from .errors import AlreadySo, already, aws_call

if TYPE_CHECKING:
    from mypy_boto3_autoscaling.client import AutoScalingClient
    from mypy_boto3_autoscaling.type_defs import AutoScalingGroupTypeDef, InstanceTypeDef
    from mypy_boto3_ec2.client import EC2Client
    from mypy_boto3_ec2.type_defs import InstanceStatusTypeDef
    from mypy_boto3_ec2.type_defs import InstanceTypeDef as Ec2InstanceTypeDef

# Auto Scaling has one code for every mistake; only the message tells them apart.
_NONE_ACTIVE = AlreadySo("ValidationError", "No active Lifecycle Action found")
_NOT_MANAGED = AlreadySo("ValidationError", "No managed instance found")
_NO_INSTANCE = AlreadySo("InvalidInstanceID.NotFound")


class AutoScalingInstanceGroup:
    """The port InstanceGroup on AWS.

    A read takes two calls, three where the group has a warm pool, however many other groups the account has.
    """

    def __init__(
        self,
        *,
        autoscaling: AutoScalingClient,
        ec2: EC2Client,
        name: str,
        hook_names: Mapping[Transition, str],
    ) -> None:
        self._autoscaling = autoscaling
        self._ec2 = ec2
        self._name = name
        self._hook_names = hook_names

    def read(self, also: Collection[InstanceId]) -> Group:
        """Return the group, and EC2's state of the instances in ``also`` that it does not list.

        An instance that EC2 does not know is ABSENT. EC2 may take a moment to show one that has just been launched.

        Raises:
            GroupGoneError: There is no such group.
            AwsError: A call failed.
        """
        group = self._describe_group()
        listed = {i["InstanceId"]: i for i in group.get("Instances", [])}
        if "WarmPoolConfiguration" in group:
            listed = {i["InstanceId"]: i for i in self._describe_warm_pool()} | listed
        known = self._describe_instances(listed.keys() | set(also))
        instances = (_instance(raw, known.get(instance_id)) for instance_id, raw in listed.items())
        return Group(
            name=self._name,
            arn=group["AutoScalingGroupARN"],
            desired=group["DesiredCapacity"],
            is_deleting=bool(group.get("Status")),  # set only while the group is being deleted
            instances=tuple(sorted(instances, key=lambda i: (i.launched_at, i.instance_id))),
            elsewhere={i: _ec2_state(known.get(i)) for i in also if i not in listed},
        )

    def passes_status_checks(self, instance_id: InstanceId) -> bool:
        """Return whether EC2 reaches the instance and its system: a sign that the host is up.

        Raises:
            AwsError: The call failed.
        """
        statuses: list[InstanceStatusTypeDef] = []
        with aws_call("DescribeInstanceStatus", instance_id), already(_NO_INSTANCE):
            statuses = self._ec2.describe_instance_status(InstanceIds=[instance_id])["InstanceStatuses"]
        return any(s["InstanceStatus"]["Status"] == s["SystemStatus"]["Status"] == "ok" for s in statuses)

    def states(self, instance_ids: Collection[InstanceId]) -> dict[InstanceId, Ec2State]:
        """Return EC2's state of each; ABSENT where EC2 knows nothing of it.

        Raises:
            AwsError: The call failed.
        """
        known = self._describe_instances(instance_ids)
        return {i: _ec2_state(known.get(i)) for i in instance_ids}

    def complete(self, instance_id: InstanceId, transition: Transition, result: Result) -> None:
        """Complete a lifecycle action; one that is no longer active is success.

        Raises:
            AwsError: The call failed.
        """
        with aws_call("CompleteLifecycleAction", instance_id), already(_NONE_ACTIVE):
            self._autoscaling.complete_lifecycle_action(
                AutoScalingGroupName=self._name,
                LifecycleHookName=self._hook_names[transition],
                InstanceId=instance_id,
                LifecycleActionResult=result.value,
            )

    def heartbeat(self, instance_id: InstanceId, transition: Transition) -> None:
        """Restart a lifecycle action's timeout; one that is no longer active is success.

        Raises:
            AwsError: The call failed.
        """
        with aws_call("RecordLifecycleActionHeartbeat", instance_id), already(_NONE_ACTIVE):
            self._autoscaling.record_lifecycle_action_heartbeat(
                AutoScalingGroupName=self._name,
                LifecycleHookName=self._hook_names[transition],
                InstanceId=instance_id,
            )

    def mark_unhealthy(self, instance_id: InstanceId) -> None:
        """Have the group replace an instance; one that is gone already is success.

        Raises:
            AwsError: The call failed.
        """
        with aws_call("SetInstanceHealth", instance_id), already(_NOT_MANAGED):
            self._autoscaling.set_instance_health(
                InstanceId=instance_id, HealthStatus="Unhealthy", ShouldRespectGracePeriod=False
            )

    def _describe_group(self) -> AutoScalingGroupTypeDef:
        with aws_call("DescribeAutoScalingGroups", self._name):
            groups = self._autoscaling.describe_auto_scaling_groups(AutoScalingGroupNames=[self._name])
        if not groups["AutoScalingGroups"]:
            raise GroupGoneError(f"there is no Auto Scaling group named {self._name!r}")
        return groups["AutoScalingGroups"][0]

    def _describe_warm_pool(self) -> list[InstanceTypeDef]:
        with aws_call("DescribeWarmPool", self._name):
            pages = self._autoscaling.get_paginator("describe_warm_pool").paginate(AutoScalingGroupName=self._name)
            return [instance for page in pages for instance in page["Instances"]]

    def _describe_instances(self, instance_ids: Iterable[str]) -> dict[str, Ec2InstanceTypeDef]:
        wanted = sorted(instance_ids)
        if not wanted:
            return {}
        with aws_call("DescribeInstances", ", ".join(wanted)):
            # By filter: an id that EC2 does not know is then left out, where by InstanceIds it fails the whole call.
            pages = self._ec2.get_paginator("describe_instances").paginate(
                Filters=[{"Name": "instance-id", "Values": wanted}]
            )
            return {i["InstanceId"]: i for page in pages for r in page["Reservations"] for i in r["Instances"]}


def _instance(raw: InstanceTypeDef, known: Ec2InstanceTypeDef | None) -> Instance:
    return Instance(
        instance_id=InstanceId(raw["InstanceId"]),
        lifecycle=Lifecycle.parse(raw["LifecycleState"]),
        lifecycle_raw=raw["LifecycleState"],
        ec2_state=_ec2_state(known),
        private_ip=(known or {}).get("PrivateIpAddress"),
        # One that EC2 does not show yet is the newest.
        launched_at=known["LaunchTime"].timestamp() if known else float("inf"),
        is_healthy=raw["HealthStatus"].lower() == "healthy",
    )


def _ec2_state(known: Ec2InstanceTypeDef | None) -> Ec2State:
    if known is None:
        return Ec2State.ABSENT
    try:
        return Ec2State(known["State"]["Name"])
    except ValueError:
        return Ec2State.UNKNOWN
