"""CloudFormation's resource types of Auto Scaling: those of MiniStack know groups without instances."""

# ruff: noqa: SLF001  # MiniStack has no other door; names.py checks these names at start

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ministack.services.cloudformation import provisioners, stacks

if TYPE_CHECKING:
    from .player import Player
    from .wire import QueryProtocol

Created = tuple[str, dict[str, Any]]
GROUP: Final = "AWS::AutoScaling::AutoScalingGroup"
DELETE_TIMEOUT_S: Final = 900.0

_RENAMED: Final = {"Cooldown": "DefaultCooldown"}
_IGNORED: Final = frozenset({"MetricsCollection", "NotificationConfigurations"})
_PLAYED: Final = frozenset(
    {
        "AutoScalingGroupName",
        "DefaultCooldown",
        "DefaultInstanceWarmup",
        "DesiredCapacity",
        "HealthCheckGracePeriod",
        "HealthCheckType",
        "InstanceLifecyclePolicy",
        "InstanceMaintenancePolicy",
        "LaunchTemplate",
        "LifecycleHookSpecificationList",
        "MaxSize",
        "MinSize",
        "NewInstancesProtectedFromScaleIn",
        "Tags",
        "TerminationPolicies",
        "VPCZoneIdentifier",
    }
)


def install(player: Player, protocol: QueryProtocol) -> None:
    """Put the resource types into MiniStack's CloudFormation."""
    handlers = provisioners._RESOURCE_HANDLERS
    groups = Groups(player, protocol)
    handlers[GROUP] = {"create": groups.create, "update": groups.update, "delete": groups.delete}
    hooks = Hooks(player, protocol)
    handlers["AWS::AutoScaling::LifecycleHook"] = {
        "create": hooks.create,
        "update": hooks.update,
        "delete": hooks.delete,
    }
    pools = WarmPools(player, protocol)
    handlers["AWS::AutoScaling::WarmPool"] = {"create": pools.create, "update": pools.update, "delete": pools.delete}
    blocks = stacks._runs_on_worker_thread
    stacks._runs_on_worker_thread = lambda kind: kind == GROUP or blocks(kind)


class Groups:
    """AWS::AutoScaling::AutoScalingGroup, with its hooks inside the resource; deletion scales to zero first.

    Args:
        player: the played Auto Scaling.
        protocol: types the template's values.
    """

    def __init__(self, player: Player, protocol: QueryProtocol) -> None:
        self._player = player
        self._protocol = protocol

    def create(self, logical_id: str, props: dict[str, Any], stack_name: str) -> Created:
        """Make the group; the hooks are there before the first instance is."""
        name = str(props.get("AutoScalingGroupName") or f"{stack_name}-{logical_id}")
        request = self._request("CreateAutoScalingGroup", props) | {"AutoScalingGroupName": name}
        self._player.call("CreateAutoScalingGroup", request)
        return name, self._attributes(name)

    def update(self, physical_id: str, old: dict[str, Any], new: dict[str, Any], stack_name: str) -> Created:
        """Change the group in place. DesiredCapacity only changes when the template's value does, as on AWS.

        Raises:
            ValueError: the group's name changed, which would replace it.
        """
        if new.get("AutoScalingGroupName", physical_id) != physical_id:
            raise ValueError(f"AutoScalingGroupName of {physical_id} in {stack_name}: the lab does not replace groups")
        request = self._request("UpdateAutoScalingGroup", new) | {"AutoScalingGroupName": physical_id}
        if old.get("DesiredCapacity") == new.get("DesiredCapacity"):
            request.pop("DesiredCapacity", None)
        self._player.call("UpdateAutoScalingGroup", request)
        self._update_hooks(physical_id, new)
        wanted = [{**tag, "ResourceId": physical_id} for tag in new.get("Tags", [])]
        if wanted:
            self._player.call("CreateOrUpdateTags", self._protocol.typed("CreateOrUpdateTags", {"Tags": wanted}))
        return physical_id, self._attributes(physical_id)

    def delete(self, physical_id: str, props: dict[str, Any]) -> None:  # noqa: ARG002  # CloudFormation's signature
        """Scale the group to zero through its hooks, wait until it is empty, then delete it."""
        if physical_id not in self._player.scaling.groups:
            return
        empty = {"AutoScalingGroupName": physical_id, "MinSize": 0, "MaxSize": 0, "DesiredCapacity": 0}
        if self._player.scaling.group(physical_id).warm_pool:
            self._player.call("DeleteWarmPool", {"AutoScalingGroupName": physical_id})
        self._player.call("UpdateAutoScalingGroup", empty)
        self._player.wait_until_empty(physical_id, DELETE_TIMEOUT_S)
        self._player.call("DeleteAutoScalingGroup", {"AutoScalingGroupName": physical_id})

    def _update_hooks(self, name: str, props: dict[str, Any]) -> None:
        wanted = props.get("LifecycleHookSpecificationList", [])
        for specification in wanted:
            request = {**specification, "AutoScalingGroupName": name}
            self._player.call("PutLifecycleHook", self._protocol.typed("PutLifecycleHook", request))
        names = {each["LifecycleHookName"] for each in wanted}
        for gone in set(self._player.scaling.group(name).hooks) - names if wanted else ():
            self._player.call("DeleteLifecycleHook", {"AutoScalingGroupName": name, "LifecycleHookName": gone})

    def _request(self, operation: str, props: dict[str, Any]) -> dict[str, Any]:
        given = {_RENAMED.get(key, key): value for key, value in props.items() if key not in _IGNORED}
        unknown = sorted(set(given) - _PLAYED)
        if unknown:
            raise ValueError(f"{GROUP}: {', '.join(unknown)} not played by the lab (lab/local_aws/cloudformation.py)")
        zones = given.get("VPCZoneIdentifier")
        if isinstance(zones, list):
            given["VPCZoneIdentifier"] = ",".join(zones)
        return self._protocol.typed(operation, given)

    def _attributes(self, name: str) -> dict[str, Any]:
        arn = self._player.scaling.group(name).arn
        return {"AutoScalingGroupARN": arn, "Arn": arn}


