"""Reading an endpoint: what real etcd says, by version."""

from __future__ import annotations

import pytest

from etcd_aws_cluster.etcd.client import EtcdClient
from tests.unit.etcd import recorded as r
from tests.unit.etcd.scripted_server import http, ok, serving, serving_paths


def test_a_voter_of_3_5_is_read_with_a_linearizable_list(client: EtcdClient) -> None:
    with serving(status=ok(r.STATUS), list=ok(r.MEMBERS)) as server:
        reading = client.read(server.endpoint)

    assert reading.problem == ""
    assert (reading.cluster_id, reading.member_id, reading.leader_id) == (r.CLUSTER_ID, r.N1, r.N3)
    assert reading.raft_index == 16
    assert reading.version == "3.5.1"
    assert reading.supports_learners
    assert reading.members is not None
    assert [m.name for m in reading.members] == ["n3", "n1", "n2"]
    assert reading.members[1].peer_urls == ("http://127.0.20.11:2380",)
    assert server.asked("/v3/cluster/member/list") == [{"linearizable": True}]
    assert server.asked("/v3/kv/range") == []


def test_a_voter_of_3_4_vouches_for_its_list_by_a_linearizable_read_before(client: EtcdClient) -> None:
    with serving(version=ok(r.VERSION_3_4), status=ok(r.STATUS_3_4), range=ok(r.RANGE), list=ok(r.MEMBERS)) as server:
        reading = client.read(server.endpoint)

    asked = [path for _, path, _ in server.requests]
    assert reading.is_linearizable
    assert asked.index("/v3/kv/range") < asked.index("/v3/cluster/member/list")


@pytest.mark.parametrize(
    "refused",
    [
        http(503, r.refusal_3_4("etcdserver: request timed out", 14).encode()),
        http(403, r.refusal_3_4("etcdserver: permission denied", 7).encode()),
        http(400, r.refusal_3_4("etcdserver: user name is empty", 3).encode()),
    ],
)
def test_a_list_of_3_4_is_not_vouched_for_when_the_read_before_it_failed(client: EtcdClient, refused: bytes) -> None:
    with serving(version=ok(r.VERSION_3_4), status=ok(r.STATUS_3_4), range=refused, list=ok(r.MEMBERS)) as server:
        reading = client.read(server.endpoint)

    assert reading.members is None
    assert reading.problem != ""
    assert reading.cluster_id == r.CLUSTER_ID


def test_a_learner_is_read_without_a_list_and_without_a_problem(client: EtcdClient) -> None:
    with serving(version=ok(r.VERSION_3_4), status=ok(r.STATUS_OF_LEARNER)) as server:
        reading = client.read(server.endpoint)

    assert reading.is_learner
    assert reading.members is None
    assert reading.problem == ""
    assert reading.member_id == r.N4


def test_an_unstarted_learner_in_the_list_has_no_name(client: EtcdClient) -> None:
    with serving(status=ok(r.STATUS), list=ok(r.MEMBERS_WITH_UNSTARTED_LEARNER)) as server:
        members = client.read(server.endpoint).members

    assert members is not None
    assert [(m.is_learner, m.is_started) for m in members if m.member_id == r.N4] == [(True, False)]


def test_a_member_without_a_leader_is_not_asked_any_further(client: EtcdClient) -> None:
    with serving(status=ok(r.STATUS_WITHOUT_LEADER), list=ok(r.MEMBERS)) as server:
        reading = client.read(server.endpoint)

    assert reading.leader_id is None
    assert reading.members is None
    assert "no leader" in reading.problem
    assert server.asked("/v3/cluster/member/list") == []


