"""What the port ``MembershipApi`` promises, of the fake and of every etcd at hand: so the fake cannot lie."""

from __future__ import annotations

import contextlib

import pytest

from etcd_aws_cluster.core.errors import EtcdError, NotSentError, OutcomeUnknownError, RejectedError, Rejection
from etcd_aws_cluster.core.model import MemberId
from tests.contract.worlds import Cluster, World, a_newcomer
from tests.real_etcd import eventually

NOBODY = MemberId(12345)


def rejection_of(error: pytest.ExceptionInfo[RejectedError]) -> Rejection:
    return error.value.rejection


# Reading


def test_every_voter_tells_the_same_members_cluster_and_leader(any_cluster: Cluster) -> None:
    readings = [any_cluster.read(name) for name in any_cluster.names]

    assert len({r.cluster_id for r in readings}) == 1
    assert len({r.members for r in readings}) == 1
    assert len({r.leader_id for r in readings}) == 1
    assert readings[0].members is not None
    assert {m.member_id for m in readings[0].members} == {r.member_id for r in readings}
    assert readings[0].leader_id in {r.member_id for r in readings}


def test_a_voter_is_shown_with_its_name_and_urls(any_cluster: Cluster) -> None:
    name = any_cluster.names[1]
    hosts = any_cluster.world.hosts

    reading, member = any_cluster.read(name), any_cluster.member(name)

    assert member.member_id == reading.member_id
    assert member.name == name
    assert member.peer_urls == (hosts.peer_url(name),)
    assert member.client_urls == (hosts.endpoint(name),)
    assert not member.is_learner
    assert not reading.is_learner
    assert reading.problem == ""
    assert reading.raft_index > 0
    assert reading.version != ""


def test_a_dead_endpoint_is_a_problem_to_read_and_changes_there_are_not_sent(any_cluster: Cluster) -> None:
    nowhere = any_cluster.world.hosts.endpoint(a_newcomer())

    reading = any_cluster.world.api.read(nowhere)
    with pytest.raises(NotSentError):
        any_cluster.world.api.add_member(nowhere, "http://127.0.0.1:2380", as_learner=False)

    assert reading.problem != ""
    assert reading.cluster_id is None
    assert reading.members is None


def test_another_cluster_shows_itself_by_its_id(any_cluster: Cluster) -> None:
    other = any_cluster.world.a_cluster(1)

    theirs, ours = other.read(other.names[0]), any_cluster.read(any_cluster.names[0])

    assert theirs.cluster_id is not None
    assert theirs.cluster_id != ours.cluster_id


def test_a_hung_member_is_a_problem_until_it_goes_on(world: World) -> None:
    cluster = world.a_cluster(1)
    name = cluster.names[0]

    world.hosts.hang(name)
    hung = cluster.read(name)
    world.hosts.resume(name)

    assert hung.problem != ""
    assert not hung.is_linearizable
    assert eventually(lambda: cluster.read(name).is_linearizable)


# Without a quorum


def test_without_a_quorum_no_list_is_vouched_for_and_no_change_succeeds(world: World) -> None:
    cluster = world.a_cluster(3)
    survivor, *lost = cluster.names
    lost_id, own_id = cluster.member(lost[0]).member_id, cluster.member(survivor).member_id
    for name in lost:
        world.hosts.kill(name)

    reading = cluster.read(survivor)
    with pytest.raises(RejectedError):
        world.api.add_member(cluster.endpoint, world.hosts.peer_url(a_newcomer()), as_learner=False)
    with pytest.raises(OutcomeUnknownError):
        world.api.remove_member(cluster.endpoint, lost_id)
    with pytest.raises(EtcdError):
        world.api.promote_member(cluster.endpoint, lost_id)
    with pytest.raises(EtcdError):
        world.api.move_leadership(cluster.endpoint, lost_id)

    assert reading.members is None
    assert reading.problem != ""
    assert reading.member_id == own_id
    assert reading.cluster_id is not None


def test_with_one_dead_of_three_only_the_dead_can_be_removed_and_nobody_added(world: World) -> None:
    cluster = world.a_cluster(3)
    dead = cluster.followers()[-1]
    cluster.names.remove(dead)
    dead_id, live_id = cluster.member(dead).member_id, cluster.member(cluster.names[0]).member_id
    world.hosts.kill(dead)
    eventually(lambda: cluster.read(cluster.names[0]).is_linearizable)

    with pytest.raises(RejectedError) as addition:
        world.api.add_member(cluster.endpoint, world.hosts.peer_url(a_newcomer()), as_learner=False)
    with pytest.raises(RejectedError) as removal:
        world.api.remove_member(cluster.endpoint, live_id)
    world.api.remove_member(cluster.endpoint, dead_id)

    assert rejection_of(addition) is Rejection.UNHEALTHY_CLUSTER
    assert rejection_of(removal) is Rejection.UNHEALTHY_CLUSTER
    assert dead_id not in {m.member_id for m in cluster.members().values()}


