"""What a member list proves, and which instance a member is on."""

from __future__ import annotations

from dataclasses import replace

from etcd_aws_cluster.core.model import ClusterId, Member, Reading
from etcd_aws_cluster.core.view import Membership, View, owner_of, read_membership
from tests.builders import CLUSTER, a_member, a_record, a_view, an_instance, iid, mid, readings_of

THREE = (a_member(1), a_member(2), a_member(3))


def read(*readings: Reading, members: tuple[Member, ...] = THREE) -> Membership | None:
    return read_membership(a_view(members=members, readings=readings), CLUSTER)


def mute(reading: Reading) -> Reading:
    """The same answer, without a linearizable read."""
    return replace(reading, members=None)


def test_a_quorum_proves_the_list_and_only_who_read_linearizably_serves() -> None:
    one, two, three = readings_of(THREE)
    membership = read(replace(mute(three), leader_id=mid(3), raft_index=7), one, two)
    assert membership is not None
    assert membership.members == THREE
    assert membership.serving == {mid(1), mid(2)}
    assert membership.answering == {mid(1), mid(2), mid(3)}
    assert membership.leader == mid(1)
    assert membership.raft_index == {mid(1): 10, mid(2): 10, mid(3): 7}
    assert membership.endpoints == {mid(n): f"http://10.0.0.{n}:2379" for n in (1, 2, 3)}
    assert membership.owners == {mid(n): iid(n) for n in (1, 2, 3)}
    assert membership.supports_learners


def test_a_leader_is_one_that_a_linearizable_answer_names() -> None:
    one, two, _ = readings_of(THREE)
    membership = read(replace(one, leader_id=None), two)
    assert membership is not None
    assert membership.leader == mid(1)


def test_one_member_without_learners_makes_a_cluster_without_learners() -> None:
    one, two, three = readings_of(THREE)
    membership = read(one, two, replace(three, supports_learners=False))
    assert membership is not None
    assert not membership.supports_learners


def test_less_than_a_quorum_proves_nothing() -> None:
    one, two, three = readings_of(THREE)
    assert read(one, mute(two), mute(three)) is None


def test_nobody_proves_nothing() -> None:
    assert read() is None


def test_a_learner_and_a_stranger_do_not_count_for_the_quorum() -> None:
    members = (*THREE, a_member(4, learner=True))
    one, *_ = readings_of(members)
    learner = replace(one, member_id=mid(4))
    stranger = replace(one, member_id=mid(9))
    assert read(one, learner, stranger, members=members) is None
    two = replace(one, member_id=mid(2))
    membership = read(one, two, learner, members=members)
    assert membership is not None
    assert membership.serving == {mid(1), mid(2)}
    assert (membership.voters, membership.learners) == (THREE, members[3:])
    assert (membership.silent_voters(), membership.silent_voters(without=mid(3))) == (1, 0)


def test_what_another_cluster_or_an_unnamed_member_answers_is_not_counted() -> None:
    one, two, _ = readings_of(THREE)
    assert read(one, replace(two, cluster_id=ClusterId(0xBAD))) is None
    assert read(one, replace(two, member_id=None)) is None


def test_lists_are_the_same_in_whatever_order_they_come() -> None:
    one, two, three = readings_of(THREE)
    assert read(one, replace(two, members=THREE[::-1]), three) is not None
    assert read(one, replace(two, members=THREE[:2]), three) is None


def owner(member: Member, view: View) -> str | None:
    return owner_of(member, view)


def test_a_member_is_on_the_instance_that_it_is_named_after_whatever_its_address() -> None:
    assert owner(a_member(1, at=2), a_view()) == iid(1)


def test_a_member_without_an_instances_name_is_where_the_record_says_else_where_its_address_is() -> None:
    newcomer = [an_instance(4, "Pending:Wait")]
    dead = a_member(8, started=False, at=4)
    record = a_record([dead])
    assert owner(dead, a_view(newcomer, record=record)) == iid(8)
    blank = replace(record, members=(replace(record.members[0], instance=None),))
    assert owner(dead, a_view(newcomer, record=blank)) == iid(4)
    assert owner(dead, a_view(newcomer, no_record=True)) == iid(4)
    assert owner(a_member(8, name="i-xyz", at=4), a_view(newcomer, no_record=True)) == iid(4)
    assert owner(a_member(8, started=False), a_view(newcomer, no_record=True)) is None
