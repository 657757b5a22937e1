"""etcd 2.x and 3.0 to 3.3 have no learners: the same rules, with voters that join at once."""

from __future__ import annotations

from dataclasses import replace

from etcd_aws_cluster.core.actions import Act, AddMember, Reason, Wait
from etcd_aws_cluster.core.model import Instance, Member
from etcd_aws_cluster.core.planner import plan
from etcd_aws_cluster.core.view import View
from tests.builders import POLICY, a_member, a_view, an_instance, iid, readings_of


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