def test_the_last_voter_cannot_be_removed(world: World) -> None:
    cluster = world.a_cluster(1)

    with pytest.raises(RejectedError):
        world.api.remove_member(cluster.endpoint, cluster.member(cluster.names[0]).member_id)

    assert len(cluster.members()) == 1


# Learners


def test_an_added_learner_is_listed_unstarted(cluster: Cluster) -> None:
    newcomer = a_newcomer()

    cluster.add(newcomer)

    member = cluster.member(newcomer)
    assert member.is_learner
    assert not member.is_started
    assert cluster.read(cluster.names[0]).supports_learners


def test_a_peer_url_that_is_taken_cannot_be_added_again(cluster: Cluster) -> None:
    newcomer = a_newcomer()
    cluster.add(newcomer)

    for taken in (newcomer, cluster.names[1]):
        with pytest.raises(RejectedError) as error:
            cluster.add(taken)
        assert rejection_of(error) is Rejection.ALREADY_EXISTS


def test_a_second_learner_is_refused(cluster: Cluster) -> None:
    cluster.add(a_newcomer())

    with pytest.raises(RejectedError) as error:
        cluster.add(a_newcomer())

    assert rejection_of(error) is Rejection.TOO_MANY_LEARNERS


def test_an_unstarted_learner_is_not_promoted(cluster: Cluster) -> None:
    newcomer = a_newcomer()
    cluster.add(newcomer)

    with pytest.raises(RejectedError) as error:
        cluster.world.api.promote_member(cluster.endpoint, cluster.member(newcomer).member_id)

    assert rejection_of(error) is Rejection.NOT_IN_SYNC
    assert cluster.member(newcomer).is_learner


def test_a_running_learner_tells_who_it_is_and_vouches_for_nothing(cluster: Cluster) -> None:
    newcomer = a_newcomer()
    cluster.add(newcomer)
    cluster.start(newcomer)

    eventually(lambda: cluster.read(newcomer).member_id)
    reading = cluster.read(newcomer)

    assert reading.is_learner
    assert reading.members is None
    assert reading.problem == ""
    assert reading.member_id == cluster.member(newcomer).member_id
    assert reading.cluster_id == cluster.read(cluster.names[0]).cluster_id


def test_a_learner_makes_no_changes(cluster: Cluster) -> None:
    newcomer = a_newcomer()
    cluster.add(newcomer)
    cluster.start(newcomer)
    endpoint = cluster.world.hosts.endpoint(newcomer)
    eventually(lambda: cluster.read(newcomer).member_id)

    with pytest.raises(RejectedError):
        cluster.world.api.remove_member(endpoint, cluster.member(newcomer).member_id)

    assert newcomer in {m.name for m in cluster.members().values()}


def test_a_caught_up_learner_is_promoted_once_and_for_all_then_removed_once_and_for_all(cluster: Cluster) -> None:
    api, newcomer = cluster.world.api, a_newcomer()
    cluster.add(newcomer)
    cluster.start(newcomer)
    member_id = cluster.member(newcomer).member_id

    eventually(lambda: promotes(cluster, member_id))
    api.promote_member(cluster.endpoint, member_id)
    eventually(lambda: cluster.read(newcomer).is_linearizable)

    assert not cluster.member(newcomer).is_learner
    cluster.restore()
    api.remove_member(cluster.endpoint, member_id)
    assert eventually(lambda: not cluster.world.hosts.is_running(newcomer))


def promotes(cluster: Cluster, member_id: MemberId) -> bool:
    with contextlib.suppress(RejectedError):
        cluster.world.api.promote_member(cluster.endpoint, member_id)
        return True
    return False


def test_an_unknown_member_is_removed_already_and_cannot_be_promoted(cluster: Cluster) -> None:
    cluster.world.api.remove_member(cluster.endpoint, NOBODY)

    with pytest.raises(RejectedError) as error:
        cluster.world.api.promote_member(cluster.endpoint, NOBODY)

    assert rejection_of(error) is Rejection.OTHER
    assert len(cluster.members()) == 3


