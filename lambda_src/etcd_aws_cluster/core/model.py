"""What one observation saw, as values.

Everything here is something that AWS or etcd said. What could not be read is there as such:
unreachable is never absent.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NewType
from urllib.parse import urlsplit

InstanceId = NewType("InstanceId", str)
"""EC2's, for example ``i-0abc``; also the name of the instance's etcd member."""

INSTANCE_ID = re.compile(r"i-[0-9a-f]{1,32}")
"""What a word must be to be taken for one: a member, or who asks for a certificate, calls itself as it likes."""

MemberId = NewType("MemberId", int)
"""etcd's, a uint64; a decimal string in the v3 API, hex in the v2 API and in etcdctl's output."""

ClusterId = NewType("ClusterId", int)
"""etcd's, a uint64; shown in hex."""


class Lifecycle(StrEnum):
    """Lifecycle states of an Auto Scaling instance, verbatim.

    https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-lifecycle.html
    AWS adds states: one that is not listed here is UNKNOWN, never an error.
    """

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
    DETACHING = "Detaching"
    DETACHED = "Detached"
    WARMED_PENDING_WAIT = "Warmed:Pending:Wait"
    WARMED_TERMINATING_WAIT = "Warmed:Terminating:Wait"
    WARMED_OTHER = "Warmed:*"
    UNKNOWN = "unknown"

    @classmethod
    def parse(cls, raw: str) -> Lifecycle:
        """Return the state that AWS calls ``raw``."""
        if raw in cls._value2member_map_:
            return cls(raw)
        return cls.WARMED_OTHER if raw.startswith("Warmed:") else cls.UNKNOWN


LAUNCHING = frozenset({Lifecycle.PENDING, Lifecycle.PENDING_WAIT, Lifecycle.PENDING_PROCEED})
LEAVING = frozenset({Lifecycle.TERMINATING, Lifecycle.TERMINATING_WAIT, Lifecycle.TERMINATING_PROCEED})
POOL_WAIT = frozenset({Lifecycle.WARMED_PENDING_WAIT, Lifecycle.WARMED_TERMINATING_WAIT})
POOL = POOL_WAIT | {Lifecycle.WARMED_OTHER}


class Ec2State(StrEnum):
    """EC2's state of an instance; ABSENT where EC2 has never heard of it, or has forgotten it."""

    PENDING = "pending"
    RUNNING = "running"
    STOPPING = "stopping"
    STOPPED = "stopped"
    SHUTTING_DOWN = "shutting-down"
    TERMINATED = "terminated"
    ABSENT = "absent"
    UNKNOWN = "unknown"

    @property
    def has_ended(self) -> bool:
        """Whether nothing of the instance runs, or ever will. A stopped one can: its volume still holds a member."""
        return self in {Ec2State.TERMINATED, Ec2State.ABSENT}

    @property
    def is_ending(self) -> bool:
        """Whether there is no way back for the instance, though it may still run for moments."""
        return self.has_ended or self is Ec2State.SHUTTING_DOWN


class Transition(StrEnum):
    """The two transitions that a lifecycle hook can hold."""

    LAUNCHING = "autoscaling:EC2_INSTANCE_LAUNCHING"
    TERMINATING = "autoscaling:EC2_INSTANCE_TERMINATING"


class Result(StrEnum):
    """How a lifecycle action is completed."""

    CONTINUE = "CONTINUE"
    ABANDON = "ABANDON"


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """An instance that the group lists.

    Attributes:
        lifecycle_raw: AWS's own word for ``lifecycle``, for people to read.
        private_ip: The primary private address, whatever other interfaces there are; None until EC2 shows one.
        launched_at: Epoch seconds.
        is_healthy: The group's own opinion (HealthStatus), not etcd's.
    """

    instance_id: InstanceId
    lifecycle: Lifecycle
    lifecycle_raw: str
    ec2_state: Ec2State
    private_ip: str | None
    launched_at: float
    is_healthy: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """The Auto Scaling group.

    Attributes:
        arn: Holds a UUID: a group that was deleted and made again under the same name has another one.
        desired: Desired capacity, in instances.
        elsewhere: EC2's state of the instances that were asked for and that the group does not list.
    """

    name: str
    arn: str
    desired: int
    is_deleting: bool
    instances: tuple[Instance, ...]
    elsewhere: Mapping[InstanceId, Ec2State]

    def find(self, instance_id: InstanceId | None) -> Instance | None:
        """Return the listed instance of that id."""
        return next((i for i in self.instances if i.instance_id == instance_id), None)

    def ec2_state(self, instance_id: InstanceId) -> Ec2State:
        """Return EC2's state of an instance, listed or not.

        EC2 may not know yet of an instance that the group lists: only one that neither knows is absent.
        """
        listed = self.find(instance_id)
        if listed is None:
            return self.elsewhere.get(instance_id, Ec2State.UNKNOWN)
        return Ec2State.UNKNOWN if listed.ec2_state is Ec2State.ABSENT else listed.ec2_state


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """An entry of etcd's member list.

    An added member has no name before it starts. One of the first cohort has its name from the start, from the
    bootstrap list; what no member has before it has started and published itself is a client URL.
    """

    member_id: MemberId
    name: str
    peer_urls: tuple[str, ...]
    client_urls: tuple[str, ...] = ()
    is_learner: bool = False

    @property
    def is_started(self) -> bool:
        """Whether it has ever published itself: name and client URLs, together."""
        return self.name != "" and bool(self.client_urls)

    def is_at(self, peer_url: str) -> bool:
        """Whether it is reached there, by http or https: a member keeps the scheme that it was added with."""
        return urlsplit(peer_url).netloc in {urlsplit(url).netloc for url in self.peer_urls}

    def __str__(self) -> str:
        return f"{self.member_id:x} ({self.name or 'unnamed'}, {','.join(self.peer_urls)})"


@dataclass(frozen=True, slots=True)
class EtcdAlarm:
    """An alarm that a member has raised, in etcd's own word: ``NOSPACE`` or ``CORRUPT``."""

    member_id: MemberId
    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What one client endpoint answered.

    Attributes:
        endpoint: Base URL, for example ``http://10.0.0.4:2379``.
        cluster_id: None where nothing answered; the header of any answer has it.
        member_id: The member that answered.
        leader_id: None where it knows of none.
        raft_index: Its applied index.
        members: The member list, only if a linearizable read on this endpoint succeeded before or with it.
        unproven_members: The member's own list where no quorum confirms it; read only where etcd has no learners.
        supports_learners: Whether the answering etcd does: since 3.4.
        certificate_ends_at: When the server's certificate ends, in epoch seconds; None without TLS, or without one.
        problem: What went wrong, for people; empty where nothing did.
        database_bytes: Size of its database file, which is what counts against the quota; None where it did not say.
        quota_bytes: The quota that it runs with; None where it did not say: before 3.6.
        alarms: The alarms of the cluster, as far as it knows; None where it did not say: before 3.4.
    """

    endpoint: str
    cluster_id: ClusterId | None = None
    member_id: MemberId | None = None
    leader_id: MemberId | None = None
    raft_index: int = 0
    is_learner: bool = False
    members: tuple[Member, ...] | None = None
    unproven_members: tuple[Member, ...] | None = None
    supports_learners: bool = True
    version: str = ""
    problem: str = ""
    database_bytes: int | None = None
    quota_bytes: int | None = None
    alarms: frozenset[EtcdAlarm] | None = None
    certificate_ends_at: float | None = None

    @property
    def is_linearizable(self) -> bool:
        """Whether the endpoint answered a linearizable read, which takes a quorum."""
        return self.members is not None
