"""Which operations of the Auto Scaling API are played, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from . import groups_api, hooks_api, instances_api

if TYPE_CHECKING:
    from collections.abc import Callable

    from .machine import AutoScaling

OPERATIONS: Final[dict[str, Callable[[AutoScaling, dict[str, Any]], dict[str, Any]]]] = {
    "CreateAutoScalingGroup": groups_api.create_group,
    "UpdateAutoScalingGroup": groups_api.update_group,
    "DeleteAutoScalingGroup": groups_api.delete_group,
    "DescribeAutoScalingGroups": groups_api.describe_groups,
    "SetDesiredCapacity": groups_api.set_desired_capacity,
    "CreateOrUpdateTags": groups_api.create_or_update_tags,
    "DeleteTags": groups_api.delete_tags,
    "DescribeTags": groups_api.describe_tags,
    "PutLifecycleHook": hooks_api.put_lifecycle_hook,
    "DeleteLifecycleHook": hooks_api.delete_lifecycle_hook,
    "DescribeLifecycleHooks": hooks_api.describe_lifecycle_hooks,
    "CompleteLifecycleAction": hooks_api.complete_lifecycle_action,
    "RecordLifecycleActionHeartbeat": hooks_api.record_lifecycle_action_heartbeat,
    "DescribeAutoScalingInstances": instances_api.describe_instances,
    "TerminateInstanceInAutoScalingGroup": instances_api.terminate_instance,
    "SetInstanceHealth": instances_api.set_instance_health,
    "SetInstanceProtection": instances_api.set_instance_protection,
    "EnterStandby": instances_api.enter_standby,
    "ExitStandby": instances_api.exit_standby,
    "StartInstanceRefresh": instances_api.start_refresh,
    "DescribeInstanceRefreshes": instances_api.describe_refreshes,
    "CancelInstanceRefresh": instances_api.cancel_refresh,
    "PutWarmPool": instances_api.put_warm_pool,
    "DescribeWarmPool": instances_api.describe_warm_pool,
    "DeleteWarmPool": instances_api.delete_warm_pool,
    "DescribeScalingActivities": instances_api.describe_activities,
}
