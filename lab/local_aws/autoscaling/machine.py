"""All groups of an account and region, and the passing of time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from .capacity import Capacity
from .lifecycle import Lifecycle
from .model import Action, Group, Instance, State
from .ports import ApiError

if TYPE_CHECKING:
    from collections.abc import Callable

    from .ports import Fleet, Outbox, Pace

_SETTLED: Final = frozenset({State.IN_SERVICE, State.STANDBY, State.TERMINATING_RETAINED})


class AutoScaling:
    """The state of Auto Scaling. Not thread-safe: whoever shares it holds ``lock`` of its own.

    Args:
        fleet: EC2.
        outbox: takes events, notifications and the log of transitions.
        pace: how long things take.
        clock: epoch seconds.
        new_id: makes unique ids.
        arn_prefix: ``arn:aws:autoscaling:<region>:<account>``.
    """

    def __init__(
        self,
        *,
        fleet: Fleet,
        outbox: Outbox,
        pace: Pace,
        clock: Callable[[], float],
        new_id: Callable[[], str],
        arn_prefix: str,
    ) -> None:
        self.groups: dict[str, Group] = {}
        self.fleet = fleet
        self.outbox = outbox
        self.pace = pace
        self.clock = clock
        self.new_id = new_id
        self.lifecycle = Lifecycle(fleet=fleet, outbox=outbox, pace=pace, new_id=new_id)
        self._capacity = Capacity(fleet=fleet, lifecycle=self.lifecycle)
        self._arn_prefix = arn_prefix

    def tick(self) -> bool:
        """Do what is due now. Returns whether something is under way that another tick moves soon."""
        now = self.clock()
        for group in list(self.groups.values()):
            for instance in list(group.instances):
                self.lifecycle.step(group, instance, now)
            self._capacity.balance(group, now)
            if group.deleting and not group.instances:
                del self.groups[group.name]
        return any(
            group.refresh or any(not i.state.waiting and i.state not in _SETTLED for i in group.instances)
            for group in self.groups.values()
        )

    def arn(self, name: str) -> str:
        """A new group's ARN."""
        return f"{self._arn_prefix}:autoScalingGroup:{self.new_id()}:autoScalingGroupName/{name}"

    def group(self, name: str) -> Group:
        """The group of that name.

        Raises:
            ApiError: there is none.
        """
        group = self.groups.get(name)
        if group is None:
            raise ApiError("ValidationError", f"AutoScalingGroup name not found - AutoScalingGroup {name} not found")
        return group

    def instance(self, instance_id: str) -> tuple[Group, Instance]:
        """The instance of that id, and its group.

        Raises:
            ApiError: no group manages it.
        """
        for group in self.groups.values():
            for instance in group.instances:
                if instance.instance_id == instance_id:
                    return group, instance
        raise ApiError(
            "ValidationError", f"Instance Id not found - No managed instance found for instance ID: {instance_id}"
        )

    def action(self, group: Group, hook: str, *, token: str | None, instance_id: str | None) -> tuple[Instance, Action]:
        """The pending lifecycle action that a call names by token or by instance id.

        Raises:
            ApiError: it names none, or none that is pending.
        """
        if not token and not instance_id:
            raise ApiError("ValidationError", "Either the LifecycleActionToken or the InstanceId must be specified")
        for instance in group.instances:
            found = instance.actions.get(hook)
            if found and (token is None or found.token == token) and instance_id in {None, instance.instance_id}:
                return instance, found
        what = f"with token {token}" if token else f"with instance ID {instance_id}"
        raise ApiError("ValidationError", f"No active Lifecycle Action found {what}")
