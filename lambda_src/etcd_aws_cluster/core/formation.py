"""Rules before there is a formed cluster: let pass, bring down, adopt, gather, form. In the planner's order."""

from __future__ import annotations

from .actions import (
    Act,
    AdoptCluster,
    CompleteLifecycleAction,
    ConcludeFormation,
    Decision,
    FormCluster,
    Look,
    PublishRecord,
    Reason,
    Refuse,
    Settled,
    Wait,
)
from .model import LAUNCHING, LEAVING, POOL, POOL_WAIT, Ec2State, Instance, InstanceId, Lifecycle, Result, Transition
from .policy import Policy
from .publish import adoption_record, cohort_record, current_record, retire
from .quorum import majority
from .record import Record, RecordState
from .view import Membership, View, read_membership

_MAY_HOLD_DATA = frozenset(
    {
        Lifecycle.IN_SERVICE,
        Lifecycle.ENTERING_STANDBY,
        Lifecycle.STANDBY,
        Lifecycle.DETACHING,
        Lifecycle.TERMINATING_RETAINED,
        Lifecycle.UNKNOWN,
    }
)


def uncover_the_record(view: View, _policy: Policy) -> Decision | None:
    """Write the record again over one that came too late and is void: agents wait for that."""
    record = view.stored.record
    if record is None or not view.stored.is_covered:
        return None
    return Act(action=PublishRecord(record), reason=Reason.COVERED)


def pass_the_warm_pool(view: View, _policy: Policy) -> Decision | None:
    """Let warm-pool instances pass: they hold no member.

    An instance that goes back to the pool waits in Warmed:Pending:Wait under the terminate hook, one that fills it
    under the launch hook; the state does not tell which, so both are tried.
    https://docs.aws.amazon.com/autoscaling/ec2/userguide/warm-pools-eventbridge-events.html
    """
    members = {m.instance for m in view.stored.record.members} if view.stored.record else set()
    for instance in view.group.instances:
        if instance.lifecycle not in POOL_WAIT or instance.instance_id in members:
            continue
        for transition in Transition:
            if (instance.instance_id, transition) not in view.completed:
                return complete(instance, transition, Result.CONTINUE, Reason.WARM_POOL)
    return None


def follow_the_group_down(view: View, _policy: Policy) -> Decision | None:
    """Where the whole group goes, etcd goes with it; no quorum is kept for nobody."""
    if not _is_going(view):
        return None
    record = view.stored.record
    if record and record.state is not RecordState.RETIRED:
        return Act(action=retire(record), reason=Reason.GROUP_GOING)
    for instance in view.waiting(Transition.TERMINATING):
        return complete(instance, Transition.TERMINATING, Result.CONTINUE, Reason.GROUP_GOING)
    for instance in view.waiting(Transition.LAUNCHING):
        return complete(instance, Transition.LAUNCHING, Result.ABANDON, Reason.GROUP_GOING)
    return Settled(reason=Reason.GROUP_GOING)


def give_up_dead_newcomers(view: View, _policy: Policy) -> Decision | None:
    """End the launch of an instance that died while it waited: nobody else looks after its health before InService."""
    for instance in view.waiting(Transition.LAUNCHING):
        if view.group.ec2_state(instance.instance_id).is_ending:
            return complete(instance, Transition.LAUNCHING, Result.ABANDON, Reason.INSTANCE_GONE)
    return None


def refuse_an_unusable_record(view: View, _policy: Policy) -> Decision | None:
    """A record that cannot be understood is not "no record"."""
    problem, record = view.stored.problem, view.stored.record
    if record and record.state is RecordState.EXISTING and record.cluster_id is None:
        problem = "the record has state existing and no cluster_id"
    if not problem:
        return None
    return Refuse(reason=Reason.RECORD_UNUSABLE, detail=problem, keep_alive=view.all_waiting())


def retire_a_deleted_groups_record(view: View, _policy: Policy) -> Decision | None:
    """A cluster went down with its group if the group is another one now and no instance of the old one is left."""
    record = view.stored.record
    if record is None or record.state is RecordState.RETIRED or record.group_arn == view.group.arn:
        return None
    if _survivors(view, record):
        return None
    return Act(action=retire(record), reason=Reason.PREDECESSOR_DELETED, detail=record.group_arn)


