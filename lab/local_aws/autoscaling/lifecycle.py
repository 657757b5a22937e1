"""The life of one instance: https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-lifecycle.html ."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from . import events
from .model import LAUNCHING, POOL_STATES, TERMINATING, Action, Activity, Group, Instance, State

if TYPE_CHECKING:
    from collections.abc import Callable

    from .ports import Fleet, Outbox, Pace, Subnet

_GONE: Final = frozenset({"shutting-down", "terminated"})
_ACTIVITIES_KEPT: Final = 100


class Lifecycle:
    """Moves instances from state to state and tells the outside about it.

    Args:
        fleet: EC2.
        outbox: takes events, notifications and the log of transitions.
        pace: how long launching, terminating and health checks take.
        new_id: makes unique ids.
    """

    def __init__(self, *, fleet: Fleet, outbox: Outbox, pace: Pace, new_id: Callable[[], str]) -> None:
        self._fleet = fleet
        self._outbox = outbox
        self._pace = pace
        self._new_id = new_id

    # -- beginnings ---------------------------------------------------------------------------------------------------

    def launch(
        self, group: Group, subnet: Subnet, template: dict[str, str], now: float, *, cause: str, pool: bool = False
    ) -> Instance:
        """Launch an instance into the group, or into its warm pool.

        Raises:
            ApiError: EC2 refuses the launch.
        """
        made = self._fleet.launch(group, subnet, template)
        instance = Instance(
            instance_id=made.instance_id,
            zone=subnet.zone,
            subnet_id=subnet.subnet_id,
            image_id=made.image_id,
            instance_type=made.instance_type,
            launch_template=made.launch_template,
            launched_at=now,
            state=State.PENDING,
            since=now,
            protected=bool(group.settings.get("NewInstancesProtectedFromScaleIn")),
        )
        group.instances.append(instance)
        what = "warm pool instance" if pool else "new EC2 instance"
        self._open(group, instance, f"Launching a {what}: {instance.instance_id}", cause, now)
        self._enter(group, instance, State.WARMED_PENDING if pool else State.PENDING, now, cause, first=True)
        return instance

    def wake(self, group: Group, instance: Instance, now: float, cause: str) -> None:
        """Take an instance out of the warm pool into the group."""
        instance.came_from = "WarmPool"
        self._open(group, instance, f"Launching a new EC2 instance from warm pool: {instance.instance_id}", cause, now)
        if self._fleet.state(instance.instance_id) != "running":
            self._fleet.set_state(instance.instance_id, "pending")
        self._enter(group, instance, State.PENDING, now, cause)

    def terminate(self, group: Group, instance: Instance, now: float, cause: str, *, hooks: bool = True) -> None:
        """Begin to terminate an instance; one that is on its way already is left alone, a retained one goes at once."""
        retained = instance.state in {State.TERMINATING_RETAINED, State.WARMED_TERMINATING_RETAINED}
        if instance.state.terminating and not retained and hooks:
            return
        instance.actions.clear()
        instance.runs_hooks = hooks and not retained
        warmed = instance.state.in_warm_pool
        if not retained:
            self._open(group, instance, f"Terminating EC2 instance: {instance.instance_id}", cause, now)
        if instance.runs_hooks:
            self._enter(group, instance, State.WARMED_TERMINATING if warmed else State.TERMINATING, now, cause)
        else:
            self._shut_down(group, instance, now, cause)

    def enter_standby(self, group: Group, instance: Instance, now: float) -> None:
        """Take an instance in service into Standby; no hook runs."""
        self._enter(group, instance, State.ENTERING_STANDBY, now, "moved to standby in response to a user request")

    def exit_standby(self, group: Group, instance: Instance, now: float) -> None:
        """Bring an instance back from Standby; no hook runs."""
        instance.runs_hooks = False
        self._enter(group, instance, State.PENDING, now, "moved out of standby in response to a user request")

    # -- time passes --------------------------------------------------------------------------------------------------

    def step(self, group: Group, instance: Instance, now: float) -> None:
        """Do what is due for the instance now."""
        match instance.state:
            case State.PENDING | State.WARMED_PENDING:
                self._launching(group, instance, now)
            case state if state.waiting:
                self._expire(group, instance, now)
            case State.PENDING_PROCEED | State.WARMED_PENDING_PROCEED:
                self._launched(group, instance, now)
            case State.IN_SERVICE:
                self._check_health(instance, now)
            case State.ENTERING_STANDBY:
                self._enter(group, instance, State.STANDBY, now, instance.cause)
            case State.TERMINATING | State.WARMED_TERMINATING:
                if not self._wait(group, instance, TERMINATING, now):
                    self._shut_down(group, instance, now, instance.cause)
            case State.TERMINATING_PROCEED | State.WARMED_TERMINATING_PROCEED:
                if now - instance.since >= self._pace.terminate_s:
                    self._remove(group, instance, now)
            case _:
                pass

    def finish(self, group: Group, instance: Instance, action: Action, result: str, now: float) -> None:
        """End a lifecycle action with CONTINUE or ABANDON.

        ABANDON of a launch terminates the instance (and its termination hooks run). Of a termination it stops the
        remaining hooks, and the group's lifecycle policy may retain the instance.
        """
        launching = action.hook.transition == LAUNCHING
        if result == "CONTINUE":
            del instance.actions[action.hook.name]
            if instance.actions:
                return
            if launching:
                self._enter(group, instance, instance.state.sibling("Proceed"), now, instance.cause)
            else:
                self._shut_down(group, instance, now, instance.cause)
            return
        instance.actions.clear()
        if launching:
            self._cancel_launch(group, instance, action, now)
            self.terminate(group, instance, now, f"lifecycle hook {action.hook.name} was abandoned")
        elif group.retains and self._fleet.state(instance.instance_id) not in _GONE:
            self._enter(group, instance, instance.state.sibling("Retained"), now, "termination hook was abandoned")
        else:
            self._shut_down(group, instance, now, instance.cause)

    # -- inside -------------------------------------------------------------------------------------------------------

    def _launching(self, group: Group, instance: Instance, now: float) -> None:
        if self._fleet.state(instance.instance_id) in _GONE:
            self.terminate(group, instance, now, "EC2 terminated the instance while it was launching")
            return
        if now - instance.since < self._pace.launch_s:
            return
        self._fleet.set_state(instance.instance_id, "running")
        if not (instance.runs_hooks and self._wait(group, instance, LAUNCHING, now)):
            self._launched(group, instance, now)

    def _launched(self, group: Group, instance: Instance, now: float) -> None:
        instance.runs_hooks = True
        if not instance.state.in_warm_pool:
            instance.in_service_since = now
            instance.unhealthy_since = None
            self._enter(group, instance, State.IN_SERVICE, now, instance.cause)
        else:
            pool_state = group.warm_pool.pool_state if group.warm_pool else "Stopped"
            if pool_state != "Running":
                self._fleet.set_state(instance.instance_id, "stopped")
            self._enter(group, instance, POOL_STATES[pool_state], now, instance.cause)
        activity = self._close(group, instance, now)
        self._outbox.event(events.done_event(group, instance, activity, launched=True))

    def _wait(self, group: Group, instance: Instance, transition: str, now: float) -> bool:
        """Enter the wait state of the transition's hooks; False where the group has none."""
        hooks = group.hooks_for(transition) if instance.runs_hooks else []
        if not hooks:
            return False
        self._enter(group, instance, instance.state.sibling("Wait"), now, instance.cause)
        for hook in hooks:
            action = Action(
                token=self._new_id(),
                hook=hook,
                deadline=now + hook.heartbeat_timeout_s,
                limit=now + hook.global_timeout_s,
            )
            instance.actions[hook.name] = action
            self._outbox.event(events.lifecycle_event(group, instance, action))
            if hook.notification_target_arn:
                body = events.lifecycle_detail(group, instance, action)
                self._outbox.notify(hook.notification_target_arn, events.notification(group, self._new_id(), now, body))
        return True

    def _expire(self, group: Group, instance: Instance, now: float) -> None:
        for action in list(instance.actions.values()):
            if instance.actions.get(action.hook.name) is action and now >= action.deadline:
                self.finish(group, instance, action, action.hook.default_result, now)

    def _check_health(self, instance: Instance, now: float) -> None:
        """EC2's own check: not running, or a failed status check."""
        bad = self._fleet.state(instance.instance_id) != "running" or self._fleet.impaired(instance.instance_id)
        if not bad:
            instance.unhealthy_since = None
            return
        if instance.unhealthy_since is None:
            instance.unhealthy_since = now
        if now - instance.unhealthy_since >= self._pace.health_check_s:
            instance.health = "Unhealthy"

    def _shut_down(self, group: Group, instance: Instance, now: float, cause: str) -> None:
        self._fleet.set_state(instance.instance_id, "shutting-down")
        warmed = instance.state.in_warm_pool
        to = State.WARMED_TERMINATING_PROCEED if warmed else State.TERMINATING_PROCEED
        self._enter(group, instance, to, now, cause)

    def _remove(self, group: Group, instance: Instance, now: float) -> None:
        self._fleet.set_state(instance.instance_id, "terminated")
        self._enter(group, instance, State.TERMINATED, now, instance.cause)
        group.instances.remove(instance)
        activity = self._close(group, instance, now)
        self._outbox.event(events.done_event(group, instance, activity, launched=False))

    def _enter(
        self, group: Group, instance: Instance, state: State, now: float, cause: str, *, first: bool = False
    ) -> None:
        before = None if first else instance.state.value
        instance.state, instance.since, instance.cause = state, now, cause
        self._outbox.transition(
            {
                "kind": "lifecycle",
                "group": group.name,
                "instance": instance.instance_id,
                "from": before,
                "to": state.value,
                "cause": cause,
            }
        )

    def _open(self, group: Group, instance: Instance, description: str, cause: str, now: float) -> None:
        details = f'{{"Subnet ID":"{instance.subnet_id}","Availability Zone":"{instance.zone}"}}'
        activity = Activity(self._new_id(), description, cause, instance.instance_id, now, details)
        group.activities.insert(0, activity)
        del group.activities[_ACTIVITIES_KEPT:]

    @staticmethod
    def _cancel_launch(group: Group, instance: Instance, action: Action, now: float) -> None:
        """https://docs.aws.amazon.com/autoscaling/ec2/userguide/ts-as-lifecycle-hooks.html ."""
        why = "Heartbeat Timeout" if now >= action.deadline else "Lifecycle Action Completed with ABANDON Result"
        for activity in group.activities:
            if activity.instance_id == instance.instance_id and activity.status == "InProgress":
                activity.status, activity.ended_at, activity.progress = "Cancelled", now, 100
                activity.message = (
                    "Instance failed to complete user's Lifecycle Action: "
                    f"Lifecycle Action with token {action.token} was abandoned: {why}"
                )

    @staticmethod
    def _close(group: Group, instance: Instance, now: float) -> Activity:
        mine = [a for a in group.activities if a.instance_id == instance.instance_id]
        activity = mine[0] if mine else Activity("", "", instance.cause, instance.instance_id, now, "{}")
        activity.status, activity.ended_at, activity.progress = "Successful", now, 100
        return activity
