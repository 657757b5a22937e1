"""Which members are asked, and in which order."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytest

from etcd_aws_cluster.core.asking import endpoints_to_ask
from etcd_aws_cluster.core.policy import Policy
from etcd_aws_cluster.core.view import View
from tests.builders import a_cohort_record, a_member, a_record, a_view, an_instance, ip, readings_of

POLICY = Policy()
THREE = [a_member(n) for n in (1, 2, 3)]


def at(*ns: int) -> tuple[str, ...]:
    return tuple(f"http://{ip(n)}:2379" for n in ns)


def nobody_asked(view: View) -> View:
    return replace(view, readings=())


def asked(view: View) -> tuple[str, ...]:
    return endpoints_to_ask(nobody_asked(view), POLICY)


def answered(view: View, ns: Iterable[int], *, members: Iterable[int]) -> View:
    told = {r.endpoint: r for r in readings_of([a_member(n) for n in members])}
    return replace(view, readings=tuple(told[each] for each in at(*ns)))


def test_the_groups_instances_are_asked_in_a_fixed_order_and_by_the_policys_scheme_and_port() -> None:
    instances = [an_instance(n) for n in (3, 1, 2)]
    assert asked(a_view(instances, no_record=True)) == at(1, 2, 3)
    other = Policy(client_scheme="https", client_port=4001)
    expected = tuple(f"https://{ip(n)}:4001" for n in (1, 2, 3))
    assert endpoints_to_ask(nobody_asked(a_view(instances, no_record=True)), other) == expected


def test_nobody_is_asked_twice_whether_the_answer_has_come_or_not() -> None:
    view = a_view()
    assert endpoints_to_ask(view, POLICY) == ()
    waiting = replace(view, readings=view.readings[:1], asked=frozenset(at(2)))
    assert endpoints_to_ask(waiting, POLICY) == at(3)


@pytest.mark.parametrize(
    "four",
    [
        an_instance(4, ec2="terminated"),
        an_instance(4, ec2="absent"),
        an_instance(4, address=None),
        an_instance(4, "Warmed:Pending:Wait"),
        an_instance(4, "Pending:Wait"),
        an_instance(4, "Pending"),
    ],
    ids=["terminated", "absent", "without an address", "in the warm pool", "a newcomer", "a newcomer that boots"],
)
def test_who_runs_no_member_of_a_formed_cluster_is_not_asked(four: object) -> None:
    assert asked(a_view([*map(an_instance, (1, 2, 3)), four], members=THREE)) == at(1, 2, 3)  # type: ignore[list-item]


@pytest.mark.parametrize("ec2", ["running", "stopped", "shutting-down", "unknown"])
def test_who_may_run_yet_is_asked(ec2: str) -> None:
    assert asked(a_view([*map(an_instance, (1, 2)), an_instance(3, ec2=ec2)])) == at(1, 2, 3)


def test_newcomers_are_asked_while_no_cluster_has_formed_and_where_the_record_names_them() -> None:
    coming = [an_instance(n, "Pending:Wait") for n in (1, 2, 3)]
    assert asked(a_view(coming, no_record=True)) == at(1, 2, 3)
    assert asked(a_view(coming, record=a_cohort_record([1, 2]))) == at(1, 2, 3)
    assert asked(a_view(coming, record=a_record([a_member(2)]))) == at(2)


def test_members_of_the_record_are_asked_where_their_peers_find_them_though_the_group_has_them_no_more() -> None:
    instances = list(map(an_instance, (1, 2)))
    moved = [a_member(1), a_member(2), a_member(3, at=9)]
    assert asked(a_view(instances, members=moved, elsewhere={3: "running"})) == at(1, 2, 9)
    assert asked(a_view(instances, members=moved, elsewhere={3: "terminated"})) == at(1, 2)
    assert asked(a_view(instances, record=a_record(moved, state="retired"), elsewhere={3: "running"})) == at(1, 2)


def test_a_member_that_no_instance_is_known_for_is_asked_by_its_first_peer_url_alone() -> None:
    record = a_record(THREE)
    entry = replace(record.members[2], instance=None, peer_urls=(f"http://{ip(8)}:2380", f"http://{ip(9)}:2380"))
    nowhere = replace(entry, peer_urls=())
    instances = list(map(an_instance, (1, 2)))
    for third, expected in ((entry, at(1, 2, 8)), (nowhere, at(1, 2))):
        assert asked(a_view(instances, record=replace(record, members=(*record.members[:2], third)))) == expected


def test_voters_that_the_record_does_not_name_are_asked_once_others_have_told_of_them() -> None:
    instances = [*map(an_instance, (1, 2)), an_instance(3, "Pending:Wait")]
    behind = a_view(instances, record=a_record(THREE[:2]))
    assert asked(behind) == at(1, 2)
    told = answered(behind, (1, 2), members=(1, 2, 3))
    assert endpoints_to_ask(told, POLICY) == at(3)
    assert endpoints_to_ask(answered(behind, (1, 2), members=(1, 2)), POLICY) == ()


@pytest.mark.parametrize(
    "third",
    [an_instance(3, "Pending:Wait", ec2="terminated"), an_instance(4, "Pending:Wait")],
    ids=["has ended", "is not of the group"],
)
def test_of_those_only_the_groups_own_that_have_not_ended(third: object) -> None:
    behind = a_view([*map(an_instance, (1, 2)), third], record=a_record(THREE[:2]))  # type: ignore[list-item]
    assert endpoints_to_ask(answered(behind, (1, 2), members=(1, 2, 3)), POLICY) == ()


def test_a_learner_that_the_record_does_not_name_is_not_asked_for() -> None:
    behind = a_view([*map(an_instance, (1, 2)), an_instance(3, "Pending:Wait")], record=a_record(THREE[:2]))
    listed = [*THREE[:2], a_member(3, learner=True)]
    told = replace(behind, readings=readings_of(listed)[:2])
    assert endpoints_to_ask(told, POLICY) == ()
