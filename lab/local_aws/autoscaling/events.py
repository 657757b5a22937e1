"""Events and notifications, member by member as AWS documents them.

https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-event-reference.html
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from .model import LAUNCHING, State

if TYPE_CHECKING:
    from .model import Action, Activity, Group, Instance


def iso(seconds: float) -> str:
    """A point in time (epoch seconds) the way that AWS writes it in events."""
    return datetime.fromtimestamp(seconds, tz=UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def way(instance: Instance) -> dict[str, str]:
    """Where the instance comes from and where it goes: EC2, AutoScalingGroup or WarmPool."""
    match instance.state:
        case state if state.in_warm_pool and state.terminating:
            return {"Origin": "WarmPool", "Destination": "EC2"}
        case state if state.in_warm_pool:
            return {"Origin": "EC2", "Destination": "WarmPool"}
        case state if state.terminating or state is State.TERMINATED:
            return {"Origin": "AutoScalingGroup", "Destination": "EC2"}
        case _:
            return {"Origin": instance.came_from, "Destination": "AutoScalingGroup"}


def lifecycle_detail(group: Group, instance: Instance, action: Action) -> dict[str, str]:
    """The part that tells a lifecycle action; the same in an event and in a notification."""
    detail = {
        "LifecycleActionToken": action.token,
        "AutoScalingGroupName": group.name,
        "LifecycleHookName": action.hook.name,
        "EC2InstanceId": instance.instance_id,
        "LifecycleTransition": action.hook.transition,
    }
    if action.hook.notification_metadata:
        detail["NotificationMetadata"] = action.hook.notification_metadata
    return detail | way(instance)


def lifecycle_event(group: Group, instance: Instance, action: Action) -> dict[str, Any]:
    """The event of an instance that entered a wait state."""
    verb = "launch" if action.hook.transition == LAUNCHING else "terminate"
    return {
        "source": "aws.autoscaling",
        "detail-type": f"EC2 Instance-{verb} Lifecycle Action",
        "resources": [group.arn],
        "detail": lifecycle_detail(group, instance, action),
    }


def done_event(group: Group, instance: Instance, activity: Activity, *, launched: bool) -> dict[str, Any]:
    """The event of an instance that was launched, or terminated, with success."""
    region, account = group.arn.split(":")[3:5]
    return {
        "source": "aws.autoscaling",
        "detail-type": f"EC2 Instance {'Launch' if launched else 'Terminate'} Successful",
        "resources": [group.arn, f"arn:aws:ec2:{region}:{account}:instance/{instance.instance_id}"],
        "detail": {
            "StatusCode": "InProgress",
            "Description": activity.description,
            "AutoScalingGroupName": group.name,
            "ActivityId": activity.activity_id,
            "Details": {"Availability Zone": instance.zone, "Subnet ID": instance.subnet_id},
            "RequestId": activity.activity_id,
            "StatusMessage": "",
            "EndTime": iso(activity.ended_at or activity.started_at),
            "EC2InstanceId": instance.instance_id,
            "StartTime": iso(activity.started_at),
            "Cause": activity.cause,
            **way(instance),
        },
    }


def notification(group: Group, request_id: str, now: float, body: dict[str, str]) -> dict[str, str]:
    """A message to a hook's notification target."""
    return {
        "AccountId": group.arn.split(":")[4],
        "RequestId": request_id,
        "AutoScalingGroupARN": group.arn,
        "AutoScalingGroupName": group.name,
        "Service": "AWS Auto Scaling",
        "Time": iso(now),
        **body,
    }