@pytest.mark.parametrize(
    ("version", "prefix"), [("3.0.17", "/v3alpha"), ("3.2.32", "/v3alpha"), ("3.3.27", "/v3beta"), ("3.4.0", "/v3")]
)
def test_each_version_is_asked_under_its_own_prefix(client: EtcdClient, version: str, prefix: str) -> None:
    answers = {
        "/version": ok(f'{{"etcdserver":"{version}","etcdcluster":"{version}"}}'),
        f"{prefix}/maintenance/status": ok(r.STATUS.replace("3.5.1", version)),
        f"{prefix}/kv/range": ok(r.RANGE),
        f"{prefix}/cluster/member/list": ok(r.MEMBERS),
    }
    with serving_paths(dict(answers)) as server:
        reading = client.read(server.endpoint)

    assert reading.is_linearizable
    assert reading.supports_learners == (prefix == "/v3")


@pytest.mark.parametrize(
    ("server_version", "cluster_version", "expected"),
    [
        ("3.4.23", "3.3.0", False),  # a rolling upgrade: its 3.3 members would make voters of learners
        ("3.5.1", "3.4.0", True),
        ("3.5.1", "3.0.0", True),  # a cluster that forms
        ("3.5.1", "not_decided", True),
        ("3.6.0-rc.1", "3.6.0", True),
        ("3.3.27", "3.3.0", False),
    ],
)
def test_learners_need_every_member_to_know_them(
    client: EtcdClient, server_version: str, cluster_version: str, *, expected: bool
) -> None:
    version = ok(f'{{"etcdserver":"{server_version}","etcdcluster":"{cluster_version}"}}')
    status = ok(r.STATUS.replace("3.5.1", server_version))
    prefix = "/v3beta" if server_version.startswith("3.3") else "/v3"
    answers = {
        "/version": version,
        f"{prefix}/maintenance/status": status,
        f"{prefix}/kv/range": ok(r.RANGE),
        f"{prefix}/cluster/member/list": ok(r.MEMBERS),
    }
    with serving_paths(dict(answers)) as server:
        reading = client.read(server.endpoint)

    assert reading.is_linearizable
    assert reading.supports_learners is expected


def test_the_version_is_asked_once_when_it_is_settled(client: EtcdClient) -> None:
    with serving(status=ok(r.STATUS), list=ok(r.MEMBERS)) as server:
        for _ in range(3):
            client.read(server.endpoint)

    assert len(server.asked("/version")) == 1


def test_the_version_is_asked_again_while_the_cluster_may_still_rise_to_it(client: EtcdClient) -> None:
    version = ok('{"etcdserver":"3.5.1","etcdcluster":"3.4.0"}')
    with serving(version=version, status=ok(r.STATUS), list=ok(r.MEMBERS)) as server:
        for _ in range(2):
            client.read(server.endpoint)

    assert len(server.asked("/version")) == 2


def test_connections_are_kept(client: EtcdClient) -> None:
    with serving(status=ok(r.STATUS), list=ok(r.MEMBERS)) as server:
        for _ in range(3):
            client.read(server.endpoint)

        assert server.connections == 1