def end_the_last_generation(view: View, _policy: Policy) -> Decision | None:
    """A new generation never begins while a member of the last is alive (INV-1)."""
    record = view.stored.record
    if record is None or record.state is not RecordState.RETIRED:
        return None
    survivors = _survivors(view, record)
    for name in survivors:
        instance = view.group.find(InstanceId(name))
        if instance and view.is_waiting(instance, Transition.LAUNCHING):
            return complete(instance, Transition.LAUNCHING, Result.ABANDON, Reason.GENERATION_OVER)
        if instance and view.is_waiting(instance, Transition.TERMINATING):
            return complete(instance, Transition.TERMINATING, Result.CONTINUE, Reason.GENERATION_OVER)
    if not survivors:
        return None
    return Wait(reason=Reason.GENERATION_ENDING, detail=", ".join(survivors), keep_alive=view.launches())


def adopt(view: View, _policy: Policy) -> Decision | None:
    """Where some etcd answers and nothing is written down, that cluster is ours to keep, if it is one and whole."""
    record = view.stored.record
    answers = view.answering()
    if not answers or (record and record.state is not RecordState.RETIRED):
        return None
    ids = sorted({f"{r.cluster_id:x} at {r.endpoint}" for r in answers})
    if record or len({r.cluster_id for r in answers}) > 1:
        return Refuse(reason=Reason.FOREIGN_CLUSTER, detail=", ".join(ids), keep_alive=view.all_waiting())
    cluster_id = answers[0].cluster_id
    membership = read_membership(view, cluster_id) if cluster_id is not None else None
    if membership is None:
        return Refuse(reason=Reason.QUORUM_LOST, detail=", ".join(ids), look=Look.SOON, keep_alive=view.all_waiting())
    return _refuse_the_unmatched(view, membership) or Act(
        action=AdoptCluster(adoption_record(view, membership)), reason=Reason.ADOPT, detail=ids[0]
    )


def gather(view: View, policy: Policy) -> Decision | None:
    """Without a cluster: wait for the desired instances, then claim a generation for exactly those."""
    record = view.stored.record
    if record and record.state is not RecordState.RETIRED:
        return None
    silent = [i.instance_id for i in view.group.instances if _may_hold_data(i)]
    if silent:
        return Refuse(
            reason=Reason.SILENT_IN_SERVICE, detail=", ".join(silent), look=Look.SOON, keep_alive=view.all_waiting()
        )
    for leaver in view.waiting(Transition.TERMINATING):
        return complete(leaver, Transition.TERMINATING, Result.CONTINUE, Reason.NOT_A_MEMBER)
    ready = [i for i in view.waiting(Transition.LAUNCHING) if can_host(i)]
    cohort = ready[: view.group.desired]
    detail = f"{len(ready)} of {view.group.desired} wait"
    if cohort and len(cohort) == view.group.desired:
        return Act(
            action=FormCluster(cohort_record(view, policy, cohort)), reason=Reason.COHORT_COMPLETE, detail=detail
        )
    if cohort and len(cohort) >= majority(view.group.desired):
        waited = view.observed_at - cohort[0].launched_at
        if waited >= policy.gather_window.total_seconds():
            return Act(
                action=FormCluster(cohort_record(view, policy, cohort)), reason=Reason.GATHER_WINDOW_OVER, detail=detail
            )
    return Wait(reason=Reason.GATHERING, detail=detail, look=look_for_newcomers(view), keep_alive=view.all_waiting())


def watch_the_formation(view: View, policy: Policy) -> Decision | None:
    """A claimed generation becomes a cluster, or is given up as a whole."""
    record = view.stored.record
    if record is None or record.state is not RecordState.NEW:
        return None
    foreign = refuse_foreign(view, record)
    if foreign:
        return foreign
    membership = _formed_membership(view)
    if membership:
        return _record_the_formation(view, record, membership)
    alive = len(_survivors(view, record))
    overdue = view.observed_at - record.created_at >= policy.formation_timeout.total_seconds()
    if overdue or alive < majority(len(record.members)):
        return Act(
            action=retire(record),
            reason=Reason.FORMATION_FAILED,
            detail=f"{alive} of {len(record.members)} instances are alive",
        )
    cohort = {m.instance for m in record.members}
    for leaver in view.waiting(Transition.TERMINATING):
        if leaver.instance_id not in cohort:
            return complete(leaver, Transition.TERMINATING, Result.CONTINUE, Reason.NOT_A_MEMBER)
    return Wait(reason=Reason.FORMING, look=Look.SOON, keep_alive=view.all_waiting())


