"""Small-world tuples to the values that the shipped code takes, and back."""

from __future__ import annotations

from collections.abc import Sequence

from etcd_aws_cluster.core.model import ClusterId, Ec2State, Group, Instance, InstanceId, Lifecycle, Member, MemberId
from etcd_aws_cluster.core.policy import Policy
from etcd_aws_cluster.core.record import Record, RecordedMember, RecordState
from tests.explorer.state import (
    COHORT,
    CUT,
    EARLY,
    ENDED,
    ENDING,
    EXISTING,
    IN_SERVICE,
    LEARNER,
    LEARNER_UNSTARTED,
    LEAVING,
    NEW,
    NO_ENTRY,
    NOBODY,
    READY,
    RETAINED,
    RETIRED,
    RUNNING,
    STANDBY,
    UNLISTED,
    UNSEEN,
    VOTER,
    VOTER_UNSTARTED,
    WAITING,
    Entry,
    Head,
    Listed,
    Node,
    Seen,
)

NOW = 1_000_000
LONG_AGO = 10
POLICY = Policy()
ARN = "arn:aws:autoscaling:eu-west-1:123456789012:autoScalingGroup:1111-aaaa:autoScalingGroupName/etcd"
LIFECYCLES = {
    WAITING: Lifecycle.PENDING_WAIT,
    IN_SERVICE: Lifecycle.IN_SERVICE,
    LEAVING: Lifecycle.TERMINATING_WAIT,
    STANDBY: Lifecycle.STANDBY,
    RETAINED: Lifecycle.TERMINATING_RETAINED,
}
EC2 = {
    RUNNING: Ec2State.RUNNING,
    ENDING: Ec2State.SHUTTING_DOWN,
    ENDED: Ec2State.TERMINATED,
    UNSEEN: Ec2State.ABSENT,
}
STATES = {NEW: RecordState.NEW, EXISTING: RecordState.EXISTING, RETIRED: RecordState.RETIRED}
STATE_NUMBERS = {v: k for k, v in STATES.items()}
LIFE_BITS = 4


class Names:
    """Names of nodes: node ``i`` of ``count`` in order, or backwards, so that every tie is broken both ways."""

    def __init__(self, count: int, *, backwards: bool = False) -> None:
        self._count = count
        self._backwards = backwards

    def number(self, node: int) -> int:
        """Return the number in all names of a node; its own inverse."""
        return self._count - 1 - node if self._backwards else node

    def instance(self, node: int) -> InstanceId:
        """Return the instance id."""
        return InstanceId(f"i-{self.number(node):04x}")

    def member(self, node: int, life: int) -> MemberId:
        """Return the member id."""
        return MemberId((self.number(node) + 1 << LIFE_BITS) + life)

    def address(self, node: int, *, is_twin: int = 0) -> str:
        """Return the private address; twins have the same."""
        return f"10.0.0.{200 if is_twin else self.number(node) + 1}"

    def node_of_instance(self, instance_id: str) -> int:
        """Return the node of an instance id."""
        return self.number(int(instance_id.removeprefix("i-"), 16))

    def node_and_life(self, member_id: int) -> tuple[int, int]:
        """Return what a member id was made of."""
        return self.number((member_id >> LIFE_BITS) - 1), member_id % (1 << LIFE_BITS)


def member_of(listed: Listed, index: int, names: Names, *, is_twin: int) -> Member:
    """Return a node's entry in a member list."""
    host = names.address(index, is_twin=is_twin)
    started = listed.member in (LEARNER, VOTER)
    return Member(
        member_id=names.member(index, listed.life),
        name=names.instance(index) if started or _is_of_cohort(listed.member, listed.life) else "",
        peer_urls=(POLICY.peer_url(host),),
        client_urls=(POLICY.client_url(host),) if started else (),
        is_learner=listed.member in (LEARNER_UNSTARTED, LEARNER),
    )


def _is_of_cohort(member: int, life: int) -> bool:
    """The bootstrap list names the first cohort before it starts."""
    return member == VOTER_UNSTARTED and life == 0


def record_of(head: Head, nodes: Sequence[Node], names: Names) -> Record:
    """Return the record that the entries of the nodes make."""
    entries = [(i, n.entry, n.is_twin) for i, n in enumerate(nodes)]
    members = [_recorded(i, e, twin, head, names) for i, e, twin in entries if e.kind]
    return Record(
        generation=head.generation,
        group_arn=ARN,
        token=f"etcd-1111-aaaa-g{head.generation}",
        state=STATES[head.state],
        cluster_id=ClusterId(head.cluster) if head.cluster else None,
        created_at=_time(head.is_overdue),
        members=tuple(sorted(members, key=lambda m: (m.member_id or 0, m.instance or ""))),
        unresponsive_since={names.instance(i): _time(e.silent == 2) for i, e, _ in entries if e.silent},
        leaving_since={names.instance(i): _time(e.leaving == 2) for i, e, _ in entries if e.leaving},
    )


