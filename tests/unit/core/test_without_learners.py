"""etcd 2.x and 3.0 to 3.3 have no learners: the same rules, with voters that join at once."""

from __future__ import annotations

from dataclasses import replace

import pytest

from etcd_aws_cluster.core.actions import Act, AddMember, PublishRecord, Reason, Wait
from etcd_aws_cluster.core.invariants import check
from etcd_aws_cluster.core.model import ClusterId, Instance, Member, Reading
from etcd_aws_cluster.core.planner import plan
from etcd_aws_cluster.core.record import Record
from etcd_aws_cluster.core.view import View, read_lone_voter
from tests.builders import CLUSTER, POLICY, a_member, a_record, a_view, an_instance, iid, mid, readings_of

ONE = a_member(1)
SECOND = a_member(2, started=False)
LONE = Reading(
    endpoint="http://10.0.0.1:2379",
    cluster_id=CLUSTER,
    member_id=mid(1),
    unproven_members=(ONE, SECOND),
    supports_learners=False,
)


def old(instances: list[Instance], members: list[Member], **facts: object) -> View:
    readings = [replace(r, supports_learners=False) for r in readings_of(members)]
    return a_view(instances, members=members, readings=readings, **facts)  # type: ignore[arg-type]


def test_a_newcomer_is_added_as_a_voter() -> None:
    members = [a_member(n) for n in (1, 2, 3)]
    instances = [*(an_instance(n) for n in (1, 2, 3)), an_instance(4, "Pending:Wait")]
    decision = plan(old(instances, members), POLICY)
    assert isinstance(decision, Act)
    assert decision.action == AddMember(iid(4), "http://10.0.0.4:2380", as_learner=False)


def test_a_second_voter_is_not_added_before_its_host_is_up() -> None:
    instances = [an_instance(1), an_instance(2, "Pending:Wait")]
    decision = plan(old(instances, [a_member(1)], desired=2), POLICY)
    assert isinstance(decision, Wait)
    assert decision.reason is Reason.HOST_NOT_UP
    decision = plan(old(instances, [a_member(1)], desired=2, hosts_up=[2]), POLICY)
    assert isinstance(decision, Act)
    assert isinstance(decision.action, AddMember)


def test_an_unstarted_voter_is_waited_for_before_the_next_is_added() -> None:
    members = [*(a_member(n) for n in (1, 2, 3)), a_member(4, started=False)]
    waiting = [an_instance(4, "Pending:Wait"), an_instance(5, "Pending:Wait")]
    decision = plan(old([*(an_instance(n) for n in (1, 2, 3)), *waiting], members, desired=5), POLICY)
    assert isinstance(decision, Wait)
    assert decision.reason is Reason.MEMBER_STARTING


def test_a_voter_that_serves_before_it_has_a_name_does_not_hide_the_next_one_that_has_to_start() -> None:
    members = [*(a_member(n) for n in (1, 2, 3)), a_member(4, started=False), a_member(5, started=False)]
    view = old(
        [an_instance(n) for n in (1, 2, 3)] + [an_instance(n, "Pending:Wait") for n in (4, 5)], members, desired=5
    )
    fourth = replace(view.readings[0], endpoint="http://10.0.0.4:2379", member_id=mid(4))
    decision = plan(replace(view, readings=(*view.readings, fourth)), POLICY)
    assert isinstance(decision, Wait)
    assert (decision.reason, decision.detail[:2]) == (Reason.MEMBER_STARTING, "69")


def test_a_second_voter_is_published_on_the_word_of_the_only_one_since_it_cannot_start_before() -> None:
    view = a_view([an_instance(1), an_instance(2, "Pending:Wait")], record=a_record([ONE]), readings=[LONE])
    decision = plan(view, POLICY)
    assert isinstance(decision, Act)
    assert isinstance(decision.action, PublishRecord)
    assert decision.reason is Reason.LIST_CHANGED
    check(view, decision.action)
    assert [m.instance for m in decision.action.record.members] == [iid(1), iid(2)]


@pytest.mark.parametrize(
    ("record", "readings"),
    [
        (a_record([ONE, a_member(3)]), [LONE]),
        (a_record([ONE]), []),
        (a_record([ONE]), [LONE, replace(LONE, member_id=mid(2))]),
        (a_record([ONE]), [replace(LONE, member_id=mid(2))]),
        (a_record([ONE]), [replace(LONE, cluster_id=ClusterId(0xBAD))]),
        (a_record([ONE]), [replace(LONE, unproven_members=None)]),
        (a_record([ONE]), [replace(LONE, unproven_members=(ONE,))]),
        (a_record([ONE]), [replace(LONE, unproven_members=(SECOND,))]),
        (a_record([ONE]), [replace(LONE, unproven_members=(ONE, SECOND, a_member(3, started=False)))]),
        (a_record([ONE]), [replace(LONE, unproven_members=(ONE, a_member(2)))]),
    ],
    ids=[
        "two voters are recorded",
        "nobody answers",
        "two answer",
        "another member answers",
        "another cluster answers",
        "no list",
        "no second voter",
        "the only voter is not listed",
        "two more voters",
        "the second voter has started",
    ],
)
def test_the_word_of_one_voter_is_taken_for_nothing_but_its_first_newcomer(
    record: Record, readings: list[Reading]
) -> None:
    assert read_lone_voter(a_view(record=record, readings=readings), record) is None
