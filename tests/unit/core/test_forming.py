"""What is decided before there is a formed cluster, and when the group goes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from etcd_aws_cluster.core.actions import (
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
from etcd_aws_cluster.core.invariants import check
from etcd_aws_cluster.core.model import ClusterId, Instance, Reading, Result, Transition
from etcd_aws_cluster.core.planner import plan
from etcd_aws_cluster.core.record import RecordState
from etcd_aws_cluster.core.view import View
from tests.builders import (
    ARN,
    CLUSTER,
    POLICY,
    a_cohort_record,
    a_member,
    a_record,
    a_view,
    an_instance,
    iid,
    ip,
    mid,
    readings_of,
)

OTHER_ARN = ARN.replace("11112222", "99998888")


def decide(view: View) -> Decision:
    """Plan, and let the second look confirm it."""
    decision = plan(view, POLICY)
    if isinstance(decision, Act):
        check(view, decision.action)
    return decision


def waiting(*ns: int, age_s: float = 1) -> list[Instance]:
    return [an_instance(n, "Pending:Wait", age_s=age_s) for n in ns]


def nothing_yet(instances: list[Instance], **facts: object) -> View:
    return a_view(instances, members=[], no_record=True, initial_cluster=None, **facts)  # type: ignore[arg-type]


def test_nothing_is_formed_before_every_desired_instance_waits() -> None:
    decision = decide(nothing_yet(waiting(1, 2)))
    assert isinstance(decision, Wait)
    assert (decision.reason, decision.look) == (Reason.GATHERING, Look.LATER)
    assert set(decision.keep_alive) == {(iid(1), Transition.LAUNCHING), (iid(2), Transition.LAUNCHING)}


def test_a_cluster_is_formed_of_exactly_the_desired_instances_by_one_claim() -> None:
    decision = decide(nothing_yet([*waiting(1, 2, 3, age_s=9), *waiting(4)]))
    assert isinstance(decision, Act)
    assert isinstance(decision.action, FormCluster)
    record = decision.action.record
    assert record == a_cohort_record([1, 2, 3], age_s=0)
    assert record.initial_cluster() == ",".join(f"{iid(n)}=http://{ip(n)}:2380" for n in (1, 2, 3))
    assert record.token == "etcd-11112222-aaaa-g1"


@pytest.mark.parametrize(
    ("arn", "token"),
    [
        ("arn:aws:autoscaling:eu-west-1:1:autoScalingGroup:77-aa", "etcd-77-aa-g1"),
        (
            "arn:aws:autoscaling:eu-west-1:1:autoScalingGroup",
            "etcd-arn:aws:autoscaling:eu-west-1:1:autoScalingGroup-g1",
        ),
    ],
)
def test_the_token_holds_the_groups_uuid_or_all_of_an_arn_of_another_shape(arn: str, token: str) -> None:
    decision = decide(nothing_yet(waiting(1, 2, 3), arn=arn))
    assert isinstance(decision, Act)
    assert isinstance(decision.action, FormCluster)
    assert decision.action.record.token == token


def test_after_the_gather_window_a_majority_is_enough() -> None:
    age = POLICY.gather_window.total_seconds()
    decision = decide(nothing_yet([*waiting(1), *waiting(2, age_s=age)]))
    assert isinstance(decision, Act)
    assert decision.reason is Reason.GATHER_WINDOW_OVER
    assert isinstance(decide(nothing_yet(waiting(1, age_s=age))), Wait)


def test_instances_without_an_address_are_not_of_the_cohort() -> None:
    blind = an_instance(3, "Pending:Wait", address=None)
    assert isinstance(decide(nothing_yet([*waiting(1, 2), blind])), Wait)


@pytest.mark.parametrize(
    "state",
    ["InService", "Standby", "EnteringStandby", "Detaching", "Terminating:Retained", "ReplacingRootVolume:Wait"],
)
def test_an_instance_that_may_hold_data_and_does_not_answer_forbids_a_new_cluster(state: str) -> None:
    decision = decide(nothing_yet([*waiting(1, 2, 3), an_instance(4, state)]))
    assert isinstance(decision, Refuse)
    assert decision.reason is Reason.SILENT_IN_SERVICE
    assert iid(4) in decision.detail


def test_a_retained_instance_that_has_ended_holds_no_data() -> None:
    ended = an_instance(4, "Terminating:Retained", ec2="terminated")
    decision = decide(nothing_yet([*waiting(1, 2, 3), ended]))
    assert isinstance(decision, Act)
    assert isinstance(decision.action, FormCluster)


def test_a_running_cluster_is_adopted_not_formed_again() -> None:
    members = [a_member(n) for n in (1, 2, 3)]
    decision = decide(a_view(members=members, no_record=True))
    assert isinstance(decision, Act)
    assert isinstance(decision.action, AdoptCluster)
    record = decision.action.record
    assert (record.state, record.cluster_id, record.generation) == (RecordState.EXISTING, CLUSTER, 1)
    assert record.token == "etcd-11112222-aaaa-g1"
    assert [m.instance for m in record.members] == [iid(1), iid(2), iid(3)]


def test_a_cluster_of_host_names_is_adopted_by_address() -> None:
    members = [a_member(n, name=f"infra{n}") for n in (1, 2, 3)]
    decision = decide(a_view(members=members, no_record=True))
    assert isinstance(decision, Act)
    assert isinstance(decision.action, AdoptCluster)
    assert [m.instance for m in decision.action.record.members] == [iid(1), iid(2), iid(3)]


def test_a_cluster_without_quorum_is_not_adopted_and_nothing_is_formed_beside_it() -> None:
    decision = decide(a_view(members=[a_member(n) for n in (1, 2, 3)], no_record=True, silent=[2, 3]))
    assert isinstance(decision, Refuse)
    assert decision.reason is Reason.QUORUM_LOST


def test_two_clusters_in_one_group_are_refused() -> None:
    stranger = Reading(endpoint="http://10.0.0.9:2379", cluster_id=ClusterId(2), member_id=mid(9))
    members = [a_member(n) for n in (1, 2, 3)]
    decision = decide(a_view(members=members, no_record=True, readings=[*readings_of(members), stranger]))
    assert isinstance(decision, Refuse)
    assert decision.reason is Reason.FOREIGN_CLUSTER


# --- a claimed generation ---


def test_a_forming_cohort_is_waited_for() -> None:
    decision = decide(a_view(waiting(1, 2, 3), members=[], record=a_cohort_record([1, 2, 3])))
    assert isinstance(decision, Wait)
    assert (decision.reason, decision.look) == (Reason.FORMING, Look.SOON)


def test_a_cohort_of_which_a_majority_is_alive_or_one_answers_is_waited_for() -> None:
    record = a_cohort_record([1, 2, 3])
    alone = Reading(endpoint="http://10.0.0.1:2379", cluster_id=CLUSTER, member_id=mid(1))
    decision = decide(a_view(waiting(1, 2), members=[], record=record, elsewhere={3: "terminated"}, readings=[alone]))
    assert isinstance(decision, Wait)
    assert decision.reason is Reason.FORMING


def test_a_majority_of_the_cohort_that_serves_is_a_cluster() -> None:
    members = [a_member(1), a_member(2), a_member(3, started=False, name=iid(3))]
    decision = decide(
        a_view(waiting(1, 2, 3), members=members, record=a_cohort_record([1, 2, 3]), readings=_majority(members))
    )
    assert isinstance(decision, Act)
    assert isinstance(decision.action, ConcludeFormation)
    record = decision.action.record
    assert (record.state, record.cluster_id) == (RecordState.EXISTING, CLUSTER)
    assert {m.life for m in record.members} == {"g1"}


def test_a_cohort_that_answers_without_a_leader_is_not_a_cluster_yet() -> None:
    decision = decide(a_view(waiting(1, 2, 3), record=a_cohort_record([1, 2, 3]), leader=None))
    assert isinstance(decision, Wait)
    assert decision.reason is Reason.FORMING


def test_a_cohort_member_is_not_started_only_because_the_bootstrap_list_named_it() -> None:
    members = [a_member(1), a_member(2), a_member(3, started=False, name=iid(3))]
    decision = decide(
        a_view(waiting(1, 2, 3), members=members, record=a_cohort_record([1, 2, 3]), readings=_majority(members))
    )
    assert isinstance(decision, Act)
    assert isinstance(decision.action, ConcludeFormation)
    assert [m.is_started for m in decision.action.record.members] == [True, True, False]


def test_a_cluster_of_others_than_the_cohort_is_refused() -> None:
    members = [a_member(n) for n in (1, 2, 9)]
    decision = decide(a_view(waiting(1, 2, 3), members=members, record=a_cohort_record([1, 2, 3])))
    assert isinstance(decision, Refuse)
    assert decision.reason is Reason.FOREIGN_CLUSTER


@pytest.mark.parametrize(
    "view",
    [
        a_view(
            waiting(1, 2, 3),
            members=[],
            record=a_cohort_record([1, 2, 3], age_s=POLICY.formation_timeout.total_seconds()),
        ),
        a_view(waiting(1), members=[], record=a_cohort_record([1, 2, 3]), elsewhere={2: "terminated", 3: "terminated"}),
    ],
    ids=["overdue", "a majority is gone"],
)
def test_a_cohort_that_cannot_form_is_given_up(view: View) -> None:
    decision = decide(view)
    assert isinstance(decision, Act)
    assert isinstance(decision.action, ConcludeFormation)
    assert decision.action.record.state is RecordState.RETIRED


def test_who_leaves_before_there_is_a_cluster_is_let_go() -> None:
    decision = decide(nothing_yet([*waiting(1, 2), an_instance(3, "Terminating:Wait")]))
    assert isinstance(decision, Act)
    assert decision.action == CompleteLifecycleAction(iid(3), Transition.TERMINATING, Result.CONTINUE)


def test_who_leaves_while_others_form_a_cluster_is_let_go_and_a_cohort_member_is_not() -> None:
    record = a_cohort_record([1, 2, 3])
    stranger = [*waiting(1, 2, 3), an_instance(4, "Terminating:Wait")]
    decision = decide(a_view(stranger, members=[], record=record))
    assert isinstance(decision, Act)
    assert decision.action == CompleteLifecycleAction(iid(4), Transition.TERMINATING, Result.CONTINUE)
    cohort = [*waiting(1, 2), an_instance(3, "Terminating:Wait")]
    assert isinstance(decide(a_view(cohort, members=[], record=record)), Wait)


def test_two_clusters_in_a_forming_cohort_are_refused() -> None:
    one = Reading(endpoint="http://10.0.0.1:2379", cluster_id=CLUSTER, member_id=mid(1))
    other = Reading(endpoint="http://10.0.0.2:2379", cluster_id=ClusterId(2), member_id=mid(2))
    decision = decide(a_view(waiting(1, 2, 3), members=[], record=a_cohort_record([1, 2, 3]), readings=[one, other]))
    assert isinstance(decision, Refuse)
    assert decision.reason is Reason.FOREIGN_CLUSTER


def test_a_cohort_that_ec2_does_not_show_yet_is_not_given_up() -> None:
    unseen = [an_instance(n, "Pending:Wait", ec2="absent", address=None) for n in (1, 2, 3)]
    assert isinstance(decide(a_view(unseen, members=[], record=a_cohort_record([1, 2, 3]))), Wait)


def test_the_instances_of_a_given_up_cohort_are_abandoned_one_by_one() -> None:
    record = a_cohort_record([1, 2], state="retired")
    first = decide(a_view(waiting(1, 2), members=[], record=record))
    assert isinstance(first, Act)
    assert first.action == CompleteLifecycleAction(iid(1), Transition.LAUNCHING, Result.ABANDON)
    done = [(1, Transition.LAUNCHING), (2, Transition.LAUNCHING)]
    then = decide(a_view(waiting(1, 2), members=[], record=record, completed=done, abandoned=[1, 2]))
    assert isinstance(then, Wait)
    assert then.reason is Reason.GENERATION_ENDING


def test_a_member_that_no_instance_is_known_for_may_be_alive_and_is_waited_for_by_its_address() -> None:
    record = a_record([a_member(7)], state="retired")
    record = replace(record, members=(replace(record.members[0], instance=None),))
    decision = decide(a_view(waiting(1, 2, 3), members=[], record=record, elsewhere={7: "terminated"}))
    assert isinstance(decision, Wait)
    assert (decision.reason, decision.detail) == (Reason.GENERATION_ENDING, "the member at http://10.0.0.7:2380")


def test_the_next_generation_begins_only_when_the_last_is_gone() -> None:
    record = a_cohort_record([1, 2, 3], state="retired")
    ended = {1: "terminated", 2: "terminated"}
    dying = decide(a_view(waiting(4, 5, 6), members=[], record=record, elsewhere={**ended, 3: "shutting-down"}))
    assert isinstance(dying, Wait)
    decision = decide(a_view(waiting(4, 5, 6), members=[], record=record, elsewhere={**ended, 3: "terminated"}))
    assert isinstance(decision, Act)
    assert isinstance(decision.action, FormCluster)
    assert (decision.action.record.generation, decision.action.record.token[-3:]) == (2, "-g2")


def test_a_retired_record_and_an_etcd_that_answers_do_not_go_together() -> None:
    members = [a_member(n) for n in (1, 2, 3)]
    record = a_cohort_record([7], state="retired")
    decision = decide(a_view(waiting(1, 2, 3), members=members, record=record, elsewhere={7: "terminated"}))
    assert isinstance(decision, Refuse)
    assert decision.reason is Reason.FOREIGN_CLUSTER


# --- an unusable record ---


def test_a_record_that_cannot_be_read_is_not_no_record() -> None:
    decision = decide(a_view(waiting(1, 2, 3), members=[], problem="the record has schema 9, expected 1"))
    assert isinstance(decision, Refuse)
    assert decision.reason is Reason.RECORD_UNUSABLE
    assert "schema 9" in decision.detail


def test_a_formed_record_without_a_cluster_id_is_unusable() -> None:
    record = replace(a_record([a_member(n) for n in (1, 2, 3)]), cluster_id=None)
    decision = decide(a_view(record=record))
    assert isinstance(decision, Refuse)
    assert decision.reason is Reason.RECORD_UNUSABLE
    assert decision.detail == "the record has state existing and no cluster_id"


# --- the group goes ---


def test_a_group_that_is_deleted_retires_its_record_then_lets_everyone_go() -> None:
    instances = [an_instance(1, "Terminating:Wait"), an_instance(2, "Pending:Wait")]
    first = decide(a_view(instances, deleting=True))
    assert isinstance(first, Act)
    assert isinstance(first.action, PublishRecord)
    record = first.action.record
    second = decide(a_view(instances, deleting=True, record=record))
    assert isinstance(second, Act)
    assert second.action == CompleteLifecycleAction(iid(1), Transition.TERMINATING, Result.CONTINUE)
    third = decide(a_view(instances, deleting=True, record=record, completed=[(1, Transition.TERMINATING)]))
    assert isinstance(third, Act)
    assert third.action == CompleteLifecycleAction(iid(2), Transition.LAUNCHING, Result.ABANDON)


def test_scaled_to_zero_the_cluster_goes_with_its_group() -> None:
    instances = [an_instance(n, "Terminating:Wait") for n in (1, 2, 3)]
    decision = decide(a_view(instances, desired=0))
    assert isinstance(decision, Act)
    assert decision.reason is Reason.GROUP_GOING


def test_an_instance_that_stays_keeps_the_cluster_at_zero_desired() -> None:
    instances = [an_instance(1, "Standby"), an_instance(2, "Terminating:Wait"), an_instance(3, "Terminating:Wait")]
    decision = decide(a_view(instances, desired=0))
    assert not isinstance(decision, Act) or not isinstance(decision.action, PublishRecord)


def test_a_group_that_only_looks_empty_is_not_scaled_to_zero() -> None:
    running = dict.fromkeys((1, 2, 3), "running")
    decision = decide(a_view([], desired=0, elsewhere=running))
    assert not isinstance(decision, Act) or not isinstance(decision.action, PublishRecord)


def test_a_member_that_no_instance_is_known_for_keeps_the_cluster_at_zero_desired() -> None:
    record = a_record([a_member(n) for n in (1, 2, 3)])
    record = replace(record, members=(*record.members[:2], replace(record.members[2], instance=None)))
    leaving = [an_instance(n, "Terminating:Wait") for n in (1, 2)]
    decision = decide(a_view(leaving, desired=0, record=record))
    assert not isinstance(decision, Act) or decision.reason is not Reason.GROUP_GOING


@pytest.mark.parametrize("facts", [{"deleting": True}, {"arn": OTHER_ARN}], ids=["deleted", "made again"])
def test_a_group_that_goes_while_its_cohort_forms_ends_the_formation_by_its_outcome(facts: dict[str, object]) -> None:
    record, ended = a_cohort_record([1, 2, 3]), dict.fromkeys((1, 2, 3), "terminated")
    decision = decide(a_view([], members=[], record=record, elsewhere=ended, **facts))  # type: ignore[arg-type]
    assert isinstance(decision, Act)
    assert decision.action == ConcludeFormation(replace(record, state=RecordState.RETIRED))


def test_an_empty_group_that_wants_nothing_is_settled() -> None:
    assert isinstance(decide(nothing_yet([], desired=0)), Settled)


def test_a_record_of_a_deleted_group_of_the_same_name_is_retired_when_none_of_its_instances_is_left() -> None:
    members = [a_member(n) for n in (1, 2, 3)]
    record = a_record(members, arn=OTHER_ARN)
    left = decide(a_view(waiting(4, 5, 6), members=members, silent=[1, 2, 3], record=record, elsewhere={1: "running"}))
    assert not isinstance(left, Act)
    ended = dict.fromkeys((1, 2, 3), "terminated")
    decision = decide(a_view(waiting(4, 5, 6), members=members, silent=[1, 2, 3], record=record, elsewhere=ended))
    assert isinstance(decision, Act)
    assert decision.reason is Reason.PREDECESSOR_DELETED


def test_a_formed_cluster_of_this_group_is_never_formed_again_even_if_every_instance_is_gone() -> None:
    ended = dict.fromkeys((1, 2, 3), "terminated")
    decision = decide(a_view(waiting(4, 5, 6), silent=[1, 2, 3], elsewhere=ended))
    assert isinstance(decision, Refuse)
    assert decision.reason is Reason.QUORUM_LOST


# --- the warm pool ---


def test_a_warm_pool_instance_is_let_pass_under_whichever_hook_holds_it() -> None:
    pooled = [an_instance(n) for n in (1, 2, 3)] + [an_instance(4, "Warmed:Pending:Wait")]
    first = decide(a_view(pooled))
    assert isinstance(first, Act)
    assert first.action == CompleteLifecycleAction(iid(4), Transition.LAUNCHING, Result.CONTINUE)
    second = decide(a_view(pooled, completed=[(4, Transition.LAUNCHING)]))
    assert isinstance(second, Act)
    assert second.action == CompleteLifecycleAction(iid(4), Transition.TERMINATING, Result.CONTINUE)


@pytest.mark.parametrize(
    "state", ["Warmed:Stopped", "Warmed:Running", "Warmed:Terminating", "ReplacingRootVolume:Wait"]
)
def test_other_warm_pool_and_unknown_states_change_nothing(state: str) -> None:
    assert isinstance(decide(a_view([*(an_instance(n) for n in (1, 2, 3)), an_instance(4, state)])), Settled)


def test_a_voter_that_goes_back_to_the_warm_pool_leaves_the_cluster_first() -> None:
    instances = [an_instance(1), an_instance(2), an_instance(3, "Warmed:Pending:Wait"), an_instance(4)]
    decision = decide(a_view(instances, members=[a_member(n) for n in (1, 2, 3, 4)]))
    assert isinstance(decision, Act)
    assert decision.action.__class__.__name__ == "RemoveMember"


def _majority(members: list) -> tuple[Reading, ...]:  # type: ignore[type-arg]
    """Two of three answer; the third has a name from the bootstrap list but never started."""
    return readings_of(members)
