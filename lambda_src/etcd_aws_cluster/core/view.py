"""One observation, whole, and the membership that can be read off it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from .model import (
    INSTANCE_ID,
    LEAVING,
    POOL,
    ClusterId,
    Group,
    Instance,
    InstanceId,
    Lifecycle,
    Member,
    MemberId,
    Reading,
    Transition,
)
from .ports import Stored
from .quorum import majority
from .record import Record

_WAIT_STATES = {Lifecycle.PENDING_WAIT: Transition.LAUNCHING, Lifecycle.TERMINATING_WAIT: Transition.TERMINATING}


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What is known at one moment.

    Attributes:
        observed_at: Epoch seconds.
        completed: Lifecycle actions that this run has completed; the group may not show it yet.
        abandoned: Instances whose launch this run has abandoned.
        transfer_failed: Whether handing over leadership was refused or went unanswered in this run.
        hosts_up: Instances whose EC2 status checks pass, where that was asked.
        asked: Endpoints that may still answer; there are some only while a look lasts.
    """

    observed_at: float
    group: Group
    stored: Stored
    readings: tuple[Reading, ...] = ()
    completed: frozenset[tuple[InstanceId, Transition]] = frozenset()
    abandoned: frozenset[InstanceId] = frozenset()
    transfer_failed: bool = False
    hosts_up: frozenset[InstanceId] = frozenset()
    asked: frozenset[str] = frozenset()

    def is_waiting(self, instance: Instance, transition: Transition) -> bool:
        """Whether the instance's lifecycle action is ours to complete."""
        return (
            _WAIT_STATES.get(instance.lifecycle) is transition
            and (instance.instance_id, transition) not in self.completed
        )

    def waiting(self, transition: Transition) -> tuple[Instance, ...]:
        """Return the instances that wait for that transition, oldest first."""
        return tuple(
            sorted(
                (i for i in self.group.instances if self.is_waiting(i, transition)),
                key=lambda i: (i.launched_at, i.instance_id),
            )
        )

    def launches(self) -> tuple[tuple[InstanceId, Transition], ...]:
        """Return the lifecycle actions of launches that are ours to complete."""
        return tuple((i.instance_id, Transition.LAUNCHING) for i in self.waiting(Transition.LAUNCHING))

    def all_waiting(self) -> tuple[tuple[InstanceId, Transition], ...]:
        """Return every lifecycle action that is ours to complete."""
        terminations = ((i.instance_id, Transition.TERMINATING) for i in self.waiting(Transition.TERMINATING))
        return (*self.launches(), *terminations)

    def is_leaving(self, instance: Instance) -> bool:
        """Whether the instance is on its way out of the cluster, into the warm pool included."""
        return instance.lifecycle in LEAVING | POOL or instance.instance_id in self.abandoned

    def answering(self) -> tuple[Reading, ...]:
        """Return the readings in which some etcd answered."""
        return tuple(r for r in self.readings if r.cluster_id is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Membership:
    """The member list of one cluster, proven by linearizable reads on a quorum of its voters.

    Attributes:
        serving: Voters that answered a linearizable read themselves.
        answering: Members that answered anything.
        owners: The instance that each member is on; None where nothing tells.
        endpoints: Where each answering member answered.
    """

    cluster_id: ClusterId
    members: tuple[Member, ...]
    serving: frozenset[MemberId]
    answering: frozenset[MemberId]
    leader: MemberId | None
    raft_index: Mapping[MemberId, int]
    endpoints: Mapping[MemberId, str]
    owners: Mapping[MemberId, InstanceId | None]
    supports_learners: bool

    @property
    def voters(self) -> tuple[Member, ...]:
        """The members that vote, started or not."""
        return tuple(m for m in self.members if not m.is_learner)

    @property
    def learners(self) -> tuple[Member, ...]:
        """The members that do not vote."""
        return tuple(m for m in self.members if m.is_learner)

    def silent_voters(self, *, without: MemberId | None = None) -> int:
        """Return how many voters do not serve, one of them not counted."""
        return sum(m.member_id not in self.serving and m.member_id != without for m in self.voters)

    def of(self, instance_id: InstanceId) -> Member | None:
        """Return the member that is on an instance."""
        return next((m for m in self.members if self.owners[m.member_id] == instance_id), None)


def owner_of(member: Member, view: View) -> InstanceId | None:
    """Return the instance that a member is on: by its name, else by our record, else by an address.

    Of the addresses the one where it answers comes first: a peer URL may hold a DNS name, or what was a dead
    predecessor's address and is a newcomer's now.
    """
    if INSTANCE_ID.fullmatch(member.name):
        return InstanceId(member.name)
    record = view.stored.record
    entry = record.entry_of(member) if record else None
    if entry and entry.instance:
        return entry.instance
    answered = (r.endpoint for r in view.readings if r.member_id == member.member_id)
    instances = {i.private_ip: i.instance_id for i in view.group.instances if i.private_ip}
    hosts = (urlsplit(url).hostname for url in (*answered, *member.peer_urls))
    return next((instances[host] for host in hosts if host in instances), None)


def read_membership(view: View, cluster_id: ClusterId) -> Membership | None:
    """Return the membership of a cluster, or None without proof: no quorum, or lists that differ (look again)."""
    answers = [r for r in view.answering() if r.cluster_id == cluster_id and r.member_id is not None]
    lists = {tuple(sorted(r.members, key=lambda m: m.member_id)) for r in answers if r.members is not None}
    if len(lists) != 1:
        return None
    members = lists.pop()
    voters = {m.member_id for m in members if not m.is_learner}
    serving = {r.member_id for r in answers if r.is_linearizable and r.member_id in voters}
    return _membership(view, cluster_id, members, answers) if len(serving) >= majority(len(voters)) else None


def read_lone_voter(view: View, record: Record) -> Membership | None:
    """Return the membership of an etcd without learners whose only voter has just got a second one.

    From that moment there is no quorum until the second voter starts, and it cannot start before it is published.
    The list of the only voter needs no proof: what it has applied, it alone had to agree to.
    """
    voters = [m for m in record.members if not m.is_learner]
    answers = [r for r in view.answering() if r.cluster_id == record.cluster_id]
    if len(voters) != 1 or len(answers) != 1 or answers[0].member_id != voters[0].member_id:
        return None
    members = answers[0].unproven_members or ()
    others = [m for m in members if m.member_id != voters[0].member_id]
    if len(others) != 1 or len(members) != len(others) + 1 or others[0].is_started or record.cluster_id is None:
        return None
    return _membership(view, record.cluster_id, members, answers)


def _membership(view: View, cluster_id: ClusterId, members: tuple[Member, ...], answers: list[Reading]) -> Membership:
    voters = {m.member_id for m in members if not m.is_learner}
    answering = {r.member_id: r for r in answers if r.member_id is not None}
    return Membership(
        cluster_id=cluster_id,
        members=members,
        serving=frozenset(m for m, r in answering.items() if r.is_linearizable and m in voters),
        answering=frozenset(answering),
        leader=next((r.leader_id for r in answers if r.is_linearizable and r.leader_id), None),
        raft_index={m: r.raft_index for m, r in answering.items()},
        endpoints={m: r.endpoint for m, r in answering.items()},
        owners={m.member_id: owner_of(m, view) for m in members},
        supports_learners=all(r.supports_learners for r in answers),
    )
