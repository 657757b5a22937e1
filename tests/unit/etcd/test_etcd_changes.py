"""Changes: what is sent, and what the answers of each version mean."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from etcd_aws_cluster.core.errors import NotSentError, OutcomeUnknownError, RejectedError, Rejection
from etcd_aws_cluster.core.model import MemberId
from etcd_aws_cluster.etcd.client import EtcdClient
from tests.unit.etcd import recorded as r
from tests.unit.etcd.scripted_server import http, ok, serving, serving_paths

PEER_URL = "http://127.0.20.14:2380"
ID = MemberId(12345)

STATUS_OF_CODE = {14: 503, 5: 404, 2: 500, 7: 403, 16: 401}

Dress = Callable[[str, int], bytes]


def dressed_3_4(message: str, code: int) -> bytes:
    return http(
        {9: 412, 14: 503, 5: 404, 2: 500, 7: 403, 16: 401}.get(code, 400), r.refusal_3_4(message, code).encode()
    )


def dressed_3_5(message: str, code: int) -> bytes:
    return http(STATUS_OF_CODE.get(code, 400), r.refusal_3_5(message, code).encode())


def dressed_3_6(message: str, code: int) -> bytes:
    return http(STATUS_OF_CODE.get(code, 400), r.refusal_3_6(message, code).encode())


all_dresses = pytest.mark.parametrize("dressed", [dressed_3_4, dressed_3_5, dressed_3_6])

REFUSED_ADDITIONS = [
    ("etcdserver: Peer URLs already exists", 9, Rejection.ALREADY_EXISTS),
    ("etcdserver: member ID already exist", 9, Rejection.ALREADY_EXISTS),
    ("etcdserver: too many learner members in cluster", 9, Rejection.TOO_MANY_LEARNERS),
    ("etcdserver: unhealthy cluster", 14, Rejection.UNHEALTHY_CLUSTER),
    ("etcdserver: re-configuration failed due to not enough started members", 2, Rejection.NOT_ENOUGH_STARTED),
    ("etcdserver: re-configuration failed due to not enough started members", 9, Rejection.NOT_ENOUGH_STARTED),
    ("etcdserver: member not found", 5, Rejection.TOO_SOON),
    ("etcdserver: user name is empty", 3, Rejection.AUTHENTICATION),
    ("etcdserver: permission denied", 7, Rejection.AUTHENTICATION),
    ("etcdserver: invalid auth token", 16, Rejection.AUTHENTICATION),
    ("etcdserver: given member URLs are invalid", 3, Rejection.OTHER),
    ("etcdserver: no leader", 14, Rejection.NO_QUORUM),
    ("raft proposal dropped", 2, Rejection.OTHER),
    ("unknown service etcdserverpb.Cluster", 12, Rejection.OTHER),
]

UNKNOWN = [
    ("etcdserver: request timed out", 14),
    ("etcdserver: request timed out, possibly due to previous leader failure", 14),
    ("etcdserver: request timed out, possibly due to connection lost", 14),
    ("etcdserver: leader changed", 14),
    ("etcdserver: server stopped", 14),
    ("context deadline exceeded", 2),
    ("context canceled", 1),
    ("something that the next version says", 2),
]


@all_dresses
@pytest.mark.parametrize(("message", "code", "expected"), REFUSED_ADDITIONS)
def test_a_refused_addition_says_why(
    client: EtcdClient, dressed: Dress, message: str, code: int, expected: Rejection
) -> None:
    with serving(add=dressed(message, code)) as server, pytest.raises(RejectedError) as error:
        client.add_member(server.endpoint, PEER_URL, as_learner=True)

    assert error.value.rejection is expected
    assert message in str(error.value)


@all_dresses
@pytest.mark.parametrize(("message", "code"), UNKNOWN)
@pytest.mark.parametrize("change", ["add", "promote", "remove", "transfer"])
def test_a_change_that_timed_out_inside_etcd_is_unknown(
    client: EtcdClient, dressed: Dress, message: str, code: int, change: str
) -> None:
    calls: dict[str, Callable[[str], None]] = {
        "add": lambda endpoint: client.add_member(endpoint, PEER_URL, as_learner=True),
        "promote": lambda endpoint: client.promote_member(endpoint, ID),
        "remove": lambda endpoint: client.remove_member(endpoint, ID),
        "transfer": lambda endpoint: client.move_leadership(endpoint, ID),
    }
    with serving(**{change: dressed(message, code)}) as server, pytest.raises(OutcomeUnknownError):
        calls[change](server.endpoint)


def test_a_learner_is_added_as_one(client: EtcdClient) -> None:
    with serving(add=ok(r.ADDED_LEARNER)) as server:
        client.add_member(server.endpoint, PEER_URL, as_learner=True)

    assert server.asked("/v3/cluster/member/add") == [{"peerURLs": [PEER_URL], "isLearner": True}]


def test_a_voter_is_added_as_one(client: EtcdClient) -> None:
    with serving(add=ok(r.MEMBERS)) as server:
        client.add_member(server.endpoint, PEER_URL, as_learner=False)

    assert server.asked("/v3/cluster/member/add") == [{"peerURLs": [PEER_URL]}]


@pytest.mark.parametrize("answer", [r.MEMBERS, "{}", r.MEMBERS.replace("127.0.20.13", "127.0.20.14")])
def test_an_answer_that_does_not_show_the_learner_leaves_the_outcome_unknown(client: EtcdClient, answer: str) -> None:
    with serving(add=ok(answer)) as server, pytest.raises(OutcomeUnknownError):
        client.add_member(server.endpoint, PEER_URL, as_learner=True)


@pytest.mark.parametrize(
    ("server_version", "cluster_version"),
    [("2.3.8", "2.3.0"), ("3.2.32", "3.2.0"), ("3.3.27", "3.3.0"), ("3.4.23", "3.3.0")],
)
def test_no_learner_is_asked_of_an_etcd_that_would_add_a_voter(
    client: EtcdClient, server_version: str, cluster_version: str
) -> None:
    version = ok(f'{{"etcdserver":"{server_version}","etcdcluster":"{cluster_version}"}}')
    with serving_paths({"/version": version}) as server, pytest.raises(RejectedError) as error:
        client.add_member(server.endpoint, PEER_URL, as_learner=True)

    assert error.value.rejection is Rejection.OTHER
    assert [path for _, path, _ in server.requests] == ["/version"]


@all_dresses
def test_a_promotion_of_a_voter_is_success(client: EtcdClient, dressed: Dress) -> None:
    with serving(promote=dressed("etcdserver: can only promote a learner member", 9)) as server:
        client.promote_member(server.endpoint, ID)

    assert server.asked("/v3/cluster/member/promote") == [{"ID": "12345"}]


@all_dresses
@pytest.mark.parametrize(
    ("message", "code", "expected"),
    [
        ("etcdserver: can only promote a learner member which is in sync with leader", 9, Rejection.NOT_IN_SYNC),
        ("etcdserver: member not found", 5, Rejection.OTHER),
        ("etcdserver: rpc not supported for learner", 14, Rejection.OTHER),
    ],
)
def test_a_refused_promotion_says_why(
    client: EtcdClient, dressed: Dress, message: str, code: int, expected: Rejection
) -> None:
    with serving(promote=dressed(message, code)) as server, pytest.raises(RejectedError) as error:
        client.promote_member(server.endpoint, ID)

    assert error.value.rejection is expected


def test_a_promotion_that_lost_the_leader_may_have_arrived(client: EtcdClient) -> None:
    with serving(promote=dressed_3_5("etcdserver: no leader", 14)) as server, pytest.raises(OutcomeUnknownError):
        client.promote_member(server.endpoint, ID)


@all_dresses
def test_the_removal_of_somebody_who_is_gone_is_success(client: EtcdClient, dressed: Dress) -> None:
    with serving(remove=dressed("etcdserver: member not found", 5)) as server:
        client.remove_member(server.endpoint, ID)

    assert server.asked("/v3/cluster/member/remove") == [{"ID": "12345"}]


def test_a_removal_by_an_etcd_without_that_path_is_no_success(client: EtcdClient) -> None:
    with serving(remove=http(404, b"Not Found\n")) as server, pytest.raises(OutcomeUnknownError):
        client.remove_member(server.endpoint, ID)


@all_dresses
@pytest.mark.parametrize(
    ("message", "expected"),
    [("etcdserver: not leader", Rejection.NOT_LEADER), ("etcdserver: bad leader transferee", Rejection.BAD_TRANSFEREE)],
)
def test_a_refused_transfer_says_why(client: EtcdClient, dressed: Dress, message: str, expected: Rejection) -> None:
    with serving(transfer=dressed(message, 9)) as server, pytest.raises(RejectedError) as error:
        client.move_leadership(server.endpoint, ID)

    assert error.value.rejection is expected


def test_a_transfer_names_its_target(client: EtcdClient) -> None:
    with serving(transfer=ok("{}")) as server:
        client.move_leadership(server.endpoint, ID)

    assert server.asked("/v3/maintenance/transfer-leadership") == [{"targetID": "12345"}]


def test_a_refused_connection_means_nothing_was_sent(client: EtcdClient) -> None:
    with serving(remove=ok("{}")) as server:
        client.remove_member(server.endpoint, ID)
    with pytest.raises(NotSentError):
        client.remove_member(server.endpoint, ID)


V2 = ok('{"etcdserver":"2.3.8","etcdcluster":"2.3.0"}')


def test_v2_adds_a_voter(client: EtcdClient) -> None:
    created = http(201, b'{"id":"5e852d4207132159","name":"","peerURLs":["http://127.0.20.14:2380"],"clientURLs":[]}')
    with serving(version=V2, v2_members=created) as server:
        client.add_member(server.endpoint, PEER_URL, as_learner=False)

    assert server.asked("/v2/members") == [{"peerURLs": [PEER_URL]}]


@pytest.mark.parametrize(
    ("status", "message", "expected"),
    [
        (409, "membership: peerURL exists", Rejection.ALREADY_EXISTS),
        (409, "etcdserver: ID exists", Rejection.ALREADY_EXISTS),
        (500, "Internal Server Error", Rejection.UNHEALTHY_CLUSTER),
        (401, "Insufficient credentials", Rejection.AUTHENTICATION),
    ],
)
def test_v2_refuses_an_addition(client: EtcdClient, status: int, message: str, expected: Rejection) -> None:
    answer = http(status, f'{{"message":"{message}"}}'.encode())
    with serving(version=V2, v2_members=answer) as server, pytest.raises(RejectedError) as error:
        client.add_member(server.endpoint, PEER_URL, as_learner=False)

    assert error.value.rejection is expected


@pytest.mark.parametrize(
    "answer",
    [
        http(204, b""),
        http(404, b'{"message":"No such member: 3039"}'),
        http(410, b'{"message":"Member permanently removed: 3039"}'),
    ],
)
def test_v2_removes_by_the_id_in_hex_and_whoever_is_gone_is_success(client: EtcdClient, answer: bytes) -> None:
    with serving(version=V2, v2_member=answer) as server:
        client.remove_member(server.endpoint, ID)

    assert ("DELETE", "/v2/members/3039", b"") in server.requests


def test_a_v2_api_that_is_off_removes_nobody(client: EtcdClient) -> None:
    with serving(version=V2) as server, pytest.raises(OutcomeUnknownError):
        client.remove_member(server.endpoint, ID)