def test_a_removed_peer_url_comes_back_under_another_id(cluster: Cluster) -> None:
    newcomer = a_newcomer()
    cluster.add(newcomer)
    first = cluster.member(newcomer).member_id
    cluster.restore()

    cluster.add(newcomer)

    assert cluster.member(newcomer).member_id != first


# Leadership


def test_leadership_moves_to_a_follower(cluster: Cluster) -> None:
    leader, follower = cluster.leader(), cluster.followers()[0]

    cluster.world.api.move_leadership(cluster.world.hosts.endpoint(leader), cluster.member(follower).member_id)

    assert eventually(lambda: cluster.leader() == follower)


def test_leadership_is_moved_by_the_leader_alone(cluster: Cluster) -> None:
    leader, follower = cluster.leader(), cluster.followers()[0]

    with pytest.raises(RejectedError) as error:
        cluster.world.api.move_leadership(cluster.world.hosts.endpoint(follower), cluster.member(follower).member_id)

    assert rejection_of(error) is Rejection.NOT_LEADER
    assert cluster.leader() == leader


def test_leadership_moves_neither_to_a_learner_nor_to_a_stranger(cluster: Cluster) -> None:
    newcomer = a_newcomer()
    cluster.add(newcomer)
    leader = cluster.world.hosts.endpoint(cluster.leader())

    for target in (cluster.member(newcomer).member_id, NOBODY):
        with pytest.raises(RejectedError) as error:
            cluster.world.api.move_leadership(leader, target)
        assert rejection_of(error) is Rejection.BAD_TRANSFEREE


# v2: voters only


def test_v2_never_adds_a_voter_where_a_learner_was_asked_for(v2_cluster: Cluster) -> None:
    with pytest.raises(RejectedError):
        v2_cluster.world.api.add_member(
            v2_cluster.endpoint, v2_cluster.world.hosts.peer_url(a_newcomer()), as_learner=True
        )

    assert len(v2_cluster.members()) == 3
    assert not v2_cluster.read(v2_cluster.names[0]).supports_learners


def test_v2_adds_a_voter_and_no_other_until_it_has_started(v2_cluster: Cluster) -> None:
    api, newcomer = v2_cluster.world.api, a_newcomer()
    v2_cluster.add(newcomer, as_learner=False)

    with pytest.raises(RejectedError) as error:
        api.add_member(v2_cluster.endpoint, v2_cluster.world.hosts.peer_url(a_newcomer()), as_learner=False)
    unstarted = v2_cluster.member(newcomer)
    v2_cluster.start(newcomer)

    assert rejection_of(error) is Rejection.UNHEALTHY_CLUSTER
    assert not unstarted.is_started
    assert eventually(lambda: v2_cluster.read(newcomer).is_linearizable)


def test_v2_refuses_a_peer_url_that_is_taken(v2_cluster: Cluster) -> None:
    with pytest.raises(RejectedError) as error:
        v2_cluster.add(v2_cluster.names[1], as_learner=False)

    assert rejection_of(error) is Rejection.ALREADY_EXISTS


def test_v2_removes_once_and_for_all_whoever_is_there_or_not(v2_cluster: Cluster) -> None:
    api, newcomer = v2_cluster.world.api, a_newcomer()
    v2_cluster.add(newcomer, as_learner=False)
    member_id = v2_cluster.member(newcomer).member_id

    for gone in (member_id, member_id, NOBODY):
        api.remove_member(v2_cluster.endpoint, gone)

    assert len(v2_cluster.members()) == 3


def test_v2_lone_voter_shows_its_own_list_until_its_second_voter_has_started(v2_world: World) -> None:
    cluster, newcomer = v2_world.a_cluster(1), a_newcomer()
    name, hosts = cluster.names[0], v2_world.hosts
    cluster.add(newcomer, as_learner=False)

    eventually(lambda: not cluster.read(name).is_linearizable)
    alone = cluster.read(name)
    hosts.join(newcomer, [(name, hosts.peer_url(name))])
    eventually(lambda: cluster.read(name).is_linearizable)

    assert alone.unproven_members is not None
    assert {m.peer_urls[0]: m.is_started for m in alone.unproven_members} == {
        hosts.peer_url(name): True,
        hosts.peer_url(newcomer): False,
    }
    assert cluster.read(name).unproven_members is None


def test_v2_neither_promotes_nor_moves_leadership(v2_cluster: Cluster) -> None:
    api, target = v2_cluster.world.api, v2_cluster.member(v2_cluster.names[0]).member_id

    for change in (api.promote_member, api.move_leadership):
        with pytest.raises(RejectedError) as error:
            change(v2_cluster.endpoint, target)
        assert rejection_of(error) is Rejection.OTHER
