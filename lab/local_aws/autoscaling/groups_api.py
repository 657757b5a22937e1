"""The API: groups and their tags. An operation takes the request's members and answers the response's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from .hooks_api import put_hook
from .model import Group, Instance, Refresh
from .ports import ApiError

if TYPE_CHECKING:
    from .machine import AutoScaling

_DEFAULTS: Final[dict[str, Any]] = {
    "DefaultCooldown": 300,
    "HealthCheckType": "EC2",
    "HealthCheckGracePeriod": 0,
    "NewInstancesProtectedFromScaleIn": False,
    "TerminationPolicies": ["Default"],
    "CapacityRebalance": False,
}
_KEPT: Final = (*_DEFAULTS, "DefaultInstanceWarmup", "InstanceMaintenancePolicy", "InstanceLifecyclePolicy")


def create_group(scaling: AutoScaling, request: dict[str, Any]) -> dict[str, Any]:
    """CreateAutoScalingGroup."""
    name = request["AutoScalingGroupName"]
    if name in scaling.groups:
        raise ApiError(
            "AlreadyExists",
            f"AutoScalingGroup by this name already exists - A group with the name {name} already exists",
        )
    if not request.get("LaunchTemplate"):
        raise ApiError("ValidationError", "Valid requests must contain a LaunchTemplate (the lab plays no other kind)")
    subnets = _subnets(request)
    if not subnets:
        raise ApiError("ValidationError", "At least one Availability Zone or VPC Subnet is required.")
    group = Group(
        name=name,
        arn=scaling.arn(name),
        created_at=scaling.clock(),
        min_size=request["MinSize"],
        max_size=request["MaxSize"],
        desired=request.get("DesiredCapacity", request["MinSize"]),
        launch_template=_template(scaling, request["LaunchTemplate"]),
        subnets=subnets,
        zones=_zones(scaling, subnets),
        settings=_DEFAULTS | {key: request[key] for key in _KEPT if key in request},
    )
    _check_sizes(group)
    for specification in request.get("LifecycleHookSpecificationList", []):
        put_hook(scaling, group, specification)
    scaling.groups[name] = group
    set_tags(group, request.get("Tags", []))
    return {}


def update_group(scaling: AutoScaling, request: dict[str, Any]) -> dict[str, Any]:
    """UpdateAutoScalingGroup: what the request leaves out stays."""
    group = scaling.group(request["AutoScalingGroupName"])
    if group.deleting:
        raise ApiError("ScalingActivityInProgress", f"Group {group.name} is being deleted")
    before = group.min_size, group.max_size, group.desired
    group.min_size = request.get("MinSize", group.min_size)
    group.max_size = request.get("MaxSize", group.max_size)
    group.desired = request.get("DesiredCapacity", min(max(group.desired, group.min_size), group.max_size))
    try:
        _check_sizes(group)
    except ApiError:
        group.min_size, group.max_size, group.desired = before
        raise
    if request.get("LaunchTemplate"):
        group.launch_template = _template(scaling, request["LaunchTemplate"])
    group.subnets = _subnets(request) or group.subnets
    group.zones = _zones(scaling, group.subnets)
    group.settings |= {key: request[key] for key in _KEPT if key in request}
    return {}


def set_desired_capacity(scaling: AutoScaling, request: dict[str, Any]) -> dict[str, Any]:
    """SetDesiredCapacity."""
    group, wanted = scaling.group(request["AutoScalingGroupName"]), request["DesiredCapacity"]
    if wanted > group.max_size:
        raise ApiError(
            "ValidationError",
            f"New SetDesiredCapacity value {wanted} is above max value {group.max_size} for the AutoScalingGroup.",
        )
    if wanted < group.min_size:
        raise ApiError(
            "ValidationError",
            f"New SetDesiredCapacity value {wanted} is below min value {group.min_size} for the AutoScalingGroup.",
        )
    group.desired = wanted
    return {}


def delete_group(scaling: AutoScaling, request: dict[str, Any]) -> dict[str, Any]:
    """DeleteAutoScalingGroup: only an empty group, or by force, and then without lifecycle hooks."""
    group = scaling.group(request["AutoScalingGroupName"])
    if not request.get("ForceDelete"):
        if group.instances:
            raise ApiError(
                "ResourceInUse",
                "You cannot delete an AutoScalingGroup while there are instances or pending Spot instance request(s) "
                "still in the group.",
            )
        del scaling.groups[group.name]
        return {}
    if group.retains:
        raise ApiError(
            "ValidationError",
            "You can't force delete this Auto Scaling group because the TerminateHookAbandon retention trigger is set "
            "to retain. Change the retention trigger to terminate and try again",
        )
    group.deleting, group.min_size, group.desired = True, 0, 0
    for instance in list(group.instances):
        scaling.lifecycle.terminate(group, instance, scaling.clock(), "the group was force deleted", hooks=False)
    return {}


def describe_groups(scaling: AutoScaling, request: dict[str, Any]) -> dict[str, Any]:
    """DescribeAutoScalingGroups: by name, or by tag filters, or all."""
    names, filters = request.get("AutoScalingGroupNames"), request.get("Filters", [])
    found = [group for group in scaling.groups.values() if not names or group.name in names]
    found = [group for group in found if all(_matches(group, each) for each in filters)]
    return {"AutoScalingGroups": [show(group) for group in found]}


def describe_tags(scaling: AutoScaling, request: dict[str, Any]) -> dict[str, Any]:
    """DescribeTags: filters by group, key, value and propagate-at-launch; all of them have to hold."""
    member = {"auto-scaling-group": "ResourceId", "key": "Key", "value": "Value"}

    def holds(tag: dict[str, Any], each: dict[str, Any]) -> bool:
        if each["Name"] == "propagate-at-launch":
            return str(tag["PropagateAtLaunch"]).lower() in each["Values"]
        return tag[member[each["Name"]]] in each["Values"]

    for each in request.get("Filters", []):
        if each["Name"] not in {*member, "propagate-at-launch"}:
            raise ApiError("ValidationError", f"Filter type {each['Name']} is not correct.")
    tags = [tag for group in scaling.groups.values() for tag in group.tags]
    return {"Tags": [tag for tag in tags if all(holds(tag, each) for each in request.get("Filters", []))]}


def create_or_update_tags(scaling: AutoScaling, request: dict[str, Any]) -> dict[str, Any]:
    """CreateOrUpdateTags."""
    for tag in request["Tags"]:
        set_tags(scaling.group(tag["ResourceId"]), [tag])
    return {}


def delete_tags(scaling: AutoScaling, request: dict[str, Any]) -> dict[str, Any]:
    """DeleteTags."""
    for tag in request["Tags"]:
        group = scaling.group(tag["ResourceId"])
        group.tags = [kept for kept in group.tags if kept["Key"] != tag["Key"]]
    return {}


def set_tags(group: Group, tags: list[dict[str, Any]]) -> None:
    """Add tags to the group; one of the same key is replaced."""
    for tag in tags:
        group.tags = [kept for kept in group.tags if kept["Key"] != tag["Key"]]
        group.tags.append(
            {
                "ResourceId": group.name,
                "ResourceType": "auto-scaling-group",
                "Key": tag["Key"],
                "Value": tag.get("Value", ""),
                "PropagateAtLaunch": bool(tag.get("PropagateAtLaunch", False)),
            }
        )


def show(group: Group) -> dict[str, Any]:
    """The group as DescribeAutoScalingGroups shows it; its warm pool's instances are not among its instances."""
    shown = {
        **group.settings,
        "AutoScalingGroupName": group.name,
        "AutoScalingGroupARN": group.arn,
        "MinSize": group.min_size,
        "MaxSize": group.max_size,
        "DesiredCapacity": group.desired,
        "LaunchTemplate": group.launch_template,
        "AvailabilityZones": group.zones,
        "LoadBalancerNames": [],
        "TargetGroupARNs": [],
        "Instances": [show_instance(i) for i in group.instances if not i.state.in_warm_pool],
        "CreatedTime": group.created_at,
        "SuspendedProcesses": [],
        "VPCZoneIdentifier": ",".join(group.subnets),
        "EnabledMetrics": [],
        "Tags": group.tags,
        "TrafficSources": [],
    }
    if group.deleting:
        shown["Status"] = "Delete in progress"
    if group.warm_pool:
        shown["WarmPoolConfiguration"] = show_warm_pool(group)
        shown["WarmPoolSize"] = len(group.warm)
    return shown


