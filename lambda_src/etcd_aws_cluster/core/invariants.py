"""A second, independent look at each action before it is carried out (docs/invariants.md).

The planner should never plan what is refused here. If it does, the run stops: a failed safety computation is a
refusal, never a default.
"""

from __future__ import annotations

from typing import assert_never

from .actions import (
    Action,
    AddMember,
    AdoptCluster,
    CompleteLifecycleAction,
    ConcludeFormation,
    FormCluster,
    MarkUnhealthy,
    MembershipChange,
    MoveLeadership,
    PromoteMember,
    PublishInitialCluster,
    PublishRecord,
    RemoveMember,
)
from .errors import InvariantViolationError
from .model import POOL, Result, Transition
from .quorum import allows_add, survives
from .record import Record, RecordState
from .view import Membership, View, read_lone_voter, read_membership


def check(view: View, action: Action) -> None:
    """Raise InvariantViolationError if the action would break a safety rule in what is observed."""
    match action:
        case FormCluster(record):
            _check_forming(view, record)
        case AdoptCluster(record):
            _check_record(view, record)
        case ConcludeFormation() | PublishRecord():
            _check_overwriting(view, action)
        case AddMember() | PromoteMember() | RemoveMember():
            _check_change(view, _proven(view), action)
        case MoveLeadership(_, target):
            _require(target in _proven(view).serving, 2, "leadership would go to a member that does not respond")
        case CompleteLifecycleAction(_, Transition.LAUNCHING, Result.CONTINUE):
            _check_launch(view, action)
        case CompleteLifecycleAction(_, Transition.TERMINATING, Result.CONTINUE):
            _check_termination(view, action)
        case MarkUnhealthy():
            _proven(view)
        case CompleteLifecycleAction() | PublishInitialCluster():
            pass
        case _:
            assert_never(action)


def _require(holds: bool, invariant: int, broken: str) -> None:  # noqa: FBT001 - reads as a sentence
    if not holds:
        raise InvariantViolationError(f"INV-{invariant}: {broken}")


def _proven(view: View) -> Membership:
    """Return the membership, which a quorum of its voters has just confirmed (INV-2)."""
    record = view.stored.record
    formed = record is not None and record.state is RecordState.EXISTING and record.cluster_id is not None
    membership = read_membership(view, record.cluster_id) if formed and record and record.cluster_id else None
    if membership is None:
        raise InvariantViolationError("INV-2: no quorum of the recorded cluster responds")
    return membership


def _check_forming(view: View, record: Record) -> None:
    last = view.stored.record
    _require(not view.answering(), 1, "a cluster would be formed beside one that answers")
    _require(record.state is RecordState.NEW, 1, "a generation begins as new")
    if last is None:
        _require(record.generation == 1, 1, "the first generation is 1")
    else:
        _require(last.state is RecordState.RETIRED, 1, "the last generation is not over")
        _require(record.generation == last.generation + 1, 1, "generations follow each other")
        alive = [m for m in last.members if m.instance is None or not view.group.ec2_state(m.instance).has_ended]
        _require(not alive, 1, "a member of the last generation may be alive")
    waiting = {i.instance_id for i in view.waiting(Transition.LAUNCHING)}
    _require(all(m.instance in waiting for m in record.members), 1, "a cohort member does not wait")


def _check_overwriting(view: View, action: ConcludeFormation | PublishRecord) -> None:
    last, record = view.stored.record, action.record
    if view.stored.is_covered and isinstance(action, PublishRecord) and record == last:
        return
    forming = last.generation if last and last.state is RecordState.NEW else None
    if isinstance(action, ConcludeFormation):
        _require(record.generation == forming, 1, "that generation does not form")
    else:
        _require(forming is None, 1, "a formation would end without its outcome")
    _check_record(view, record)