def refuse_foreign(view: View, record: Record) -> Refuse | None:
    """One record, one cluster: whatever answers under another id is named and nothing is touched."""
    answers = view.answering()
    expected = record.cluster_id or (answers[0].cluster_id if answers else None)
    foreign = [f"{r.cluster_id:x} at {r.endpoint}" for r in answers if r.cluster_id != expected]
    if not foreign:
        return None
    return Refuse(
        reason=Reason.FOREIGN_CLUSTER,
        detail=f"expected {expected:x}, found {', '.join(foreign)}",
        keep_alive=view.all_waiting(),
    )


def can_host(instance: Instance) -> bool:
    """Whether a newcomer has an address and still runs."""
    return instance.private_ip is not None and instance.ec2_state in {Ec2State.PENDING, Ec2State.RUNNING}


def _may_hold_data(instance: Instance) -> bool:
    # Others that have ended are the group's to replace; a retained one may be on its list for long.
    is_left_behind = instance.lifecycle is Lifecycle.TERMINATING_RETAINED and instance.ec2_state.has_ended
    return instance.lifecycle in _MAY_HOLD_DATA and not is_left_behind


def _refuse_the_unmatched(view: View, membership: Membership) -> Refuse | None:
    """Where it is not known who is on an instance that may have a member, it would be let go as one that has none."""
    members = [str(m) for m in membership.members if membership.owners[m.member_id] is None]
    instances = [
        i.instance_id
        for i in view.group.instances
        if i.lifecycle not in LAUNCHING | POOL and membership.of(i.instance_id) is None
    ]
    if not members or not instances:
        return None
    detail = f"{', '.join(members)} may be on {', '.join(instances)}"
    return Refuse(reason=Reason.HOST_UNKNOWN, detail=detail, look=Look.SOON, keep_alive=view.all_waiting())


def _record_the_formation(view: View, record: Record, membership: Membership) -> Decision:
    strangers = [str(m) for m in membership.members if record.entry_of(m) is None]
    if strangers:
        return Refuse(
            reason=Reason.FOREIGN_CLUSTER,
            detail=f"not of the cohort: {', '.join(strangers)}",
            keep_alive=view.all_waiting(),
        )
    return Act(action=ConcludeFormation(current_record(view, record, membership)), reason=Reason.FORMED)


def _formed_membership(view: View) -> Membership | None:
    ids = {r.cluster_id for r in view.answering() if r.is_linearizable}
    cluster_id = ids.pop() if len(ids) == 1 else None
    membership = read_membership(view, cluster_id) if cluster_id is not None else None
    return membership if membership and membership.leader else None


def _is_going(view: View) -> bool:
    group = view.group
    if group.is_deleting or group.desired > 0:
        return group.is_deleting
    members = [m.instance for m in view.stored.record.members] if view.stored.record else []
    # A stale group can look empty: only EC2's word on every member makes "scaled to zero" true.
    stay = [i for i in group.instances if i.lifecycle not in LEAVING and not group.ec2_state(i.instance_id).is_ending]
    return not stay and all(m and (group.find(m) or group.ec2_state(m).is_ending) for m in members)


def _survivors(view: View, record: Record) -> tuple[str, ...]:
    """Return the instances of a record that may still run; a member without an instance may, for all we know."""
    return tuple(
        m.instance or f"the member at {m.peer_urls[0]}"
        for m in record.members
        if m.instance is None or not view.group.ec2_state(m.instance).has_ended
    )


def look_for_newcomers(view: View) -> Look:
    """Return when to look again for newcomers: soon, if EC2 does not show one yet that its group already lists."""
    newcomers = (i for i in view.waiting(Transition.LAUNCHING) if not can_host(i))
    unseen = any(not view.group.ec2_state(i.instance_id).is_ending for i in newcomers)
    return Look.SOON if unseen else Look.LATER


def complete(instance: Instance, transition: Transition, result: Result, reason: Reason) -> Act:
    """Return the completion of an instance's lifecycle action."""
    return Act(
        action=CompleteLifecycleAction(instance.instance_id, transition, result),
        reason=reason,
        detail=f"{instance.instance_id} in {instance.lifecycle_raw}",
    )