def show_instance(instance: Instance) -> dict[str, Any]:
    """An instance as the describe calls show it."""
    return {
        "InstanceId": instance.instance_id,
        "InstanceType": instance.instance_type,
        "AvailabilityZone": instance.zone,
        "LifecycleState": instance.state.value,
        "HealthStatus": instance.health,
        "LaunchTemplate": instance.launch_template,
        "ImageId": instance.image_id,
        "ProtectedFromScaleIn": instance.protected,
    }


def show_warm_pool(group: Group) -> dict[str, Any]:
    """The warm pool's configuration; without a prepared capacity of its own AWS shows none."""
    pool = group.warm_pool
    if pool is None:
        return {}
    shown: dict[str, Any] = {"MinSize": pool.min_size, "PoolState": pool.pool_state}
    if pool.max_prepared is not None:
        shown["MaxGroupPreparedCapacity"] = pool.max_prepared
    if pool.deleting:
        shown["Status"] = "PendingDelete"
    return shown


def show_refresh(group: Group, refresh: Refresh) -> dict[str, Any]:
    """An instance refresh as DescribeInstanceRefreshes shows it."""
    done = refresh.total - len(refresh.old)
    percent = 100 if refresh.status == "Successful" else min(99, 100 * done // max(1, refresh.total))
    return {
        "InstanceRefreshId": refresh.refresh_id,
        "AutoScalingGroupName": group.name,
        "Status": refresh.status,
        "StatusReason": refresh.reason or None,
        "StartTime": refresh.started_at,
        "EndTime": refresh.ended_at,
        "PercentageComplete": percent,
        "InstancesToUpdate": len(refresh.old),
        "Preferences": refresh.preferences,
        "DesiredConfiguration": refresh.desired_configuration or None,
        "Strategy": "Rolling",
    }


def _matches(group: Group, each: dict[str, Any]) -> bool:
    name, values = each["Name"], each["Values"]
    if name == "tag-key":
        return any(tag["Key"] in values for tag in group.tags)
    if name == "tag-value":
        return any(tag["Value"] in values for tag in group.tags)
    if name.startswith("tag:"):
        return any(tag["Key"] == name[4:] and tag["Value"] in values for tag in group.tags)
    raise ApiError("ValidationError", f"Filter type {name} is not correct.")


def _subnets(request: dict[str, Any]) -> list[str]:
    return [each.strip() for each in request.get("VPCZoneIdentifier", "").split(",") if each.strip()]


def _zones(scaling: AutoScaling, subnets: list[str]) -> list[str]:
    return sorted({subnet.zone for subnet in scaling.fleet.subnets(subnets)})


def _check_sizes(group: Group) -> None:
    if not 0 <= group.min_size <= group.max_size:
        raise ApiError(
            "ValidationError",
            f"Max bound, {group.max_size}, must be greater than or equal to min bound, {group.min_size}",
        )
    if not group.min_size <= group.desired <= group.max_size:
        raise ApiError(
            "ValidationError",
            f"Desired capacity:{group.desired} must be between the specified min size:{group.min_size} and max "
            f"size:{group.max_size}",
        )


def _template(scaling: AutoScaling, wanted: dict[str, Any]) -> dict[str, str]:
    """The specification as the group keeps it: id and name, and the version as it was written ($Latest stays)."""
    found = scaling.fleet.template(wanted)
    return {**found, "Version": str(wanted.get("Version") or "$Default")}
