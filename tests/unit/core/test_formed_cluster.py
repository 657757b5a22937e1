"""What is decided for a cluster that has formed and has a quorum."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from etcd_aws_cluster.core.actions import (
    Act,
    Action,
    AddMember,
    CompleteLifecycleAction,
    Decision,
    Look,
    MarkUnhealthy,
    MoveLeadership,
    PromoteMember,
    PublishInitialCluster,
    PublishRecord,
    Reason,
    Refuse,
    RemoveMember,
    Settled,
    Wait,
)
from etcd_aws_cluster.core.invariants import check
from etcd_aws_cluster.core.model import ClusterId, Instance, Member, Reading, Result, Transition
from etcd_aws_cluster.core.planner import plan
from etcd_aws_cluster.core.record import Record
from etcd_aws_cluster.core.view import View
from tests.builders import NOW, POLICY, a_member, a_record, a_recorded, a_view, an_instance, iid, ip, mid, readings_of

VOTERS = (a_member(1), a_member(2), a_member(3))
LAUNCH_CONTINUE = CompleteLifecycleAction(iid(4), Transition.LAUNCHING, Result.CONTINUE)


def decide(view: View) -> Decision:
    """Plan, and let the second look confirm it."""
    decision = plan(view, POLICY)
    if isinstance(decision, Act):
        check(view, decision.action)
    return decision


def members_and(*more: Member) -> list[Member]:
    return [*VOTERS, *more]


def in_service_and(*more: Instance) -> list[Instance]:
    return [an_instance(1), an_instance(2), an_instance(3), *more]


def test_three_healthy_voters_are_settled() -> None:
    assert isinstance(decide(a_view()), Settled)


# --- joining ---


def test_a_newcomer_is_added_as_a_learner() -> None:
    decision = decide(a_view(in_service_and(an_instance(4, "Pending:Wait"))))
    assert decision == Act(
        action=AddMember(iid(4), "http://10.0.0.4:2380", as_learner=True), reason=Reason.NEWCOMER, detail="i-04"
    )


def test_the_newcomer_that_waited_longest_comes_first_whatever_its_id() -> None:
    newcomers = [an_instance(4, "Pending:Wait", age_s=10), an_instance(5, "Pending:Wait", age_s=20)]
    decision = decide(a_view(in_service_and(*newcomers), desired=5))
    assert isinstance(decision, Act)
    assert isinstance(decision.action, AddMember)
    assert decision.action.instance_id == iid(5)


def test_a_new_list_is_published_before_anything_else_is_done_to_it() -> None:
    members = members_and(a_member(4, learner=True, started=False))
    view = a_view(in_service_and(an_instance(4, "Pending:Wait")), members=members, record=a_record(VOTERS))
    decision = decide(view)
    assert isinstance(decision, Act)
    assert isinstance(decision.action, PublishRecord)
    entry = decision.action.record.members[-1]
    assert (entry.instance, entry.is_learner, entry.is_started, entry.life) == (iid(4), True, False, "68")


def test_an_unstarted_learner_is_waited_for_and_never_promoted() -> None:
    view = a_view(
        in_service_and(an_instance(4, "Pending:Wait")), members=members_and(a_member(4, learner=True, started=False))
    )
    decision = decide(view)
    assert isinstance(decision, Wait)
    assert (decision.reason, decision.look) == (Reason.LEARNER_CATCHING_UP, Look.SOON)
    assert decision.keep_alive == ((iid(4), Transition.LAUNCHING),)


def test_a_learner_that_has_published_itself_but_does_not_answer_is_not_promoted() -> None:
    members = members_and(a_member(4, learner=True))
    decision = decide(a_view(in_service_and(an_instance(4, "Pending:Wait")), members=members, silent=[4]))
    assert isinstance(decision, Wait)


def test_a_learner_that_serves_is_promoted() -> None:
    members = members_and(a_member(4, learner=True))
    decision = decide(a_view(in_service_and(an_instance(4, "Pending:Wait")), members=members))
    assert isinstance(decision, Act)
    assert decision.action == PromoteMember(mid(4))


def test_a_learner_that_no_instance_is_known_for_is_not_promoted_though_it_serves() -> None:
    stranger = replace(a_member(9, learner=True), name="by-hand")
    members = members_and(stranger)
    record = a_record(members)
    record = replace(record, members=(*record.members[:3], replace(record.members[3], instance=None)))
    decision = decide(a_view(members=members, record=record))
    assert isinstance(decision, Wait)
    assert decision.reason is Reason.LEARNER_CATCHING_UP
    late = POLICY.join_timeout.total_seconds()
    overdue = replace(record, members=tuple(replace(m, since=int(NOW - late)) for m in record.members))
    removal = decide(a_view(members=members, record=overdue))
    assert isinstance(removal, Act)
    assert removal.action == RemoveMember(mid(9))


def test_a_learner_is_not_promoted_while_a_voter_is_silent_and_that_one_is_replaced_first() -> None:
    members = members_and(a_member(4, learner=True))
    waiting = in_service_and(an_instance(4, "Pending:Wait"), an_instance(5, "Pending:Wait"))
    held = decide(a_view(waiting, members=members, silent=[3], record=a_record(members, unresponsive={3: 1})))
    assert isinstance(held, Refuse)
    assert (held.reason, held.look) == (Reason.QUORUM_AT_RISK, Look.SOON)
    overdue = decide(a_view(waiting, members=members, silent=[3], record=a_record(members, unresponsive={3: 1000})))
    assert isinstance(overdue, Act)
    assert overdue.action == MarkUnhealthy(iid(3))
    leaving = [*waiting[:2], an_instance(3, "Terminating:Wait"), *waiting[3:]]
    gone = decide(a_view(leaving, members=members, silent=[3], record=a_record(members)))
    assert isinstance(gone, Act)
    assert gone.action == RemoveMember(mid(3))


def test_a_caught_up_voter_goes_into_service() -> None:
    members = members_and(a_member(4))
    decision = decide(a_view(in_service_and(an_instance(4, "Pending:Wait")), members=members))
    assert isinstance(decision, Act)
    assert decision.action == LAUNCH_CONTINUE


def test_a_voter_that_does_not_serve_does_not_go_into_service() -> None:
    members = members_and(a_member(4))
    decision = decide(a_view(in_service_and(an_instance(4, "Pending:Wait")), members=members, silent=[4]))
    assert not isinstance(decision, Act) or decision.action != LAUNCH_CONTINUE


def test_what_this_run_has_completed_is_not_completed_again() -> None:
    members = members_and(a_member(4))
    view = a_view(
        in_service_and(an_instance(4, "Pending:Wait")),
        members=members,
        completed=[(4, Transition.LAUNCHING)],
        desired=4,
    )
    assert isinstance(decide(view), Settled)


def test_a_second_newcomer_waits_for_the_first_to_become_a_voter() -> None:
    members = members_and(a_member(4, learner=True, started=False))
    newcomers = [an_instance(4, "Pending:Wait"), an_instance(5, "Pending:Wait", age_s=5000)]
    decision = decide(a_view(in_service_and(*newcomers), members=members, desired=5))
    assert isinstance(decision, Wait)
    assert set(decision.keep_alive) == {(iid(4), Transition.LAUNCHING), (iid(5), Transition.LAUNCHING)}


@pytest.mark.parametrize("state", ["terminated", "shutting-down"])
def test_a_newcomer_that_died_while_it_waited_is_given_up_not_kept_alive(state: str) -> None:
    decision = decide(a_view(in_service_and(an_instance(4, "Pending:Wait", ec2=state))))
    assert isinstance(decision, Act)
    assert decision.action == CompleteLifecycleAction(iid(4), Transition.LAUNCHING, Result.ABANDON)


@pytest.mark.parametrize("fact", [{"address": None}, {"ec2": "stopped"}, {"ec2": "absent"}])
def test_an_instance_without_address_or_that_does_not_run_is_not_added(fact: dict[str, str | None]) -> None:
    decision = decide(a_view(in_service_and(an_instance(4, "Pending:Wait", **fact)), desired=3))  # type: ignore[arg-type]
    assert isinstance(decision, Wait)
    assert decision.reason is Reason.VOTERS_MISSING


@pytest.mark.parametrize(
    ("fact", "look"),
    [({"address": None}, Look.SOON), ({"ec2": "absent"}, Look.SOON), ({"ec2": "stopped"}, Look.SOON)],
)
def test_a_newcomer_that_ec2_does_not_show_yet_is_looked_for_again_soon(
    fact: dict[str, str | None], look: Look
) -> None:
    decision = decide(a_view(in_service_and(an_instance(4, "Pending:Wait", **fact)), desired=3))  # type: ignore[arg-type]
    assert isinstance(decision, Wait)
    assert decision.look is look


def test_nobody_is_added_while_one_of_three_voters_is_silent() -> None:
    decision = decide(a_view(in_service_and(an_instance(4, "Pending:Wait")), silent=[3], record=_silent_record(3)))
    assert isinstance(decision, Refuse)
    assert decision.reason is Reason.QUORUM_AT_RISK


def test_a_newcomer_whose_peer_url_is_another_members_is_refused() -> None:
    members = [a_member(1), a_member(2), a_member(3, at=4)]
    decision = decide(a_view(in_service_and(an_instance(4, "Pending:Wait")), members=members))
    assert isinstance(decision, Refuse)
    assert decision.reason is Reason.PEER_URL_TAKEN


def test_a_learner_beyond_its_deadline_is_abandoned_then_removed_by_id_and_not_added_again() -> None:
    members = members_and(a_member(4, learner=True, started=False))
    record = a_record(members, member_age_s=POLICY.join_timeout.total_seconds())
    waiting = in_service_and(an_instance(4, "Pending:Wait"))
    first = decide(a_view(waiting, members=members, record=record))
    assert isinstance(first, Act)
    assert first.action == CompleteLifecycleAction(iid(4), Transition.LAUNCHING, Result.ABANDON)
    second = decide(
        a_view(waiting, members=members, record=record, completed=[(4, Transition.LAUNCHING)], abandoned=[4])
    )
    assert isinstance(second, Act)
    assert second.action == RemoveMember(mid(4))
    third = decide(a_view(waiting, completed=[(4, Transition.LAUNCHING)], abandoned=[4]))
    assert isinstance(third, Settled)


def test_the_learner_of_a_leaving_instance_is_removed_at_once() -> None:
    members = members_and(a_member(4, learner=True))
    decision = decide(a_view(in_service_and(an_instance(4, "Terminating:Wait")), members=members))
    assert isinstance(decision, Act)
    assert decision.action == RemoveMember(mid(4))


def test_a_learner_whose_launch_could_not_be_abandoned_stays_until_it_is() -> None:
    """Removed while its instance still waits, it would be added again."""
    members = members_and(a_member(4, learner=True, started=False))
    record = a_record(members, member_age_s=POLICY.join_timeout.total_seconds())
    instances, tried = in_service_and(an_instance(4, "Pending:Wait")), [(4, Transition.LAUNCHING)]
    failed = decide(a_view(instances, members=members, record=record, completed=tried))
    assert isinstance(failed, Wait)
    assert failed.reason is Reason.LEARNER_OVERDUE
    done = decide(a_view(instances, members=members, record=record, completed=tried, abandoned=[4]))
    assert isinstance(done, Act)
    assert done.action == RemoveMember(mid(4))


def test_a_learner_that_nobody_knows_is_removed_after_the_join_timeout() -> None:
    stranger = a_member(9, learner=True, started=False)
    members = members_and(stranger)
    record = a_record(members, member_age_s=POLICY.join_timeout.total_seconds())
    record = replace(record, members=(*record.members[:-1], replace(record.members[-1], instance=None)))
    decision = decide(a_view(members=members, record=record))
    assert isinstance(decision, Act)
    assert decision.action == RemoveMember(mid(9))


# --- leaving ---


def test_a_leaving_voter_waits_for_its_replacement() -> None:
    instances = [an_instance(1), an_instance(2), an_instance(3, "Terminating:Wait")]
    decision = decide(a_view(instances, record=a_record(VOTERS, leaving={3: 5})))
    assert isinstance(decision, Wait)
    assert decision.reason is Reason.REPLACEMENT_EXPECTED


def test_while_a_voter_waits_for_its_replacement_the_replacement_is_let_in() -> None:
    instances = [an_instance(1), an_instance(2), an_instance(3, "Terminating:Wait"), an_instance(4, "Pending:Wait")]
    decision = decide(a_view(instances, record=a_record(VOTERS, leaving={3: 5})))
    assert isinstance(decision, Act)
    assert isinstance(decision.action, AddMember)


def test_a_leaving_voter_is_removed_once_its_replacement_votes() -> None:
    instances = [an_instance(1), an_instance(2), an_instance(3, "Terminating:Wait"), an_instance(4)]
    decision = decide(a_view(instances, members=members_and(a_member(4))))
    assert isinstance(decision, Act)
    assert decision.action == RemoveMember(mid(3))


def test_a_leaving_voter_does_not_wait_for_ever() -> None:
    instances = [an_instance(1), an_instance(2), an_instance(3, "Terminating:Wait")]
    overdue = POLICY.replacement_wait.total_seconds()
    decision = decide(a_view(instances, record=a_record(VOTERS, leaving={3: overdue})))
    assert isinstance(decision, Act)
    assert decision.action == RemoveMember(mid(3))


def test_scaling_in_waits_for_no_replacement_and_takes_one_at_a_time() -> None:
    five = [a_member(n) for n in (1, 2, 3, 4, 5)]
    instances = in_service_and(an_instance(4, "Terminating:Wait"), an_instance(5, "Terminating:Wait"))
    decision = decide(a_view(instances, members=five))
    assert isinstance(decision, Act)
    assert decision.action == RemoveMember(mid(4))


def test_a_leaving_leader_hands_over_to_a_serving_voter_that_stays() -> None:
    instances = [an_instance(1, "Terminating:Wait"), an_instance(2), an_instance(3), an_instance(4)]
    decision = decide(
        a_view(instances, members=members_and(a_member(4)), leader=1, silent=[4], record=_with_4_silent())
    )
    assert isinstance(decision, Act)
    assert decision.action == MoveLeadership(mid(1), mid(3))


def test_a_leaving_leader_hands_over_to_the_newest_for_the_others_are_replaced_before_it() -> None:
    assert _next_leader_of(ages={1: 90, 2: 30, 3: 60, 4: 50}, applied={2: 10, 3: 10, 4: 10}) == MoveLeadership(
        mid(1), mid(2)
    )


@pytest.mark.parametrize(("applied", "target"), [(4000, 2), (3999, 3)])
def test_a_leaving_leader_does_not_hand_over_to_one_that_is_far_behind(applied: int, target: int) -> None:
    decided = _next_leader_of(ages={1: 90, 2: 30, 3: 60, 4: 70}, applied={2: applied, 3: 4500, 4: 5000})
    assert decided == MoveLeadership(mid(1), mid(target))


def test_of_two_leavers_the_leader_goes_last() -> None:
    instances = [an_instance(1, "Terminating:Wait"), an_instance(2, "Terminating:Wait"), an_instance(3)]
    decision = decide(a_view([*instances, an_instance(4), an_instance(5)], members=[a_member(n) for n in range(1, 6)]))
    assert isinstance(decision, Act)
    assert decision.action == RemoveMember(mid(2))


def test_a_voter_on_its_way_back_to_the_warm_pool_does_not_wait_for_ever_either() -> None:
    instances = [an_instance(1), an_instance(2), an_instance(3, "Warmed:Pending:Wait")]
    first = decide(a_view(instances))
    assert isinstance(first, Act)
    assert isinstance(first.action, PublishRecord)
    assert first.action.record.leaving_since == {iid(3): int(NOW)}
    overdue = POLICY.replacement_wait.total_seconds()
    then = decide(a_view(instances, record=a_record(VOTERS, leaving={3: overdue})))
    assert isinstance(then, Act)
    assert then.action == RemoveMember(mid(3))


def test_a_leaving_voters_clock_starts_when_it_waits_and_stops_when_it_stays() -> None:
    leaving = decide(a_view([an_instance(1), an_instance(2), an_instance(3, "Terminating:Wait")]))
    assert isinstance(leaving, Act)
    assert isinstance(leaving.action, PublishRecord)
    assert (leaving.reason, leaving.action.record.leaving_since) == (Reason.CLOCKS, {iid(3): int(NOW)})
    stays = decide(a_view(record=a_record(VOTERS, leaving={3: 5})))
    assert isinstance(stays, Act)
    assert isinstance(stays.action, PublishRecord)
    assert (stays.reason, stays.action.record.leaving_since) == (Reason.CLOCKS, {})


def test_a_leader_that_could_not_hand_over_is_removed_all_the_same() -> None:
    instances = [an_instance(1, "Terminating:Wait"), an_instance(2), an_instance(3), an_instance(4)]
    decision = decide(a_view(instances, members=members_and(a_member(4)), leader=1, transfer_failed=True))
    assert isinstance(decision, Act)
    assert decision.action == RemoveMember(mid(1))


def test_a_leaving_leader_that_does_not_answer_us_is_removed_without_being_asked_to_hand_over() -> None:
    instances = [an_instance(1, "Terminating:Wait"), an_instance(2), an_instance(3)]
    decision = decide(a_view(instances, silent=[1], leader=1))
    assert isinstance(decision, Act)
    assert decision.action == RemoveMember(mid(1))


def test_of_two_leavers_the_silent_one_goes_first_without_waiting_for_a_replacement() -> None:
    instances = [an_instance(1), an_instance(2, "Terminating:Wait"), an_instance(3, "Terminating:Wait")]
    decision = decide(a_view(instances, silent=[3]))
    assert isinstance(decision, Act)
    assert decision.action == RemoveMember(mid(3))


def test_a_healthy_leaver_stays_while_its_going_would_cost_the_quorum() -> None:
    instances = [an_instance(1), an_instance(2), an_instance(3, "Terminating:Wait")]
    overdue = POLICY.replacement_wait.total_seconds()
    record = a_record(VOTERS, leaving={3: overdue}, unresponsive={2: 1})
    decision = decide(a_view(instances, record=record, silent=[2]))
    assert isinstance(decision, Refuse)
    assert decision.reason is Reason.QUORUM_AT_RISK
    assert decision.keep_alive == ()  # the hook's own time-out retains the instance


def test_a_leaver_that_must_wait_does_not_keep_a_silent_voter_from_being_replaced() -> None:
    instances = [an_instance(1), an_instance(2), an_instance(3, "Terminating:Wait")]
    grace = POLICY.unresponsive_grace.total_seconds()
    record = a_record(VOTERS, leaving={3: 10_000}, unresponsive={2: grace})
    decision = decide(a_view(instances, record=record, silent=[2]))
    assert isinstance(decision, Act)
    assert decision.action == MarkUnhealthy(iid(2))


def test_the_last_voter_but_one_is_removed_when_the_group_shrinks_to_one() -> None:
    instances = [an_instance(1), an_instance(2, "Terminating:Wait")]
    decision = decide(a_view(instances, members=VOTERS[:2], desired=1))
    assert isinstance(decision, Act)
    assert decision.action == RemoveMember(mid(2))


def test_the_last_voter_is_never_removed() -> None:
    one = [a_member(1)]
    record = a_record(one, leaving={1: 10_000})
    instances = [an_instance(1, "Terminating:Wait")]
    decision = decide(a_view(instances, members=one, record=record, desired=1))
    assert isinstance(decision, Refuse)
    assert decision.reason is Reason.LAST_VOTER


def test_a_terminating_instance_without_a_member_is_let_go() -> None:
    decision = decide(a_view(in_service_and(an_instance(4, "Terminating:Wait"))))
    assert isinstance(decision, Act)
    assert decision.action == CompleteLifecycleAction(iid(4), Transition.TERMINATING, Result.CONTINUE)


def test_an_instance_on_its_way_to_the_wait_state_is_left_alone() -> None:
    instances = [an_instance(1), an_instance(2), an_instance(3, "Terminating"), an_instance(4)]
    decision = decide(a_view(instances, members=members_and(a_member(4))))
    assert not isinstance(decision, Act)


# --- the dead ---


@pytest.mark.parametrize("state", ["terminated", "shutting-down", "absent"])
def test_the_member_of_an_instance_that_ended_is_removed(state: str) -> None:
    decision = decide(a_view([an_instance(1), an_instance(2)], elsewhere={3: state}, silent=[3]))
    assert isinstance(decision, Act)
    assert decision.action == RemoveMember(mid(3))


@pytest.mark.parametrize("state", ["running", "stopped", "stopping", "unknown"])
def test_the_member_of_an_instance_that_merely_is_not_in_the_group_stays(state: str) -> None:
    decision = decide(a_view([an_instance(1), an_instance(2)], elsewhere={3: state}, silent=[3]))
    assert not isinstance(decision, Act)


def test_a_member_that_answers_stays_whatever_ec2_says_of_its_instance() -> None:
    decision = decide(a_view([an_instance(1), an_instance(2)], elsewhere={3: "terminated"}))
    assert not isinstance(decision, Act)


def test_a_dead_predecessor_at_a_newcomers_address_goes_first_by_its_own_id() -> None:
    members = [a_member(1), a_member(2), a_member(3), a_member(8), a_member(9, at=4)]
    view = a_view(
        in_service_and(an_instance(4, "Pending:Wait")),
        members=members,
        elsewhere={8: "terminated", 9: "terminated"},
        silent=[8, 9],
    )
    decision = decide(view)
    assert isinstance(decision, Act)
    assert decision.action == RemoveMember(mid(9))


@pytest.mark.parametrize("state", ["Standby", "EnteringStandby", "Detaching", "Terminating:Retained", "SomethingNew"])
def test_a_member_on_standby_or_in_an_unknown_state_is_left_alone(state: str) -> None:
    assert not isinstance(decide(a_view([an_instance(1), an_instance(2), an_instance(3, state)], silent=[3])), Act)


def test_a_dead_learner_goes_before_a_dead_voter() -> None:
    members = members_and(a_member(4, learner=True))
    ended = {3: "terminated", 4: "terminated"}
    decision = decide(a_view([an_instance(1), an_instance(2)], members=members, elsewhere=ended, silent=[3, 4]))
    assert isinstance(decision, Act)
    assert decision.action == RemoveMember(mid(4))


def test_a_new_list_is_published_before_a_dead_member_is_removed() -> None:
    members = members_and(a_member(4, learner=True, started=False))
    instances = [an_instance(1), an_instance(2), an_instance(4, "Pending:Wait")]
    view = a_view(instances, members=members, record=a_record(VOTERS), elsewhere={3: "terminated"}, silent=[3])
    decision = decide(view)
    assert isinstance(decision, Act)
    assert decision.reason is Reason.LIST_CHANGED


def test_a_caught_up_voter_goes_into_service_before_the_new_list_is_published() -> None:
    instances = in_service_and(an_instance(4, "Pending:Wait"))
    decision = decide(a_view(instances, members=members_and(a_member(4)), record=a_record(VOTERS)))
    assert isinstance(decision, Act)
    assert decision.action == LAUNCH_CONTINUE


# --- the silent ---


def test_a_silent_voter_starts_a_clock_first() -> None:
    decision = decide(a_view(silent=[3]))
    assert isinstance(decision, Act)
    assert isinstance(decision.action, PublishRecord)
    assert decision.action.record.unresponsive_since == {iid(3): int(NOW)}


def test_a_clock_that_was_ahead_does_not_prolong_a_wait() -> None:
    ahead = a_record(VOTERS, unresponsive={3: -3600}, leaving={2: -3600}, member_age_s=-3600)
    decision = decide(
        a_view([an_instance(1), an_instance(2, "Terminating:Wait"), an_instance(3)], silent=[3], record=ahead)
    )
    assert isinstance(decision, Act)
    assert isinstance(decision.action, PublishRecord)
    record = decision.action.record
    assert {
        *record.unresponsive_since.values(),
        *record.leaving_since.values(),
        *(m.since for m in record.members),
    } == {int(NOW)}


def test_within_the_grace_period_nothing_happens_to_it() -> None:
    decision = decide(a_view(silent=[3], record=_silent_record(3)))
    assert isinstance(decision, Wait)
    assert decision.reason is Reason.GRACE_PERIOD


def test_beyond_the_grace_period_its_instance_is_replaced() -> None:
    grace = POLICY.unresponsive_grace.total_seconds()
    decision = decide(a_view(silent=[3], record=a_record(VOTERS, unresponsive={3: grace})))
    assert isinstance(decision, Act)
    assert decision.action == MarkUnhealthy(iid(3))


def test_one_instance_at_a_time_is_replaced() -> None:
    five = [a_member(n) for n in (1, 2, 3, 4, 5)]
    record = a_record(five, unresponsive={4: 1000, 5: 1000})
    instances = in_service_and(an_instance(4, is_healthy=False), an_instance(5))
    decision = decide(a_view(instances, members=five, record=record, silent=[4, 5], desired=5))
    assert isinstance(decision, Wait)
    assert decision.reason is Reason.ONE_AT_A_TIME


def test_an_unhealthy_instance_that_ec2_has_ended_already_does_not_keep_another_from_being_replaced() -> None:
    four = [a_member(n) for n in (1, 2, 3, 5)]
    instances = in_service_and(an_instance(4, is_healthy=False, ec2="terminated"), an_instance(5))
    record = a_record(four, unresponsive={4: 1000, 5: 1000})
    decision = decide(a_view(instances, members=four, record=record, silent=[5], desired=5))
    assert isinstance(decision, Act)
    assert decision.action == MarkUnhealthy(iid(5))


def test_a_leaver_that_serves_again_does_not_keep_another_silent_voter_from_being_replaced() -> None:
    instances = [an_instance(1), an_instance(2, "Terminating:Wait", is_healthy=False), an_instance(3)]
    decision = decide(a_view(instances, silent=[3], record=a_record(VOTERS, unresponsive={3: 1000}, leaving={2: 9000})))
    assert isinstance(decision, Act)
    assert decision.action == MarkUnhealthy(iid(3))


def test_a_silent_voter_is_replaced_even_while_a_newcomer_must_wait_for_that() -> None:
    instances = in_service_and(an_instance(4, "Pending:Wait"))
    record = a_record(VOTERS, unresponsive={3: 1000})
    decision = decide(a_view(instances, record=record, silent=[3]))
    assert isinstance(decision, Act)
    assert decision.action == MarkUnhealthy(iid(3))


def test_a_silent_voter_of_five_is_replaced_before_a_newcomer_that_etcd_may_refuse_for_its_sake() -> None:
    five = [a_member(n) for n in range(1, 6)]
    instances = [*map(an_instance, range(1, 6)), an_instance(6, "Pending:Wait")]

    def decided(**clock: float) -> Decision:
        record = a_record(five, unresponsive={5: clock["since"]} if clock else {})
        return decide(a_view(instances, members=five, silent=[5], desired=5, record=record))

    first, then = decided(), decided(since=1000)
    assert isinstance(first, Act)
    assert isinstance(first.action, PublishRecord), "its clock has to be written down first"
    assert isinstance(then, Act)
    assert then.action == MarkUnhealthy(iid(5))


def test_an_instance_in_service_that_lost_its_member_is_replaced() -> None:
    two = VOTERS[:2]
    decision = decide(a_view(members=two, record=a_record(two, unresponsive={3: 1000})))
    assert isinstance(decision, Act)
    assert (decision.action, decision.reason) == (MarkUnhealthy(iid(3)), Reason.MEMBERLESS)


def test_a_voter_that_answers_again_stops_its_clock() -> None:
    decision = decide(a_view(record=a_record(VOTERS, unresponsive={3: 10})))
    assert isinstance(decision, Act)
    assert isinstance(decision.action, PublishRecord)
    assert decision.action.record.unresponsive_since == {}


def test_a_newcomer_that_fell_silent_once_it_voted_replaces_nobody() -> None:
    decision = decide(_a_silent_newcomer(unresponsive={4: 1}))
    assert isinstance(decision, Wait)
    assert decision.reason is Reason.REPLACEMENT_EXPECTED


def test_a_newcomer_that_fell_silent_once_it_voted_starts_a_clock_too() -> None:
    decision = decide(_a_silent_newcomer(unresponsive={}))
    assert isinstance(decision, Act)
    assert isinstance(decision.action, PublishRecord)
    assert decision.action.record.unresponsive_since == {iid(4): int(NOW)}


def test_a_newcomer_that_fell_silent_once_it_voted_is_given_up_and_not_waited_for() -> None:
    decision = decide(_a_silent_newcomer(unresponsive={4: POLICY.unresponsive_grace.total_seconds()}))
    assert isinstance(decision, Act)
    assert decision.action == CompleteLifecycleAction(iid(4), Transition.LAUNCHING, Result.ABANDON)


def test_a_newcomer_whose_launch_is_ended_already_is_not_given_up_again() -> None:
    view = replace(_a_silent_newcomer(unresponsive={4: 1000}), completed=frozenset({(iid(4), Transition.LAUNCHING)}))
    assert not isinstance(decide(view), Act)


def test_a_newcomer_whose_launch_is_ended_already_does_not_keep_a_silent_voter_from_being_replaced() -> None:
    five = [a_member(n) for n in range(1, 6)]
    instances = [*map(an_instance, (1, 2, 3)), an_instance(4, "Pending:Wait"), an_instance(5)]
    record = a_record(five, unresponsive={4: 1000, 5: 1000})
    view = a_view(instances, members=five, silent=[4, 5], desired=5, record=record)
    decision = decide(replace(view, completed=frozenset({(iid(4), Transition.LAUNCHING)})))
    assert isinstance(decision, Act)
    assert decision.action == MarkUnhealthy(iid(5))


# --- without a proven membership ---


def test_without_a_quorum_everything_is_refused_and_every_hook_kept_alive() -> None:
    instances = [an_instance(1), an_instance(2, "Terminating:Wait"), an_instance(4, "Pending:Wait")]
    decision = decide(a_view(instances, silent=[2, 3], elsewhere={3: "terminated"}))
    assert isinstance(decision, Refuse)
    assert decision.reason is Reason.QUORUM_LOST
    assert set(decision.keep_alive) == {(iid(2), Transition.TERMINATING), (iid(4), Transition.LAUNCHING)}


def test_another_cluster_id_is_refused_by_name() -> None:
    foreign = Reading(endpoint="http://10.0.0.9:2379", cluster_id=ClusterId(0xBAD), member_id=mid(9))
    decision = decide(a_view(readings=(*readings_of(VOTERS), foreign)))
    assert isinstance(decision, Refuse)
    assert decision.reason is Reason.FOREIGN_CLUSTER
    assert "bad at http://10.0.0.9:2379" in decision.detail


def test_lists_that_differ_are_read_again() -> None:
    one, two, three = readings_of(VOTERS)
    decision = decide(a_view(readings=(replace(one, members=VOTERS[:2]), two, three)))
    assert isinstance(decision, Wait)
    assert (decision.reason, decision.look) == (Reason.LISTS_DIFFER, Look.SOON)


# --- what people read ---


def test_the_plain_list_is_published_last() -> None:
    decision = decide(a_view(initial_cluster="i-old=http://10.0.0.99:2380"))
    assert isinstance(decision, Act)
    assert decision.action == PublishInitialCluster(",".join(f"{iid(n)}=http://{ip(n)}:2380" for n in (1, 2, 3)))


def _silent_record(n: int) -> Record:
    return a_record(VOTERS, unresponsive={n: 1})


def _next_leader_of(*, ages: Mapping[int, float], applied: Mapping[int, int]) -> Action:
    """Return what is done about a leader 1 that leaves.

    Args:
        ages: how long each has been a member, in seconds.
        applied: each one's index of the log.
    """
    members = [a_member(n) for n in ages]
    entries = tuple(a_recorded(m, since_s=age) for m, age in zip(members, ages.values(), strict=True))
    readings = [replace(r, raft_index=applied.get(n, 0)) for n, r in zip(ages, readings_of(members), strict=True)]
    decision = decide(
        a_view(
            [an_instance(1, "Terminating:Wait"), *(an_instance(n) for n in ages if n != 1)],
            members=members,
            record=replace(a_record(members, leaving={1: 10}), members=entries),
            readings=readings,
        )
    )
    assert isinstance(decision, Act)
    return decision.action


def _with_4_silent() -> Record:
    return a_record([*VOTERS, a_member(4)], unresponsive={4: 1}, leaving={1: 10_000})


def _a_silent_newcomer(*, unresponsive: Mapping[int, float]) -> View:
    """Return a view of a refresh: 1 is leaving, and 4, which has been promoted in its place, does not answer."""
    instances = [an_instance(1, "Terminating:Wait"), *map(an_instance, (2, 3)), an_instance(4, "Pending:Wait")]
    members = members_and(a_member(4))
    record = a_record(members, unresponsive=unresponsive, leaving={1: 10})
    return a_view(instances, members=members, record=record, silent=[4])
