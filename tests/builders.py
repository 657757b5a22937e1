"""Views of the world, one fact an argument. Instance ``n`` is ``i-0n`` at 10.0.0.n, its member has the id 100 + n."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from etcd_aws_cluster.core.model import (
    ClusterId,
    Ec2State,
    Group,
    Instance,
    InstanceId,
    Lifecycle,
    Member,
    MemberId,
    Reading,
    Transition,
)
from etcd_aws_cluster.core.policy import Policy
from etcd_aws_cluster.core.ports import Stored
from etcd_aws_cluster.core.record import Record, RecordedMember, RecordState
from etcd_aws_cluster.core.view import View

NOW = 1_000_000.0
CLUSTER = ClusterId(0xC1)
ARN = "arn:aws:autoscaling:eu-west-1:123456789012:autoScalingGroup:11112222-aaaa:autoScalingGroupName/etcd"
POLICY = Policy()


def iid(n: int) -> InstanceId:
    return InstanceId(f"i-0{n}")


def mid(n: int) -> MemberId:
    return MemberId(100 + n)


def ip(n: int) -> str:
    return f"10.0.0.{n}"


def an_instance(
    n: int,
    state: str = "InService",
    *,
    ec2: str = "running",
    address: str | None = "",
    age_s: float = 1000,
    is_healthy: bool = True,
) -> Instance:
    return Instance(
        instance_id=iid(n),
        lifecycle=Lifecycle.parse(state),
        lifecycle_raw=state,
        ec2_state=Ec2State(ec2),
        private_ip=ip(n) if address == "" else address,
        launched_at=NOW - age_s,
        is_healthy=is_healthy,
    )


def a_member(n: int, *, learner: bool = False, started: bool = True, name: str | None = None, at: int = 0) -> Member:
    return Member(
        member_id=mid(n),
        name=(iid(n) if started else "") if name is None else name,
        peer_urls=(f"http://{ip(at or n)}:2380",),
        client_urls=(f"http://{ip(at or n)}:2379",) if started else (),
        is_learner=learner,
    )


def a_recorded(member: Member, *, instance: int | None = None, life: str = "g1", since_s: float = 10) -> RecordedMember:
    n = member.member_id - 100 if instance is None else instance
    return RecordedMember(
        instance=iid(n),
        member_id=member.member_id,
        name=member.name,
        peer_urls=member.peer_urls,
        client_urls=member.client_urls,
        is_started=member.is_started,
        is_learner=member.is_learner,
        life=life,
        since=int(NOW - since_s),
    )


def a_record(
    members: Iterable[Member],
    *,
    state: str = "existing",
    generation: int = 1,
    age_s: float = 10,
    member_age_s: float = 10,
    arn: str = ARN,
    unresponsive: Mapping[int, float] | None = None,
    leaving: Mapping[int, float] | None = None,
) -> Record:
    """Clocks are given as {n: seconds since}."""
    return Record(
        generation=generation,
        group_arn=arn,
        token=f"etcd-11112222-aaaa-g{generation}",
        state=RecordState(state),
        cluster_id=None if state == "new" else CLUSTER,
        created_at=int(NOW - age_s),
        members=tuple(a_recorded(m, since_s=member_age_s) for m in members),
        unresponsive_since={iid(n): int(NOW - s) for n, s in (unresponsive or {}).items()},
        leaving_since={iid(n): int(NOW - s) for n, s in (leaving or {}).items()},
    )


def a_cohort_record(ns: Iterable[int], *, generation: int = 1, age_s: float = 1, state: str = "new") -> Record:
    return Record(
        generation=generation,
        group_arn=ARN,
        token=f"etcd-11112222-aaaa-g{generation}",
        state=RecordState(state),
        cluster_id=None,
        created_at=int(NOW - age_s),
        members=tuple(
            RecordedMember(
                instance=iid(n),
                member_id=None,
                name="",
                peer_urls=(f"http://{ip(n)}:2380",),
                client_urls=(f"http://{ip(n)}:2379",),
                is_started=False,
                is_learner=False,
                life=f"g{generation}",
                since=int(NOW - age_s),
            )
            for n in ns
        ),
    )


def readings_of(
    members: Iterable[Member], *, silent: Iterable[int] = (), leader: int | None = 1, cluster: int = CLUSTER
) -> tuple[Reading, ...]:
    """Return what the members answer; without a majority of the voters no read is linearizable."""
    listed = tuple(members)
    dead = {mid(n) for n in silent}
    voters = [m for m in listed if not m.is_learner]
    alive = [m for m in voters if m.member_id not in dead and m.is_started]
    quorum = len(alive) > len(voters) // 2
    return tuple(
        Reading(
            endpoint=m.peer_urls[0].replace("2380", "2379"),
            cluster_id=ClusterId(cluster),
            member_id=m.member_id,
            leader_id=mid(leader) if leader and quorum else None,
            raft_index=10,
            is_learner=m.is_learner,
            members=listed if quorum and not m.is_learner else None,
        )
        if m.member_id not in dead and m.is_started
        else Reading(endpoint=m.peer_urls[0].replace("2380", "2379"), problem="no answer")
        for m in listed
    )


def a_view(
    instances: Iterable[Instance] | None = None,
    *,
    members: Iterable[Member] | None = None,
    record: Record | None = None,
    no_record: bool = False,
    problem: str = "",
    is_covered: bool = False,
    initial_cluster: str | None = "",
    desired: int = 3,
    deleting: bool = False,
    elsewhere: Mapping[int, str] | None = None,
    silent: Iterable[int] = (),
    leader: int | None = 1,
    readings: Iterable[Reading] | None = None,
    completed: Iterable[tuple[int, Transition]] = (),
    abandoned: Iterable[int] = (),
    transfer_failed: bool = False,
    hosts_up: Iterable[int] = (),
    arn: str = ARN,
) -> View:
    """Return three voters in service, their record and plain list as they should be, but for what is given."""
    listed = tuple(a_member(n) for n in (1, 2, 3)) if members is None else tuple(members)
    kept = None if no_record else (record or a_record(listed))
    plain = kept.initial_cluster() if kept and initial_cluster == "" else initial_cluster
    return View(
        observed_at=NOW,
        group=Group(
            name="etcd",
            arn=arn,
            desired=desired,
            is_deleting=deleting,
            instances=tuple(an_instance(n) for n in (1, 2, 3)) if instances is None else tuple(instances),
            elsewhere={iid(n): Ec2State(s) for n, s in (elsewhere or {}).items()},
        ),
        stored=Stored(
            record=kept if not problem else None, problem=problem, initial_cluster=plain or None, is_covered=is_covered
        ),
        readings=readings_of(listed, silent=silent, leader=leader) if readings is None else tuple(readings),
        completed=frozenset((iid(n), t) for n, t in completed),
        abandoned=frozenset(iid(n) for n in abandoned),
        transfer_failed=transfer_failed,
        hosts_up=frozenset(iid(n) for n in hosts_up),
    )
