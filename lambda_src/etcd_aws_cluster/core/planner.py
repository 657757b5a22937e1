"""The decision: the first rule that applies, one action, then look again."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from .actions import Act, Decision, Look, PublishRecord, Reason, Refuse, Settled, Wait
from .formation import (
    adopt,
    end_the_last_generation,
    follow_the_group_down,
    gather,
    give_up_dead_newcomers,
    pass_the_warm_pool,
    refuse_an_unusable_record,
    refuse_foreign,
    retire_a_deleted_groups_record,
    uncover_the_record,
    watch_the_formation,
)
from .formed import Formed
from .membership import (
    hold_the_learner,
    let_leavers_go,
    let_newcomers_join,
    publish_the_list,
    publish_the_rest,
    release_who_is_done,
    remove_the_dead,
    replace_the_silent,
    settle_the_learner,
    wait_for_the_rest,
)
from .policy import Policy
from .publish import current_record
from .record import Record
from .view import View, read_lone_voter, read_membership

_BEFORE_A_CLUSTER: tuple[Callable[[View, Policy], Decision | None], ...] = (
    uncover_the_record,
    pass_the_warm_pool,
    follow_the_group_down,
    give_up_dead_newcomers,
    refuse_an_unusable_record,
    retire_a_deleted_groups_record,
    end_the_last_generation,
    adopt,
    gather,
    watch_the_formation,
)
_IN_A_CLUSTER: tuple[Callable[[Formed], Decision | None], ...] = (
    release_who_is_done,
    publish_the_list,
    remove_the_dead,
    settle_the_learner,
)
# A leaver or a newcomer that must wait may wait for a silent voter, which a later rule replaces: the first of these
# to act decides, and only if none acts the first to wait or to refuse. Newcomers come last, since etcd may refuse them
# for as long as a voter is silent.
_IN_ITS_TURN: tuple[Callable[[Formed], Decision | None], ...] = (
    hold_the_learner,
    let_leavers_go,
    replace_the_silent,
    publish_the_rest,
    let_newcomers_join,
    wait_for_the_rest,
)


def plan(view: View, policy: Policy) -> Decision:
    """Choose at most one action; the time is ``view.observed_at``.

    A formed cluster is touched only if one cluster id answers and a majority of its voters serves (INV-2).
    """
    for early_rule in _BEFORE_A_CLUSTER:
        decision = early_rule(view, policy)
        if decision:
            return decision
    record = view.stored.record
    if record is None or record.cluster_id is None:
        raise AssertionError("no rule took a cluster that is not formed")
    foreign = refuse_foreign(view, record)
    if foreign:
        return foreign
    membership = read_membership(view, record.cluster_id)
    if membership is None:
        return _start_the_second_voter(view, record) or _without_quorum(view)
    current = current_record(view, record, membership)
    formed = Formed(view=view, policy=policy, record=record, current=current, membership=membership)
    decision = _of_a_cluster(formed)
    # A leaver's hook may run out: its instance is retained then. A newcomer's would be lost for having had to wait.
    return replace(decision, keep_alive=view.launches()) if isinstance(decision, Wait | Refuse) else decision


def _of_a_cluster(formed: Formed) -> Decision:
    for rule in _IN_A_CLUSTER:
        decision = rule(formed)
        if decision:
            return decision
    settled = Settled(detail=f"{len(formed.membership.voters)} voters, {formed.view.group.desired} desired")
    return _first_act(rule(formed) for rule in _IN_ITS_TURN) or settled


def _first_act(decisions: Iterable[Decision | None]) -> Decision | None:
    fallback: Decision | None = None
    for decision in decisions:
        if isinstance(decision, Act):
            return decision
        fallback = fallback or decision
    return fallback


def _start_the_second_voter(view: View, record: Record) -> Decision | None:
    """Publish a second voter that etcd without learners had to take at once: it is what the quorum waits for."""
    membership = read_lone_voter(view, record)
    if membership is None:
        return None
    return Act(action=PublishRecord(current_record(view, record, membership)), reason=Reason.LIST_CHANGED)


def _without_quorum(view: View) -> Decision:
    """Refuse everything, keep every hook alive; lists that only differ are read again."""
    linearizable = [r for r in view.readings if r.is_linearizable]
    lists = {frozenset(r.members or ()) for r in linearizable}
    if len(lists) > 1:
        return Wait(reason=Reason.LISTS_DIFFER, look=Look.SOON, keep_alive=view.all_waiting())
    return Refuse(
        reason=Reason.QUORUM_LOST,
        detail="; ".join(f"{r.endpoint}: {r.problem or 'not a voter that serves'}" for r in view.readings),
        look=Look.SOON,
        keep_alive=view.all_waiting(),
    )