def _check_record(view: View, record: Record) -> None:
    if record.state is RecordState.RETIRED:
        _check_retiring(view, record)
        return
    _require(record.state is RecordState.EXISTING and record.cluster_id is not None, 7, "only a live list is published")
    membership = read_membership(view, record.cluster_id) if record.cluster_id else None
    if membership is None and view.stored.record:
        membership = read_lone_voter(view, view.stored.record)
    _require(membership is not None, 7, "the list to publish was not confirmed by a quorum")
    live = {m.member_id for m in membership.members} if membership else set()
    _require({m.member_id for m in record.members} == live, 7, "the record would differ from the live list")


def _check_retiring(view: View, record: Record) -> None:
    last, group = view.stored.record, view.group
    if last is None or record.members != last.members:
        raise InvariantViolationError("INV-7: retiring changes nothing else")
    if last.state is not RecordState.EXISTING or group.is_deleting:
        return
    for member in last.members:
        listed = group.find(member.instance)
        leaving = listed is not None and view.is_leaving(listed)
        ending = member.instance is not None and group.ec2_state(member.instance).is_ending
        _require(leaving or ending, 1, f"{member.instance} of a formed cluster stays")


def _check_change(view: View, membership: Membership, change: MembershipChange) -> None:
    voters, silent = len(membership.voters), membership.silent_voters()
    match change:
        case AddMember(instance_id, _, as_learner):
            pending = [m for m in membership.members if m.is_learner or not m.is_started]
            pending = [m for m in pending if m.member_id not in membership.serving]
            _require(not pending, 3, "another member is on its way in")
            _require(membership.of(instance_id) is None, 3, "the instance has a member")
            _require(as_learner == membership.supports_learners, 3, "a learner where etcd has learners")
            _require(allows_add(voters=voters, unresponsive=silent), 2, "the newcomer could cost the quorum")
        case PromoteMember(member_id):
            learner = next((m for m in membership.learners if m.member_id == member_id), None)
            _require(learner is not None and learner.is_started, 5, "only a started learner is promoted")
            _require(member_id in membership.answering, 5, "the learner does not answer")
            _require(allows_add(voters=voters, unresponsive=silent), 2, "the promotion could cost the quorum")
        case RemoveMember(member_id):
            _check_removal(view, membership, change)
        case _:
            assert_never(change)


def _check_removal(view: View, membership: Membership, change: RemoveMember) -> None:
    member = next((m for m in membership.members if m.member_id == change.member_id), None)
    if member is None:
        raise InvariantViolationError("INV-4: the member to remove is not listed")
    voters = len(membership.voters) - (not member.is_learner)
    silent = membership.silent_voters(without=member.member_id)
    _require(voters > 0, 4, "the last voter is never removed")
    _require(survives(voters=voters, unresponsive=silent), 2, "the removal could cost the quorum")
    if member.is_learner or not (member.is_started or member.member_id in membership.serving):
        return
    owner = membership.owners[member.member_id]
    instance = view.group.find(owner)
    leaving = instance is not None and view.is_leaving(instance)
    gone = owner is not None and view.group.ec2_state(owner).is_ending
    _require(leaving or (gone and member.member_id not in membership.answering), 4, "its instance stays")


def _check_launch(view: View, action: CompleteLifecycleAction) -> None:
    instance = view.group.find(action.instance_id)
    if instance is not None and instance.lifecycle in POOL:
        return
    membership = _proven(view)
    member = membership.of(action.instance_id)
    voter = member is not None and not member.is_learner and member.is_started
    _require(voter and member is not None and member.member_id in membership.serving, 5, "not a caught-up voter")


def _check_termination(view: View, action: CompleteLifecycleAction) -> None:
    record = view.stored.record
    if record is None or record.state is RecordState.RETIRED:
        return
    if record.state is RecordState.NEW:
        _require(all(m.instance != action.instance_id for m in record.members), 5, "it is of the forming cohort")
        return
    instance = view.group.find(action.instance_id)
    if instance is not None and instance.lifecycle in POOL:
        _require(all(m.instance != action.instance_id for m in record.members), 5, "its member is still recorded")
        return
    _require(_proven(view).of(action.instance_id) is None, 5, "its member is still listed")
