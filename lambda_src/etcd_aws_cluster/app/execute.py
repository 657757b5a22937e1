"""Action to port call, and what became of it."""

from __future__ import annotations

from dataclasses import replace
from enum import Enum, auto
from typing import assert_never

from ..core.actions import (
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
from ..core.errors import AwsError, EtcdError, RejectedError, Rejection
from ..core.model import MemberId, Result
from ..core.ports import InstanceGroup, MembershipApi, RecordStore
from ..core.record import Record
from ..core.telemetry import Metric, Telemetry
from ..core.view import Membership, View, read_membership
from .observe import Observer

MOST_TRIES = 4
"""How often within one run an AWS call is made that goes on failing; botocore's own retries are within each."""


class Outcome(Enum):
    """DONE: look again at once. NOT_YET: etcd will say yes soon. REFUSED: in a while, or not at all."""

    DONE = auto()
    NOT_YET = auto()
    REFUSED = auto()


class ActionExecutor:
    """Carries out one action. What it cannot know the outcome of it does not repeat: the next look tells (INV-6)."""

    def __init__(
        self,
        *,
        members: MembershipApi,
        group: InstanceGroup,
        store: RecordStore,
        telemetry: Telemetry,
        observer: Observer,
    ) -> None:
        self._members = members
        self._group = group
        self._store = store
        self._telemetry = telemetry
        self._observer = observer

    def execute(self, view: View, action: Action) -> Outcome:
        """Do it.

        Raises:
            AwsError: The record could not be written, or the group not be told; one instance's lifecycle action that
                could not be completed is logged and left until after the next look at AWS, since others wait too.
            RecordError: A claim, an outcome or the stored record cannot be understood.
        """
        match action:
            case FormCluster(record) | AdoptCluster(record):
                self._note_record(self._store.claim(record))
            case ConcludeFormation(record):
                self._note_record(self._store.conclude(record))
            case PublishRecord(record):
                self._note_record(self._store.write(record))
            case PublishInitialCluster(text):
                self._store.write_initial_cluster(text)
                self._observer.note(lambda stored: replace(stored, initial_cluster=text))
            case CompleteLifecycleAction():
                self._complete(action)
            case MarkUnhealthy(instance_id):
                self._group.mark_unhealthy(instance_id)
                self._observer.look_again_at_aws()
            case AddMember() | PromoteMember() | RemoveMember() | MoveLeadership():
                return self._ask_etcd(view, action)
            case _:
                assert_never(action)
        return Outcome.DONE

    def _note_record(self, record: Record) -> None:
        self._observer.note(lambda stored: replace(stored, record=record, is_covered=False))

    def _complete(self, action: CompleteLifecycleAction) -> None:
        memory = self._observer.memory
        key = (action.instance_id, action.transition)
        try:
            self._group.complete(action.instance_id, action.transition, action.result)
        except AwsError as error:
            self._telemetry.trouble("lifecycle action not completed", error)
            self._telemetry.count(Metric.RECONCILE_ERRORS)
            memory.failures[key] += 1
            left_alone = memory.failed if memory.failures[key] < MOST_TRIES else memory.completed
            left_alone.add(key)
            return
        memory.completed.add(key)
        if action.result is Result.ABANDON:
            memory.abandoned.add(action.instance_id)

    def _ask_etcd(self, view: View, action: MembershipChange | MoveLeadership) -> Outcome:
        try:
            self._call_etcd(view, action)
        except EtcdError as error:
            rejection = error.rejection if isinstance(error, RejectedError) else None
            if isinstance(action, MoveLeadership):
                self._observer.memory.transfer_failed = True
            if rejection is Rejection.NOT_IN_SYNC:
                return Outcome.NOT_YET
            self._telemetry.trouble(f"{type(action).__name__} did not go through", error)
            return Outcome.REFUSED
        if not isinstance(action, MoveLeadership):
            self._telemetry.count(Metric.MEMBERSHIP_CHANGES)
        return Outcome.DONE

    def _call_etcd(self, view: View, action: MembershipChange | MoveLeadership) -> None:
        membership, record = _proven(view)
        match action:
            case AddMember(_, peer_url, as_learner):
                self._members.add_member(_door(membership, record), peer_url, as_learner=as_learner)
            case PromoteMember(member_id):
                self._members.promote_member(_leaders_door(membership, record), member_id)
            case RemoveMember(member_id):
                self._members.remove_member(_door(membership, record, besides=member_id), member_id)
            case MoveLeadership(leader, target):
                self._members.move_leadership(membership.endpoints[leader], target)
            case _:
                assert_never(action)


def _proven(view: View) -> tuple[Membership, Record]:
    record = view.stored.record
    membership = read_membership(view, record.cluster_id) if record and record.cluster_id else None
    if membership is None or record is None:
        raise AssertionError("a checked membership change without a proven membership")
    return membership, record


def _door(membership: Membership, record: Record, *, besides: MemberId | None = None) -> str:
    """Return the endpoint to ask for a change of the list: the longest-standing serving voter's, not the leaver's.

    Whoever is asked, leader or not, refuses until it has been connected to enough voters for 5 s; a newcomer has not.
    https://github.com/etcd-io/etcd/blob/v3.5.1/server/etcdserver/server.go (mayRemoveMember)
    """
    serving = (m for m in membership.voters if m.member_id in membership.serving - {besides})
    return membership.endpoints[record.oldest_first(serving)[0].member_id]


def _leaders_door(membership: Membership, record: Record) -> str:
    """Return the leader's endpoint, which need not forward a promotion, or else one that will."""
    leader = membership.leader
    return membership.endpoints[leader] if leader and leader in membership.serving else _door(membership, record)