class Hooks:
    """AWS::AutoScaling::LifecycleHook."""

    def __init__(self, player: Player, protocol: QueryProtocol) -> None:
        self._player = player
        self._protocol = protocol

    def create(self, logical_id: str, props: dict[str, Any], stack_name: str) -> Created:
        """Put the hook."""
        name = str(props.get("LifecycleHookName") or f"{stack_name}-{logical_id}")
        request = self._protocol.typed("PutLifecycleHook", {**props, "LifecycleHookName": name})
        self._player.call("PutLifecycleHook", request)
        return name, {"LifecycleHookName": name}

    def update(self, physical_id: str, old: dict[str, Any], new: dict[str, Any], stack_name: str) -> Created:  # noqa: ARG002
        """Put the hook again."""
        return self.create(physical_id, {**new, "LifecycleHookName": physical_id}, stack_name)

    def delete(self, physical_id: str, props: dict[str, Any]) -> None:
        """Delete the hook."""
        group = self._player.scaling.groups.get(props.get("AutoScalingGroupName", ""))
        if group and physical_id in group.hooks:
            request = {"AutoScalingGroupName": group.name, "LifecycleHookName": physical_id}
            self._player.call("DeleteLifecycleHook", request)


class WarmPools:
    """AWS::AutoScaling::WarmPool; its id is its group's name."""

    def __init__(self, player: Player, protocol: QueryProtocol) -> None:
        self._player = player
        self._protocol = protocol

    def create(self, logical_id: str, props: dict[str, Any], stack_name: str) -> Created:  # noqa: ARG002
        """Put the warm pool."""
        self._player.call("PutWarmPool", self._protocol.typed("PutWarmPool", props))
        return str(props["AutoScalingGroupName"]), {}

    def update(self, physical_id: str, old: dict[str, Any], new: dict[str, Any], stack_name: str) -> Created:  # noqa: ARG002
        """Put it again."""
        return self.create(physical_id, new, stack_name)

    def delete(self, physical_id: str, props: dict[str, Any]) -> None:  # noqa: ARG002
        """Delete it; its instances go while the stack's deletion goes on."""
        group = self._player.scaling.groups.get(physical_id)
        if group and group.warm_pool:
            self._player.call("DeleteWarmPool", {"AutoScalingGroupName": physical_id})
