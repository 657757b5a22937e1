"""Members that are reached by a DNS name: neither their names nor their peer URLs tell which instance they are on.

The seed took every such member for one that is not of the group, and evicted it.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from etcd_aws_cluster.core.actions import Act, AdoptCluster, Decision, MoveLeadership, Reason, Refuse, Settled
from etcd_aws_cluster.core.invariants import check
from etcd_aws_cluster.core.model import Instance, Member, Reading
from etcd_aws_cluster.core.planner import plan
from etcd_aws_cluster.core.record import Record
from etcd_aws_cluster.core.view import View, read_membership
from tests.builders import CLUSTER, POLICY, a_member, a_recorded, a_view, an_instance, iid, mid, readings_of


def by_name(n: int) -> Member:
    return replace(a_member(n, name=f"infra{n}"), peer_urls=(f"http://etcd-{n}.example.internal:2380",))


def answers_of(*members: Member, silent: tuple[int, ...] = ()) -> list[Reading]:
    """Return what they answer at the addresses of the instances that they are on."""
    addresses = [f"http://10.0.0.{m.member_id - 100}:2379" for m in members]
    readings = readings_of(members, silent=silent)
    return [replace(r, endpoint=address) for r, address in zip(readings, addresses, strict=True)]


VOTERS = (by_name(1), by_name(2), by_name(3))


def found(instances: list[Instance] | None = None, *, silent: tuple[int, ...] = ()) -> View:
    """Return a cluster of host names that nothing is written down of."""
    return a_view(instances, members=VOTERS, no_record=True, readings=answers_of(*VOTERS, silent=silent))


def decide(view: View) -> Decision:
    decision = plan(view, POLICY)
    if isinstance(decision, Act):
        check(view, decision.action)
    return decision


def adopted(view: View) -> Record:
    decision = decide(view)
    assert isinstance(decision, Act)
    assert isinstance(decision.action, AdoptCluster)
    return decision.action.record


def test_a_member_is_on_the_instance_at_whose_address_it_answers() -> None:
    membership = read_membership(found(), CLUSTER)
    assert membership is not None
    assert membership.owners == {mid(n): iid(n) for n in (1, 2, 3)}


def test_a_cluster_of_host_names_is_adopted_with_its_instances_and_stays_as_it_is() -> None:
    record = adopted(found())
    assert [m.instance for m in record.members] == [iid(1), iid(2), iid(3)]
    assert isinstance(decide(a_view(members=VOTERS, record=record, readings=answers_of(*VOTERS))), Settled)


def test_an_instance_whose_member_has_a_host_name_is_not_let_go_as_if_it_had_none() -> None:
    leaving = [an_instance(1, "Terminating:Wait"), an_instance(2), an_instance(3)]
    record = adopted(found())
    decision = decide(a_view(leaving, members=VOTERS, record=record, readings=answers_of(*VOTERS), desired=2))
    assert isinstance(decision, Act)
    assert isinstance(decision.action, MoveLeadership)


@pytest.mark.parametrize("state", ["InService", "Standby", "Terminating:Wait", "ReplacingRootVolume:Wait"])
def test_a_cluster_is_not_adopted_while_it_is_unknown_who_is_on_an_instance_and_where_a_member_is(state: str) -> None:
    view = found([an_instance(1), an_instance(2), an_instance(3, state)], silent=(3,))
    decision = decide(view)
    assert isinstance(decision, Refuse)
    assert decision.reason is Reason.HOST_UNKNOWN
    assert decision.detail == f"{VOTERS[2]} may be on i-03"
    assert set(decision.keep_alive) == set(view.all_waiting())


def test_every_such_member_and_instance_is_named() -> None:
    five = tuple(by_name(n) for n in (1, 2, 3, 4, 5))
    instances = [an_instance(n) for n in (1, 2, 3, 4, 5)]
    decision = decide(a_view(instances, members=five, no_record=True, readings=answers_of(*five, silent=(4, 5))))
    assert isinstance(decision, Refuse)
    assert decision.detail == f"{five[3]}, {five[4]} may be on i-04, i-05"


@pytest.mark.parametrize("instances", [[], [an_instance(4, "Pending:Wait")], [an_instance(4, "Warmed:Stopped")]])
def test_a_member_that_can_be_on_no_instance_of_the_group_keeps_nobody_from_adopting(instances: list[Instance]) -> None:
    record = adopted(found([an_instance(1), an_instance(2), *instances], silent=(3,)))
    assert [m.instance for m in record.members] == [iid(1), iid(2), None]


def test_a_record_goes_before_the_address_where_a_member_answers() -> None:
    record = replace(adopted(found()), members=(a_recorded(VOTERS[0], instance=7),))
    membership = read_membership(a_view(members=VOTERS, record=record, readings=answers_of(*VOTERS)), CLUSTER)
    assert membership is not None
    assert membership.owners[mid(1)] == iid(7)
