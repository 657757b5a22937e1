"""What is known about a group that is to be attached to."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from infra.names import LAUNCH_HOOK, TERMINATE_HOOK


@dataclass(frozen=True, kw_only=True)
class Hook:
    """A lifecycle hook.

    Attributes:
        transition: LAUNCHING or TERMINATING.
        default_result: CONTINUE or ABANDON.
    """

    name: str
    transition: str
    default_result: str

    @property
    def is_named_as_ours(self) -> bool:
        """Whether it has the name of one of this app's hooks."""
        return self.name in {LAUNCH_HOOK, TERMINATE_HOOK}


@dataclass(frozen=True, kw_only=True)
class Record:
    """What the parameter with the cluster's record says of itself; both empty if it cannot be read as one."""

    state: str
    group_arn: str


@dataclass(frozen=True, kw_only=True)
class Facts:
    """A group as it was found, and what is asked of it.

    Attributes:
        groups: How many groups of exactly that name there are.
        is_attached: Whether the stack that attaches to it is there already.
        stack: The stack that made the group; empty if none did.
        own_stack: The name of the stack that would attach to it.
        counts_in: What the desired capacity is counted in, if it is not instances; empty if it is.
        states: Lifecycle states by instance.
        refresh: Status of an instance refresh that is under way; empty without one.
        replaces_first: Whether the maintenance policy has a replacement in service before any instance goes, also an
            unhealthy one.
        scales_by: Scaling policies and scheduled actions.
        user_data: Of its launch template or configuration, decoded; None if it could not be read.
        vpcs: Of its subnets.
        security_groups: Of each instance that EC2 knows.
        template_groups: Security groups of instances to come; None if that could not be read.
        neighbours: Groups that have instances in the same members' security group.
        record: None if there is none.
        wanted_vpc: As it was given; empty if it was not.
        wanted_group: The members' security group as it was given; empty if it was not.
        wanted_group_vpc: Where that is; None if there is no such security group.
    """

    name: str
    own_stack: str
    groups: int = 1
    arn: str = ""
    is_attached: bool = False
    is_deleting: bool = False
    stack: str = ""
    desired: int = 0
    min_size: int = 0
    max_size: int = 0
    counts_in: str = ""
    states: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    protected: tuple[str, ...] = ()
    hooks: tuple[Hook, ...] = ()
    suspended: tuple[str, ...] = ()
    refresh: str = ""
    health_check_type: str = "EC2"
    health_check_grace_s: int = 0
    has_warm_pool: bool = False
    protects_new: bool = False
    retains: bool = False
    replaces_first: bool = False
    scales_by: tuple[str, ...] = ()
    user_data: str | None = None
    vpcs: frozenset[str] = frozenset()
    security_groups: Mapping[str, frozenset[str]] = field(default_factory=lambda: MappingProxyType({}))
    template_groups: frozenset[str] | None = None
    neighbours: tuple[str, ...] = ()
    record: Record | None = None
    wanted_vpc: str = ""
    wanted_group: str = ""
    wanted_group_vpc: str | None = None

    @property
    def common_groups(self) -> frozenset[str]:
        """Security groups that every one of its instances is in."""
        return frozenset.intersection(*self.security_groups.values()) if self.security_groups else frozenset()
