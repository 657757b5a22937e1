"""An Auto Scaling group and its instances, playing the documented life cycle.

https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-lifecycle.html

AWS's own steps happen in ``advance()`` only, so that a test decides when. Moments that no reader could act on
(Pending, Pending:Proceed, Terminating, Terminating:Proceed) are left out.

    group = FakeGroup(clock, desired=3)
    group.advance()  # three instances in Pending:Wait at 10.0.0.4, .5, .6
    first, *_ = group.held(Transition.LAUNCHING)
    group.complete(first, Transition.LAUNCHING, Result.CONTINUE)
    group.lose(first)
    group.advance()  # first in Terminating:Wait, a fourth one in Pending:Wait
"""

from __future__ import annotations

import itertools
from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta

from etcd_aws_cluster.core.model import Ec2State, Group, Instance, InstanceId, Lifecycle, Result, Transition

from .failures import Failures
from .fake_clock import FakeClock

UUID = "0f2c8e9a-1111-4222-8333-944445555666"
_HELD_BY = {
    Lifecycle.PENDING_WAIT: Transition.LAUNCHING,
    Lifecycle.TERMINATING_WAIT: Transition.TERMINATING,
    Lifecycle.WARMED_PENDING_WAIT: Transition.LAUNCHING,
    Lifecycle.WARMED_TERMINATING_WAIT: Transition.TERMINATING,
}
_LEAVING = {Lifecycle.TERMINATING_WAIT, Lifecycle.WARMED_TERMINATING_WAIT, Lifecycle.TERMINATING_RETAINED}
_ASIDE = {Lifecycle.ENTERING_STANDBY, Lifecycle.STANDBY}
_WARM = {Lifecycle.WARMED_PENDING_WAIT, Lifecycle.WARMED_TERMINATING_WAIT, Lifecycle.WARMED_OTHER}


@dataclass
class FakeInstance:
    """An instance; ``lifecycle`` is None once the group no longer lists it. Tests may change anything."""

    instance_id: InstanceId
    private_ip: str | None
    launched_at: float
    lifecycle: Lifecycle | None = Lifecycle.PENDING_WAIT
    lifecycle_raw: str = ""
    ec2_state: Ec2State = Ec2State.RUNNING
    is_healthy: bool = True
    passes_status_checks: bool = True
    held_since: float = 0.0

    @property
    def is_up(self) -> bool:
        """Whether processes run on it."""
        return self.ec2_state is Ec2State.RUNNING