def _time(is_long_ago: int) -> int:
    return LONG_AGO if is_long_ago else NOW


def _recorded(index: int, entry: Entry, is_twin: int, head: Head, names: Names) -> RecordedMember:
    host = names.address(index, is_twin=is_twin)
    started = entry.kind in (LEARNER, VOTER)
    member_id = None if entry.kind == COHORT else names.member(index, entry.life)
    return RecordedMember(
        instance=names.instance(index) if entry.is_owner_known else None,
        member_id=member_id,
        name=names.instance(index) if started or _is_of_cohort(entry.kind, entry.life) else "",
        peer_urls=(POLICY.peer_url(host),),
        client_urls=(POLICY.client_url(host),) if started or entry.kind == COHORT else (),
        is_started=started,
        is_learner=entry.kind in (LEARNER_UNSTARTED, LEARNER),
        life=f"{member_id:x}" if entry.life and member_id else f"g{head.generation}",
        since=_time(entry.is_overdue),
    )


def entries_of(record: Record, count: int, names: Names) -> tuple[Entry, ...]:
    """Return what a record says of each node; the inverse of ``record_of``."""
    entries = [NO_ENTRY] * count
    for recorded in record.members:
        entry = _entry(recorded)
        if recorded.member_id is None:
            index = names.node_of_instance(recorded.instance or "")
        else:
            index, life = names.node_and_life(recorded.member_id)
            entry = entry._replace(life=life)
        entries[index] = entry
    for instance_id, since in record.unresponsive_since.items():
        index = names.node_of_instance(instance_id)
        entries[index] = entries[index]._replace(silent=_clock(since))
    for instance_id, since in record.leaving_since.items():
        index = names.node_of_instance(instance_id)
        entries[index] = entries[index]._replace(leaving=_clock(since))
    return tuple(entries)


def head_of(record: Record) -> Head:
    """Return a record without its entries."""
    state = STATE_NUMBERS[record.state]
    overdue = int(record.created_at < NOW) if state == NEW else 0
    return Head(record.generation, state, record.cluster_id or 0, overdue)


def _clock(since: int) -> int:
    return 2 if since < NOW else 1


def _entry(recorded: RecordedMember) -> Entry:
    if recorded.member_id is None:
        return Entry(kind=COHORT)
    if recorded.is_learner:
        kind = LEARNER if recorded.is_started else LEARNER_UNSTARTED
    else:
        kind = VOTER if recorded.is_started else VOTER_UNSTARTED
    return Entry(
        kind=kind,
        is_owner_known=int(recorded.instance is not None),
        is_overdue=0 if kind == VOTER else int(recorded.since < NOW),
    )


def group_of(
    seen: Sequence[Seen],
    nodes: Sequence[Node],
    desired: int,
    *,
    is_window_over: int,
    is_known: bool,
    is_deleting: int,
    names: Names,
) -> Group:
    """Return the group as AWS tells it; of instances that it does not list only those in the record are asked for."""
    launched_at = LONG_AGO if is_window_over else NOW
    instances = [
        Instance(
            instance_id=names.instance(i),
            lifecycle=LIFECYCLES[s.lifecycle],
            lifecycle_raw=LIFECYCLES[s.lifecycle].value,
            ec2_state=EC2[s.ec2],
            private_ip=None if s.ec2 in (ENDED, UNSEEN) else names.address(i, is_twin=nodes[i].is_twin),
            launched_at=launched_at,
            is_healthy=bool(s.is_healthy),
        )
        for i, s in enumerate(seen)
        if s.lifecycle != UNLISTED
    ]
    asked = [i for i, n in enumerate(nodes) if is_known and n.entry.kind != NOBODY and n.entry.is_owner_known]
    return Group(
        name="etcd",
        arn=ARN,
        desired=desired,
        is_deleting=bool(is_deleting),
        instances=tuple(sorted(instances, key=lambda i: i.instance_id)),
        elsewhere={names.instance(i): EC2[seen[i].ec2] for i in asked if seen[i].lifecycle == UNLISTED},
    )


def answers(node: Node) -> bool:
    """Whether the controller gets an answer of the etcd on a node."""
    return node.process in (READY, CUT, EARLY) and node.ec2 != ENDED
