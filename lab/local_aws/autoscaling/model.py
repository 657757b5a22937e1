"""What Auto Scaling keeps about its groups. Names and values are AWS's; times are seconds of the caller's clock."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

LAUNCHING: Final = "autoscaling:EC2_INSTANCE_LAUNCHING"
TERMINATING: Final = "autoscaling:EC2_INSTANCE_TERMINATING"
GLOBAL_TIMEOUT_MAX_S: Final = 48 * 3600
GLOBAL_TIMEOUT_FACTOR: Final = 100


class State(StrEnum):
    """Lifecycle states, as DescribeAutoScalingGroups and DescribeWarmPool spell them."""

    PENDING = "Pending"
    PENDING_WAIT = "Pending:Wait"
    PENDING_PROCEED = "Pending:Proceed"
    IN_SERVICE = "InService"
    TERMINATING = "Terminating"
    TERMINATING_WAIT = "Terminating:Wait"
    TERMINATING_PROCEED = "Terminating:Proceed"
    TERMINATING_RETAINED = "Terminating:Retained"
    TERMINATED = "Terminated"
    ENTERING_STANDBY = "EnteringStandby"
    STANDBY = "Standby"
    WARMED_PENDING = "Warmed:Pending"
    WARMED_PENDING_WAIT = "Warmed:Pending:Wait"
    WARMED_PENDING_PROCEED = "Warmed:Pending:Proceed"
    WARMED_STOPPED = "Warmed:Stopped"
    WARMED_RUNNING = "Warmed:Running"
    WARMED_HIBERNATED = "Warmed:Hibernated"
    WARMED_TERMINATING = "Warmed:Terminating"
    WARMED_TERMINATING_WAIT = "Warmed:Terminating:Wait"
    WARMED_TERMINATING_PROCEED = "Warmed:Terminating:Proceed"
    WARMED_TERMINATING_RETAINED = "Warmed:Terminating:Retained"

    @property
    def in_warm_pool(self) -> bool:
        """Whether the instance belongs to the warm pool, not to the group proper."""
        return self.value.startswith("Warmed:")

    @property
    def terminating(self) -> bool:
        """Whether the instance is on its way out (or retained on it)."""
        return "Terminat" in self.value

    @property
    def waiting(self) -> bool:
        """Whether lifecycle actions hold the instance."""
        return self.value.endswith(":Wait")

    def sibling(self, step: str) -> State:
        """The same way in or out at another step: ``Wait``, ``Proceed`` or ``Retained``."""
        stem = self.value.removesuffix(":Wait").removesuffix(":Proceed")
        return State(f"{stem}:{step}")


POOL_STATES: Final = {
    "Stopped": State.WARMED_STOPPED,
    "Running": State.WARMED_RUNNING,
    "Hibernated": State.WARMED_HIBERNATED,
}
RESTING_IN_POOL: Final = frozenset(POOL_STATES.values())


@dataclass(frozen=True)
class Hook:
    """A lifecycle hook of a group."""

    name: str
    transition: str
    heartbeat_timeout_s: int = 3600
    default_result: str = "ABANDON"
    notification_target_arn: str = ""
    role_arn: str = ""
    notification_metadata: str = ""

    @property
    def global_timeout_s(self) -> int:
        """The longest that an instance can be held: 48 hours or 100 heartbeat timeouts, whichever is smaller."""
        return min(GLOBAL_TIMEOUT_MAX_S, GLOBAL_TIMEOUT_FACTOR * self.heartbeat_timeout_s)


@dataclass
class Action:
    """One pending lifecycle action of an instance."""

    token: str
    hook: Hook
    deadline: float
    limit: float

    def beat(self, now: float) -> None:
        """Restart the heartbeat timeout, within the global timeout."""
        self.deadline = min(now + self.hook.heartbeat_timeout_s, self.limit)


@dataclass
class Instance:
    """An instance as Auto Scaling sees it."""

    instance_id: str
    zone: str
    subnet_id: str
    image_id: str
    instance_type: str
    launch_template: dict[str, str]
    launched_at: float
    state: State
    since: float
    protected: bool = False
    health: str = "Healthy"
    in_service_since: float | None = None
    unhealthy_since: float | None = None
    came_from: str = "EC2"
    runs_hooks: bool = True
    cause: str = ""
    actions: dict[str, Action] = field(default_factory=dict)

    @property
    def counts(self) -> bool:
        """Whether it counts toward the desired capacity (retained, standby, leaving and warm ones do not)."""
        return self.state in {State.PENDING, State.PENDING_WAIT, State.PENDING_PROCEED, State.IN_SERVICE}

    @property
    def is_serving(self) -> bool:
        """Whether it is in service and healthy."""
        return self.state is State.IN_SERVICE and self.health == "Healthy"


@dataclass
class WarmPool:
    """The warm pool of a group."""

    min_size: int = 0
    max_prepared: int | None = None
    pool_state: str = "Stopped"
    deleting: bool = False


@dataclass
class Refresh:
    """An instance refresh. ``old`` are the ids still to replace."""

    refresh_id: str
    started_at: float
    min_healthy_percent: int
    max_healthy_percent: int
    warmup_s: float
    old: set[str]
    total: int
    preferences: dict[str, Any]
    desired_configuration: dict[str, Any]
    status: str = "InProgress"
    reason: str = ""
    ended_at: float | None = None

    @property
    def active(self) -> bool:
        """Whether it is still running."""
        return self.status in {"Pending", "InProgress", "Cancelling"}

    @property
    def replaces_protected(self) -> bool:
        """Whether instances that are protected from scale in are replaced as well."""
        return bool(self.preferences.get("ScaleInProtectedInstances") == "Refresh")

    @property
    def launches_first(self) -> bool:
        """Whether a replacement serves before the old instance is terminated."""
        return self.max_healthy_percent > 100  # noqa: PLR2004  # percent


@dataclass
class Activity:
    """A scaling activity."""

    activity_id: str
    description: str
    cause: str
    instance_id: str
    started_at: float
    details: str
    status: str = "InProgress"
    message: str = ""
    ended_at: float | None = None
    progress: int = 30


@dataclass
class Group:
    """An Auto Scaling group. ``settings`` has the members of the API that are only kept and shown."""

    name: str
    arn: str
    created_at: float
    min_size: int
    max_size: int
    desired: int
    launch_template: dict[str, str]
    subnets: list[str]
    zones: list[str] = field(default_factory=list)
    settings: dict[str, Any] = field(default_factory=dict)
    tags: list[dict[str, Any]] = field(default_factory=list)
    hooks: dict[str, Hook] = field(default_factory=dict)
    instances: list[Instance] = field(default_factory=list)
    refreshes: list[Refresh] = field(default_factory=list)
    activities: list[Activity] = field(default_factory=list)
    warm_pool: WarmPool | None = None
    deleting: bool = False

    @property
    def counted(self) -> list[Instance]:
        """The instances that count toward the desired capacity."""
        return [i for i in self.instances if i.counts]

    @property
    def serving(self) -> list[Instance]:
        """The healthy instances in service."""
        return [i for i in self.instances if i.is_serving]

    @property
    def warm(self) -> list[Instance]:
        """The instances in or entering the warm pool."""
        return [i for i in self.instances if i.state.in_warm_pool and not i.state.terminating]

    @property
    def refresh(self) -> Refresh | None:
        """The running instance refresh."""
        return next((r for r in self.refreshes if r.active), None)

    @property
    def retains(self) -> bool:
        """Whether an abandoned termination leaves the instance running (InstanceLifecyclePolicy)."""
        triggers = (self.settings.get("InstanceLifecyclePolicy") or {}).get("RetentionTriggers") or {}
        return bool(triggers.get("TerminateHookAbandon") == "retain")

    @property
    def replaces_before_terminating(self) -> bool:
        """Whether the instance maintenance policy wants a replacement in service before an unhealthy one goes."""
        policy = self.settings.get("InstanceMaintenancePolicy") or {}
        low, high = policy.get("MinHealthyPercentage"), policy.get("MaxHealthyPercentage")
        return low is not None and high is not None and int(low) >= 100 and int(high) > 100  # noqa: PLR2004  # percent

    def hooks_for(self, transition: str) -> list[Hook]:
        """The hooks of one transition, oldest first."""
        return [hook for hook in self.hooks.values() if hook.transition == transition]
