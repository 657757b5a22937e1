"""The fake's own controls; what it answers is the contract suite's business."""

from __future__ import annotations

from datetime import timedelta

import pytest

from etcd_aws_cluster.core.errors import NotSentError, OutcomeUnknownError, RejectedError, Rejection
from etcd_aws_cluster.core.model import Member
from tests.fakes.fake_clock import FakeClock
from tests.fakes.fake_membership import FakeEtcd

PEER = {f"i-{n}": f"http://10.0.0.{n}:2380" for n in range(1, 6)}
AT = {f"i-{n}": f"http://10.0.0.{n}:2379" for n in range(1, 6)}


def three(etcd: FakeEtcd) -> FakeEtcd:
    etcd.form({name: PEER[name] for name in ("i-1", "i-2", "i-3")})
    return etcd


def member(etcd: FakeEtcd, name: str) -> Member:
    return next(m for m in etcd.cluster_of("i-1").members.values() if PEER[name] in m.peer_urls)


def test_a_lost_answer_may_have_had_its_effect_or_not() -> None:
    etcd = three(FakeEtcd())
    etcd.fail_next("add_member")
    etcd.fail_next("add_member", after_applying=True)

    for expected in (3, 4):
        with pytest.raises(OutcomeUnknownError):
            etcd.add_member(AT["i-1"], PEER["i-4"], as_learner=True)
        assert len(etcd.read(AT["i-1"]).members or ()) == expected
    assert len(etcd.changes) == 1


def test_a_lost_answer_to_a_read_is_a_problem_once() -> None:
    etcd = three(FakeEtcd())
    etcd.fail_next("read")

    assert etcd.read(AT["i-1"]).problem != ""
    assert etcd.read(AT["i-1"]).is_linearizable


def test_members_that_form_one_by_one_serve_from_the_majority_on() -> None:
    etcd, cohort = FakeEtcd(), {name: PEER[name] for name in ("i-1", "i-2", "i-3")}

    etcd.start_new("i-1", cohort)
    alone = etcd.read(AT["i-1"])
    etcd.start_new("i-2", cohort)

    assert alone.problem != ""
    assert etcd.read(AT["i-1"]).is_linearizable
    assert member(etcd, "i-3").name == "i-3"
    assert not member(etcd, "i-3").is_started


def test_a_member_cut_off_from_its_peers_answers_the_controller_without_a_list() -> None:
    etcd = three(FakeEtcd())
    etcd.partition(AT["i-1"])

    assert etcd.read(AT["i-1"]).cluster_id == etcd.read(AT["i-2"]).cluster_id
    assert etcd.read(AT["i-1"]).members is None
    assert etcd.read(AT["i-2"]).is_linearizable
    etcd.heal(AT["i-1"])
    assert etcd.read(AT["i-1"]).is_linearizable


def test_a_member_that_the_controller_cannot_reach_still_votes() -> None:
    etcd = three(FakeEtcd())
    etcd.kill(AT["i-3"])
    etcd.hide(AT["i-2"])

    assert etcd.read(AT["i-1"]).is_linearizable
    with pytest.raises(NotSentError):
        etcd.remove_member(AT["i-2"], member(etcd, "i-3").member_id)


def test_a_member_that_lost_its_data_does_not_start_again() -> None:
    etcd = three(FakeEtcd())
    etcd.wipe("i-3")

    assert not etcd.start("i-3")
    assert not etcd.start_new("i-3", {name: PEER[name] for name in ("i-1", "i-2", "i-3")})
    assert etcd.read(AT["i-1"]).is_linearizable


def test_a_removed_member_exits_and_does_not_start_again() -> None:
    etcd = three(FakeEtcd())
    etcd.remove_member(AT["i-1"], member(etcd, "i-3").member_id)

    assert not etcd.processes["i-3"].is_running
    assert not etcd.start("i-3")


def test_a_joiner_that_is_in_no_list_does_not_start() -> None:
    assert not three(FakeEtcd()).start("i-4", PEER["i-4"])


def test_a_joiner_can_be_promoted_before_it_serves() -> None:
    etcd = three(FakeEtcd())
    etcd.add_member(AT["i-1"], PEER["i-4"], as_learner=True)
    etcd.start("i-4", PEER["i-4"], may_serve=False)
    etcd.catch_up("i-4")

    etcd.promote_member(AT["i-1"], member(etcd, "i-4").member_id)

    assert etcd.read(AT["i-4"]).problem != ""
    assert not member(etcd, "i-4").is_started
    etcd.serve("i-4")
    assert etcd.read(AT["i-4"]).is_linearizable
    assert member(etcd, "i-4").is_started


def test_a_lost_leader_is_replaced_while_there_is_a_quorum() -> None:
    etcd = three(FakeEtcd())
    leader = etcd.read(AT["i-1"]).leader_id
    name = next(n for n in ("i-1", "i-2", "i-3") if member(etcd, n).member_id == leader)
    etcd.stop(name)
    others = [AT[n] for n in ("i-1", "i-2", "i-3") if n != name]

    assert etcd.read(others[0]).leader_id not in {leader, None}
    etcd.kill(others[1])
    assert etcd.read(others[0]).leader_id is None
    assert not etcd.has_quorum(etcd.cluster_of(name))


def test_with_a_clock_changes_wait_for_five_seconds_of_health() -> None:
    clock = FakeClock()
    etcd = three(FakeEtcd(clock=clock))

    with pytest.raises(RejectedError) as error:
        etcd.add_member(AT["i-1"], PEER["i-4"], as_learner=True)
    clock.advance(timedelta(seconds=5))
    etcd.add_member(AT["i-1"], PEER["i-4"], as_learner=True)

    assert error.value.rejection is Rejection.UNHEALTHY_CLUSTER
    assert member(etcd, "i-4").is_learner


def test_with_a_clock_a_removed_url_comes_back_no_sooner_than_a_second_later() -> None:
    clock = FakeClock()
    etcd = three(FakeEtcd(clock=clock))
    clock.advance(timedelta(seconds=5))
    etcd.add_member(AT["i-1"], PEER["i-4"], as_learner=True)
    first = member(etcd, "i-4").member_id
    etcd.remove_member(AT["i-1"], first)

    with pytest.raises(RejectedError) as error:
        etcd.add_member(AT["i-1"], PEER["i-4"], as_learner=True)
    clock.advance(timedelta(seconds=1))
    etcd.add_member(AT["i-1"], PEER["i-4"], as_learner=True)

    assert error.value.rejection is Rejection.TOO_SOON
    assert member(etcd, "i-4").member_id != first


def test_a_second_cluster_is_foreign_to_the_first() -> None:
    etcd = three(FakeEtcd())
    etcd.form({"i-5": PEER["i-5"]}, token="another")

    assert etcd.read(AT["i-5"]).cluster_id not in {None, etcd.read(AT["i-1"]).cluster_id}