class FakeGroup:
    """The port InstanceGroup.

    Calls that can be made to fail: ``read``, ``complete``, ``heartbeat``, ``mark_unhealthy``.

    Attributes:
        instances: All there ever were.
        completed: The completions that found an active lifecycle action, in order.
        hook_timeout: After that long without heartbeat a lifecycle action ends in ABANDON.
        retains: Whether an abandoned termination keeps its instance (the group's lifecycle policy).
    """

    def __init__(self, clock: FakeClock, *, desired: int = 0, name: str = "etcd") -> None:
        self._clock = clock
        self.name = name
        self.arn = f"arn:aws:autoscaling:us-east-1:123456789012:autoScalingGroup:{UUID}:autoScalingGroupName/{name}"
        self.desired = desired
        self.is_deleting = False
        self.instances: dict[InstanceId, FakeInstance] = {}
        self.completed: list[tuple[InstanceId, Transition, Result]] = []
        self.hook_timeout = timedelta(minutes=30)
        self.retains = True
        self._numbers = itertools.count(1)
        self._frozen: Group | None = None
        self._failures = Failures()
        self.fail_next = self._failures.fail_next
        self.calls = self._failures.calls

    # What a test, or AWS itself, does

    def launch(self, *, private_ip: str | None = None, lifecycle: Lifecycle = Lifecycle.PENDING_WAIT) -> InstanceId:
        """Start an instance at the lowest free address, as EC2 does, unless another is given."""
        instance_id = InstanceId(f"i-{next(self._numbers):04x}")
        self.instances[instance_id] = FakeInstance(
            instance_id=instance_id,
            private_ip=private_ip or self._free_ip(),
            launched_at=self._clock.now(),
            lifecycle=lifecycle,
            held_since=self._clock.now(),
        )
        return instance_id

    def terminate(self, instance_id: InstanceId) -> None:
        """Have the group terminate an instance: the hook holds it first."""
        instance = self.instances[instance_id]
        if instance.lifecycle is not None and instance.lifecycle not in _LEAVING:
            warm = instance.lifecycle in _WARM
            self._hold(instance, Lifecycle.WARMED_TERMINATING_WAIT if warm else Lifecycle.TERMINATING_WAIT)

    def take_from_pool(self, instance_id: InstanceId) -> None:
        """Start a warm-pool instance for the group: the launch hook holds it again."""
        instance = self.instances[instance_id]
        instance.ec2_state, instance.lifecycle_raw = Ec2State.RUNNING, ""
        self._hold(instance, Lifecycle.PENDING_WAIT)

    def lose(self, instance_id: InstanceId) -> None:
        """Have a host die by itself; the group notices when AWS next ``advance()``s."""
        self.instances[instance_id].ec2_state = Ec2State.TERMINATED

    def advance(self) -> None:
        """Let AWS do all that it would do by now: end, time out, replace, scale out and in."""
        for instance in list(self.instances.values()):
            self._advance(instance)
        desired = 0 if self.is_deleting else self.desired
        serving = [i for i in self._listed() if i.lifecycle not in _LEAVING | _ASIDE | _WARM]
        for _ in range(desired - len(serving)):
            self.launch()
        # AWS's default termination policy is more involved; oldest first will do.
        for instance in serving[: max(len(serving) - desired, 0)]:
            self.terminate(instance.instance_id)

    def freeze(self) -> None:
        """Have reads answer what is true now until ``thaw()``: AWS's reads may be stale."""
        self._frozen = self._snapshot()

    def thaw(self) -> None:
        """Have reads answer the truth again."""
        self._frozen = None

    def held(self, transition: Transition) -> list[InstanceId]:
        """Return the instances whose lifecycle action of that kind is active."""
        return [i.instance_id for i in self._listed() if i.lifecycle and _HELD_BY.get(i.lifecycle) is transition]

    def in_service(self) -> list[InstanceId]:
        """Return the instances that are InService."""
        return [i.instance_id for i in self._listed() if i.lifecycle is Lifecycle.IN_SERVICE]

    # The port

    def read(self, also: Collection[InstanceId]) -> Group:
        """Return the group as it is, or as it was when frozen."""
        with self._failures.during("read"):
            group = self._frozen or self._snapshot()
        states = {i.instance_id: i.ec2_state for i in self.instances.values()}
        return Group(
            name=group.name,
            arn=group.arn,
            desired=group.desired,
            is_deleting=group.is_deleting,
            instances=group.instances,
            elsewhere={i: states.get(i, Ec2State.ABSENT) for i in also if group.find(i) is None},
        )

    def complete(self, instance_id: InstanceId, transition: Transition, result: Result) -> None:
        """Complete a lifecycle action; without an active one nothing happens."""
        with self._failures.during("complete"):
            instance = self._held_instance(instance_id, transition)
            if instance:
                self.completed.append((instance_id, transition, result))
                self._complete(instance, result)

    def heartbeat(self, instance_id: InstanceId, transition: Transition) -> None:
        """Restart a lifecycle action's timeout; without an active one nothing happens."""
        with self._failures.during("heartbeat"):
            instance = self._held_instance(instance_id, transition)
            if instance:
                instance.held_since = self._clock.now()

    def mark_unhealthy(self, instance_id: InstanceId) -> None:
        """Have the instance replaced at the next ``advance()``."""
        with self._failures.during("mark_unhealthy"):
            if instance_id in self.instances:
                self.instances[instance_id].is_healthy = False

    def passes_status_checks(self, instance_id: InstanceId) -> bool:
        """Return whether the instance's host is up."""
        with self._failures.during("passes_status_checks"):
            return self.instances[instance_id].passes_status_checks

    # How AWS does it

    def _listed(self) -> list[FakeInstance]:
        return [i for i in self.instances.values() if i.lifecycle is not None]

    def _snapshot(self) -> Group:
        instances = [
            Instance(
                instance_id=i.instance_id,
                lifecycle=i.lifecycle,
                lifecycle_raw=i.lifecycle_raw or i.lifecycle.value,
                ec2_state=i.ec2_state,
                private_ip=None if i.ec2_state is Ec2State.TERMINATED else i.private_ip,
                launched_at=i.launched_at,
                is_healthy=i.is_healthy,
            )
            for i in self._listed()
            if i.lifecycle is not None
        ]
        return Group(
            name=self.name,
            arn=self.arn,
            desired=self.desired,
            is_deleting=self.is_deleting,
            instances=tuple(instances),
            elsewhere={},
        )

    def _free_ip(self) -> str:
        taken = {i.private_ip for i in self.instances.values() if i.ec2_state is not Ec2State.TERMINATED}
        return next(ip for ip in (f"10.0.0.{n}" for n in range(4, 255)) if ip not in taken)

    def _held_instance(self, instance_id: InstanceId, transition: Transition) -> FakeInstance | None:
        instance = self.instances.get(instance_id)
        held_by = _HELD_BY.get(instance.lifecycle) if instance and instance.lifecycle else None
        return instance if held_by is transition else None

    def _hold(self, instance: FakeInstance, lifecycle: Lifecycle) -> None:
        instance.lifecycle = lifecycle
        instance.held_since = self._clock.now()

    def _complete(self, instance: FakeInstance, result: Result) -> None:
        match instance.lifecycle, result:
            case Lifecycle.PENDING_WAIT, Result.CONTINUE:
                instance.lifecycle = Lifecycle.IN_SERVICE
            case Lifecycle.WARMED_PENDING_WAIT, Result.CONTINUE:
                instance.lifecycle = Lifecycle.WARMED_OTHER
                instance.lifecycle_raw = "Warmed:Stopped"
                instance.ec2_state = Ec2State.STOPPED
            case ((Lifecycle.PENDING_WAIT | Lifecycle.WARMED_PENDING_WAIT), Result.ABANDON):
                self.terminate(instance.instance_id)
            case Lifecycle.TERMINATING_WAIT, Result.ABANDON if self.retains:
                instance.lifecycle = Lifecycle.TERMINATING_RETAINED
            case _:
                instance.lifecycle = None
                if instance.ec2_state is not Ec2State.TERMINATED:
                    instance.ec2_state = Ec2State.SHUTTING_DOWN

    def _advance(self, instance: FakeInstance) -> None:
        if instance.ec2_state is Ec2State.SHUTTING_DOWN:
            instance.ec2_state = Ec2State.TERMINATED
        if instance.lifecycle is None:
            return
        held_for = timedelta(seconds=self._clock.now() - instance.held_since)
        if instance.lifecycle in _HELD_BY and held_for >= self.hook_timeout:
            self._complete(instance, Result.ABANDON)
        elif instance.lifecycle is Lifecycle.IN_SERVICE and not (instance.is_healthy and instance.is_up):
            self.terminate(instance.instance_id)  # health counts from InService on
