"""The API: lifecycle hooks and lifecycle actions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from . import events
from .model import LAUNCHING, TERMINATING, Group, Hook
from .ports import ApiError

if TYPE_CHECKING:
    from .machine import AutoScaling

_HEARTBEAT_TIMEOUTS_S: Final = range(30, 7201)


def put_lifecycle_hook(scaling: AutoScaling, request: dict[str, Any]) -> dict[str, Any]:
    """PutLifecycleHook: of an existing hook only the given members change."""
    put_hook(scaling, scaling.group(request["AutoScalingGroupName"]), request)
    return {}


def put_hook(scaling: AutoScaling, group: Group, wanted: dict[str, Any]) -> None:
    """Add a hook to the group, or change it; a hook with a notification target sends a test notification.

    Raises:
        ApiError: a member is out of range.
    """
    name = wanted["LifecycleHookName"]
    old = group.hooks.get(name)
    transition = wanted.get("LifecycleTransition") or (old.transition if old else "")
    if transition not in {LAUNCHING, TERMINATING}:
        raise ApiError("ValidationError", f"Invalid LifecycleTransition {transition!r} of lifecycle hook {name}.")
    timeout = int(wanted.get("HeartbeatTimeout", old.heartbeat_timeout_s if old else 3600))
    if timeout not in _HEARTBEAT_TIMEOUTS_S:
        raise ApiError("ValidationError", f"HeartbeatTimeout {timeout} of lifecycle hook {name} is not in 30..7200.")
    result = wanted.get("DefaultResult", old.default_result if old else "ABANDON")
    if result not in {"CONTINUE", "ABANDON"}:
        raise ApiError(
            "ValidationError", f"DefaultResult {result!r} of lifecycle hook {name} is not CONTINUE or ABANDON."
        )
    hook = Hook(
        name=name,
        transition=transition,
        heartbeat_timeout_s=timeout,
        default_result=result,
        notification_target_arn=wanted.get("NotificationTargetARN", old.notification_target_arn if old else ""),
        role_arn=wanted.get("RoleARN", old.role_arn if old else ""),
        notification_metadata=wanted.get("NotificationMetadata", old.notification_metadata if old else ""),
    )
    group.hooks[name] = hook
    if hook.notification_target_arn:
        test = events.notification(group, scaling.new_id(), scaling.clock(), {"Event": "autoscaling:TEST_NOTIFICATION"})
        scaling.outbox.notify(hook.notification_target_arn, test)


def delete_lifecycle_hook(scaling: AutoScaling, request: dict[str, Any]) -> dict[str, Any]:
    """DeleteLifecycleHook: its pending actions end, as ABANDON for launching and CONTINUE for terminating instances."""
    group, name = scaling.group(request["AutoScalingGroupName"]), request["LifecycleHookName"]
    hook = group.hooks.pop(name, None)
    if hook is None:
        raise ApiError("ValidationError", f"No Lifecycle Hook found with name {name}")
    for instance in list(group.instances):
        action = instance.actions.get(name)
        if action:
            result = "ABANDON" if hook.transition == LAUNCHING else "CONTINUE"
            scaling.lifecycle.finish(group, instance, action, result, scaling.clock())
    return {}


def describe_lifecycle_hooks(scaling: AutoScaling, request: dict[str, Any]) -> dict[str, Any]:
    """DescribeLifecycleHooks."""
    group, names = scaling.group(request["AutoScalingGroupName"]), request.get("LifecycleHookNames")
    return {
        "LifecycleHooks": [
            {
                "LifecycleHookName": hook.name,
                "AutoScalingGroupName": group.name,
                "LifecycleTransition": hook.transition,
                "NotificationTargetARN": hook.notification_target_arn or None,
                "RoleARN": hook.role_arn or None,
                "NotificationMetadata": hook.notification_metadata or None,
                "HeartbeatTimeout": hook.heartbeat_timeout_s,
                "GlobalTimeout": hook.global_timeout_s,
                "DefaultResult": hook.default_result,
            }
            for hook in group.hooks.values()
            if not names or hook.name in names
        ]
    }


def complete_lifecycle_action(scaling: AutoScaling, request: dict[str, Any]) -> dict[str, Any]:
    """CompleteLifecycleAction: by token, or by instance id."""
    group = scaling.group(request["AutoScalingGroupName"])
    result = request["LifecycleActionResult"]
    if result not in {"CONTINUE", "ABANDON"}:
        raise ApiError("ValidationError", f"LifecycleActionResult {result!r} is not CONTINUE or ABANDON")
    instance, action = scaling.action(
        group,
        request["LifecycleHookName"],
        token=request.get("LifecycleActionToken"),
        instance_id=request.get("InstanceId"),
    )
    scaling.lifecycle.finish(group, instance, action, result, scaling.clock())
    return {}


def record_lifecycle_action_heartbeat(scaling: AutoScaling, request: dict[str, Any]) -> dict[str, Any]:
    """RecordLifecycleActionHeartbeat: the timeout begins anew, within the global one."""
    group = scaling.group(request["AutoScalingGroupName"])
    _, action = scaling.action(
        group,
        request["LifecycleHookName"],
        token=request.get("LifecycleActionToken"),
        instance_id=request.get("InstanceId"),
    )
    action.beat(scaling.clock())
    return {}
