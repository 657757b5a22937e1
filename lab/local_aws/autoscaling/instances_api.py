"""The API: instances, standby, instance refresh, warm pool, activities."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from .groups_api import show_instance, show_refresh, show_warm_pool
from .model import POOL_STATES, Activity, Group, Instance, Refresh, State, WarmPool
from .ports import ApiError

if TYPE_CHECKING:
    from .machine import AutoScaling

_MIN_HEALTHY_PERCENT: Final = 90
_MAX_HEALTHY_PERCENT: Final = 100


def describe_instances(scaling: AutoScaling, request: dict[str, Any]) -> dict[str, Any]:
    """DescribeAutoScalingInstances: of all groups, their warm pools included."""
    wanted = request.get("InstanceIds")
    return {
        "AutoScalingInstances": [
            show_instance(instance) | {"AutoScalingGroupName": group.name}
            for group in scaling.groups.values()
            for instance in group.instances
            if not wanted or instance.instance_id in wanted
        ]
    }


def terminate_instance(scaling: AutoScaling, request: dict[str, Any]) -> dict[str, Any]:
    """TerminateInstanceInAutoScalingGroup; the only way to be rid of a retained instance."""
    group, instance = scaling.instance(request["InstanceId"])
    if request["ShouldDecrementDesiredCapacity"] and instance.counts:
        if group.desired - 1 < group.min_size:
            raise ApiError(
                "ValidationError",
                f"Currently, desiredSize equals minSize ({group.min_size}). Terminating instance without replacement "
                "will violate group's min size constraint. Either set shouldDecrementDesiredCapacity flag to false or "
                "lower group's min size.",
            )
        group.desired -= 1
    scaling.lifecycle.terminate(
        group, instance, scaling.clock(), "an instance was taken out of service in response to a user request"
    )
    return {"Activity": show_activity(group, group.activities[0])}


def set_instance_health(scaling: AutoScaling, request: dict[str, Any]) -> dict[str, Any]:
    """SetInstanceHealth: Unhealthy within the grace period is not taken, unless the request says so."""
    group, instance = scaling.instance(request["InstanceId"])
    status = request["HealthStatus"]
    if status not in {"Healthy", "Unhealthy"}:
        raise ApiError("ValidationError", f"HealthStatus {status!r} is not Healthy or Unhealthy")
    age = scaling.clock() - (instance.in_service_since or scaling.clock())
    in_grace = age < group.settings["HealthCheckGracePeriod"] and request.get("ShouldRespectGracePeriod", True)
    if status == "Healthy" or not in_grace:
        instance.health = status
    return {}


def set_instance_protection(scaling: AutoScaling, request: dict[str, Any]) -> dict[str, Any]:
    """SetInstanceProtection."""
    for instance in _members(scaling.group(request["AutoScalingGroupName"]), request):
        instance.protected = request["ProtectedFromScaleIn"]
    return {}


def enter_standby(scaling: AutoScaling, request: dict[str, Any]) -> dict[str, Any]:
    """EnterStandby: without a lower desired capacity the group launches a replacement."""
    group = scaling.group(request["AutoScalingGroupName"])
    members = _members(group, request)
    for instance in members:
        if instance.state is not State.IN_SERVICE:
            raise ApiError("ValidationError", f"The instance {instance.instance_id} is not in InService.")
    if request["ShouldDecrementDesiredCapacity"]:
        if group.desired - len(members) < group.min_size:
            raise ApiError(
                "ValidationError",
                f"AutoScalingGroup {group.name} has min-size={group.min_size}, max-size={group.max_size}, and "
                f"desired-size={group.desired}. To place into standby {len(members)} instance(s), please update the "
                "AutoScalingGroup sizes appropriately.",
            )
        group.desired -= len(members)
    for instance in members:
        scaling.lifecycle.enter_standby(group, instance, scaling.clock())
    return {"Activities": []}


def exit_standby(scaling: AutoScaling, request: dict[str, Any]) -> dict[str, Any]:
    """ExitStandby: the desired capacity grows by as many."""
    group = scaling.group(request["AutoScalingGroupName"])
    members = _members(group, request)
    for instance in members:
        if instance.state is not State.STANDBY:
            raise ApiError("ValidationError", f"The instance {instance.instance_id} is not in Standby.")
    if group.desired + len(members) > group.max_size:
        raise ApiError("ValidationError", f"AutoScalingGroup {group.name} has max-size={group.max_size}.")
    group.desired += len(members)
    for instance in members:
        scaling.lifecycle.exit_standby(group, instance, scaling.clock())
    return {"Activities": []}


def start_refresh(scaling: AutoScaling, request: dict[str, Any]) -> dict[str, Any]:
    """StartInstanceRefresh: rolling; defaults from the maintenance policy, else 90 and 100 percent."""
    group = scaling.group(request["AutoScalingGroupName"])
    if group.refresh:
        raise ApiError(
            "InstanceRefreshInProgress", "An Instance Refresh is already in progress and blocks the execution"
        )
    wanted = request.get("Preferences", {})
    policy = group.settings.get("InstanceMaintenancePolicy") or {}
    low = int(wanted.get("MinHealthyPercentage", policy.get("MinHealthyPercentage", _MIN_HEALTHY_PERCENT)))
    high = int(wanted.get("MaxHealthyPercentage", policy.get("MaxHealthyPercentage", _MAX_HEALTHY_PERCENT)))
    if not (
        0 <= low <= _MAX_HEALTHY_PERCENT <= high <= 2 * _MAX_HEALTHY_PERCENT and high - low <= _MAX_HEALTHY_PERCENT
    ):
        raise ApiError(
            "ValidationError",
            f"MinHealthyPercentage {low} has to be 0..100, MaxHealthyPercentage {high} 100..200, and the two no more "
            "than 100 apart.",
        )
    configuration = dict(request.get("DesiredConfiguration") or {})
    if configuration.get("LaunchTemplate"):
        given = configuration["LaunchTemplate"]
        configuration["LaunchTemplate"] = scaling.fleet.template(given) | {
            "Version": str(given.get("Version", "$Default"))
        }
    old = {i.instance_id for i in group.counted}
    if wanted.get("SkipMatching"):
        current = scaling.fleet.template(configuration.get("LaunchTemplate") or group.launch_template)
        old = {i.instance_id for i in group.counted if i.launch_template != current}
    default_warmup = group.settings.get("DefaultInstanceWarmup", group.settings["HealthCheckGracePeriod"])
    refresh = Refresh(
        refresh_id=scaling.new_id(),
        started_at=scaling.clock(),
        min_healthy_percent=low,
        max_healthy_percent=high,
        warmup_s=float(wanted.get("InstanceWarmup", max(default_warmup, 0))),
        old=old,
        total=len(old),
        preferences={**wanted, "MinHealthyPercentage": low, "MaxHealthyPercentage": high},
        desired_configuration=configuration,
    )
    group.refreshes.insert(0, refresh)
    return {"InstanceRefreshId": refresh.refresh_id}


def describe_refreshes(scaling: AutoScaling, request: dict[str, Any]) -> dict[str, Any]:
    """DescribeInstanceRefreshes: newest first."""
    group, wanted = scaling.group(request["AutoScalingGroupName"]), request.get("InstanceRefreshIds")
    found = [refresh for refresh in group.refreshes if not wanted or refresh.refresh_id in wanted]
    return {"InstanceRefreshes": [show_refresh(group, refresh) for refresh in found]}


def cancel_refresh(scaling: AutoScaling, request: dict[str, Any]) -> dict[str, Any]:
    """CancelInstanceRefresh: no new replacement begins; what was begun goes on, and is not waited for."""
    group = scaling.group(request["AutoScalingGroupName"])
    if group.refresh is None:
        raise ApiError(
            "ActiveInstanceRefreshNotFound", f"No in progress or pending Instance Refresh found for {group.name}"
        )
    refresh = group.refresh
    refresh.status = "Cancelling"
    return {"InstanceRefreshId": refresh.refresh_id}


def put_warm_pool(scaling: AutoScaling, request: dict[str, Any]) -> dict[str, Any]:
    """PutWarmPool. Instances that return to the pool on scale-in are not played."""
    group = scaling.group(request["AutoScalingGroupName"])
    if (request.get("InstanceReusePolicy") or {}).get("ReuseOnScaleIn"):
        raise ApiError("ValidationError", "InstanceReusePolicy.ReuseOnScaleIn is not played by the lab")
    pool_state = request.get("PoolState", "Stopped")
    if pool_state not in POOL_STATES:
        raise ApiError("ValidationError", f"PoolState {pool_state!r} is not one of {', '.join(POOL_STATES)}")
    prepared = request.get("MaxGroupPreparedCapacity")
    group.warm_pool = WarmPool(
        min_size=request.get("MinSize", 0),
        max_prepared=None if prepared in {None, -1} else prepared,
        pool_state=pool_state,
    )
    return {}


def describe_warm_pool(scaling: AutoScaling, request: dict[str, Any]) -> dict[str, Any]:
    """DescribeWarmPool."""
    group = scaling.group(request["AutoScalingGroupName"])
    return {
        "WarmPoolConfiguration": show_warm_pool(group) or None,
        "Instances": [show_instance(i) for i in group.instances if i.state.in_warm_pool],
    }


def delete_warm_pool(scaling: AutoScaling, request: dict[str, Any]) -> dict[str, Any]:
    """DeleteWarmPool: its instances are terminated, by force without hooks."""
    group = scaling.group(request["AutoScalingGroupName"])
    if group.warm_pool is None:
        raise ApiError("ValidationError", f"No warm pool found for {group.name}")
    group.warm_pool.deleting = True
    if request.get("ForceDelete"):
        for instance in group.warm:
            scaling.lifecycle.terminate(group, instance, scaling.clock(), "the warm pool was deleted", hooks=False)
    return {}


def describe_activities(scaling: AutoScaling, request: dict[str, Any]) -> dict[str, Any]:
    """DescribeScalingActivities: newest first."""
    name = request.get("AutoScalingGroupName")
    groups = [scaling.group(name)] if name else list(scaling.groups.values())
    return {"Activities": [show_activity(group, each) for group in groups for each in group.activities]}


def show_activity(group: Group, activity: Activity) -> dict[str, Any]:
    """A scaling activity as DescribeScalingActivities shows it."""
    return {
        "ActivityId": activity.activity_id,
        "AutoScalingGroupName": group.name,
        "AutoScalingGroupARN": group.arn,
        "Description": activity.description,
        "Cause": activity.cause,
        "StartTime": activity.started_at,
        "EndTime": activity.ended_at,
        "StatusCode": activity.status,
        "StatusMessage": activity.message or None,
        "Progress": activity.progress,
        "Details": activity.details,
    }


def _members(group: Group, request: dict[str, Any]) -> list[Instance]:
    ids = request.get("InstanceIds", [])
    members = [i for i in group.instances if i.instance_id in ids]
    for missing in set(ids) - {i.instance_id for i in members}:
        raise ApiError("ValidationError", f"The instance {missing} is not part of Auto Scaling group {group.name}.")
    return members