def test_proxies_of_the_environment_are_not_used(client: EtcdClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    with serving(status=ok(r.STATUS), list=ok(r.MEMBERS)) as server:
        assert client.read(server.endpoint).is_linearizable


def test_an_etcd_that_was_upgraded_in_place_is_met_anew(client: EtcdClient) -> None:
    with serving(status=ok(r.STATUS), list=ok(r.MEMBERS)) as server:
        client.read(server.endpoint)
        server.answers["/v3/maintenance/status"] = ok(r.STATUS.replace("3.5.1", "3.6.0"))
        server.answers["/version"] = ok('{"etcdserver":"3.6.0","etcdcluster":"3.6.0"}')

        first, second = client.read(server.endpoint), client.read(server.endpoint)

    assert "look again" in first.problem
    assert not first.is_linearizable
    assert second.version == "3.6.0"
    assert second.is_linearizable


def test_a_closed_client_remembers_nothing_and_can_be_used_again(client: EtcdClient) -> None:
    with serving(status=ok(r.STATUS), list=ok(r.MEMBERS)) as server:
        client.read(server.endpoint)
        client.close()

        assert client.read(server.endpoint).is_linearizable
        assert server.connections == 2
        assert len(server.asked("/version")) == 2


def test_a_lone_voter_of_3_3_shows_its_own_list_once_it_has_lost_its_quorum(client: EtcdClient) -> None:
    answers = {
        "/version": ok('{"etcdserver":"3.3.27","etcdcluster":"3.3.0"}'),
        "/v3beta/maintenance/status": ok(r.STATUS_WITHOUT_LEADER.replace("3.5.1", "3.3.27")),
        "/v3beta/cluster/member/list": ok(r.MEMBERS),
    }
    with serving_paths(dict(answers)) as server:
        reading = client.read(server.endpoint)

    assert reading.members is None
    assert reading.unproven_members is not None
    assert len(reading.unproven_members) == 3
    assert reading.problem != ""


def v2(**answers: bytes) -> dict[str, bytes]:
    return {
        "version": ok('{"etcdserver":"2.3.8","etcdcluster":"2.3.0"}'),
        "v2_self": ok(r.V2_SELF),
        "v2_leader": ok(r.V2_LEADER),
        "v2_keys": http(200, b'{"action":"get","node":{"dir":true}}', X_Raft_Index="41"),
        "v2_members": http(200, r.V2_MEMBERS.encode(), X_Etcd_Cluster_Id=r.V2_CLUSTER_ID),
        **answers,
    }


def test_etcd_2_is_read_through_the_v2_api(client: EtcdClient) -> None:
    with serving(**v2()) as server:
        reading = client.read(server.endpoint)

    assert reading.problem == ""
    assert reading.cluster_id == int(r.V2_CLUSTER_ID, 16)
    assert reading.member_id == int("60bdf38500fbeb99", 16)
    assert reading.leader_id == int("425a8a6a3470190f", 16)
    assert reading.raft_index == 41
    assert not reading.supports_learners
    assert reading.members is not None
    assert [m.name for m in reading.members] == ["n3", "", "n1"]


def test_etcd_2_without_a_quorum_knows_its_cluster_and_vouches_for_nothing(client: EtcdClient) -> None:
    timed_out = http(
        500, b'{"errorCode":300,"message":"Raft Internal Error","cause":"etcdserver: request timed out","index":0}'
    )
    with serving(**v2(v2_keys=timed_out)) as server:
        reading = client.read(server.endpoint)

    assert reading.cluster_id == int(r.V2_CLUSTER_ID, 16)
    assert reading.members is None
    assert reading.leader_id is None
    assert reading.unproven_members is not None
    assert "Raft Internal Error" in reading.problem


def test_etcd_2_without_a_leader_is_not_asked_for_a_quorum(client: EtcdClient) -> None:
    with serving(**v2(v2_leader=http(503, r.V2_DURING_ELECTION.encode()))) as server:
        reading = client.read(server.endpoint)

    assert "no leader" in reading.problem
    assert reading.unproven_members is not None
    assert server.asked("/v2/keys/?quorum=true") == []


def test_etcd_2_that_cannot_tell_its_own_id_is_known_by_its_client_url(client: EtcdClient) -> None:
    with serving(**v2(v2_self=ok(""))) as server:
        nobody = client.read(server.endpoint)
        listed = r.V2_MEMBERS.replace("http://127.0.20.11:2379", server.endpoint)
        server.answers["/v2/members"] = http(200, listed.encode(), X_Etcd_Cluster_Id=r.V2_CLUSTER_ID)
        n1 = client.read(server.endpoint)

    assert "the client URL of 0 members" in nobody.problem
    assert n1.member_id == r.N1
    assert n1.is_linearizable


def test_any_number_of_keys_may_be_in_etcd_2(client: EtcdClient) -> None:
    with serving(**v2(v2_keys=http(200, b"x" * 3_000_000, X_Raft_Index="41"))) as server:
        assert client.read(server.endpoint).is_linearizable


def test_v2_members_without_the_cluster_s_id_are_a_problem(client: EtcdClient) -> None:
    with serving(**v2(v2_members=ok(r.V2_MEMBERS))) as server:
        reading = client.read(server.endpoint)

    assert reading.members is None
    assert "X-Etcd-Cluster-Id" in reading.problem
