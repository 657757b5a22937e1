"""Whatever is at an endpoint, reading it ends, and says what was wrong."""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Iterator
from datetime import timedelta
from itertools import count

import pytest

from etcd_aws_cluster.core.errors import NotSentError, OutcomeUnknownError
from etcd_aws_cluster.core.model import MemberId
from etcd_aws_cluster.etcd.client import EtcdClient
from tests.unit.etcd import recorded as r
from tests.unit.etcd.scripted_server import Behaviour, http, ok, serving, serving_paths

HEADER = {"cluster_id": str(r.CLUSTER_ID), "member_id": str(r.N1)}


@pytest.fixture
def client() -> Iterator[EtcdClient]:
    """A client that waits 0.4 s between bytes, so 0.8 s for an answer."""
    with EtcdClient(connect_timeout=timedelta(seconds=30), read_timeout=timedelta(seconds=0.4)) as client:
        yield client


def drip(start: bytes, piece: bytes) -> Behaviour:
    """Send ``start``, then pieces for ever, each well within the read timeout."""

    def behave(connection: socket.socket) -> None:
        connection.sendall(start)
        for _ in count():
            connection.sendall(piece)
            if stopped(connection):
                return

    return behave


def stopped(connection: socket.socket) -> bool:
    """Wait a moment; say whether the client has gone."""
    connection.settimeout(0.05)
    try:
        return connection.recv(1) == b""
    except TimeoutError:
        return False


def endless(start: bytes) -> Behaviour:
    """Send as fast as the client reads."""

    def behave(connection: socket.socket) -> None:
        connection.sendall(start)
        while True:
            connection.sendall(b" " * 65536)

    return behave


def reset_in(start: bytes) -> Behaviour:
    """Send a part, then reset the connection."""

    def behave(connection: socket.socket) -> None:
        connection.sendall(start)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()

    return behave


def silent(connection: socket.socket) -> None:
    """Accept, read the request, and say nothing."""
    connection.settimeout(5)
    connection.recv(1)


def close(connection: socket.socket) -> None:
    """Hang up without a word."""


REDIRECT = http(307, b"", Location="http://127.0.0.1:1/elsewhere")
HALF = http(200, r.STATUS.encode())[:-40]
HEAD = b"HTTP/1.1 200 OK\r\n"

# Each is within the read timeout at any moment, and would never end.
DRIPS: dict[str, Behaviour | bytes] = {
    "body that drips": drip(HEAD + b"Content-Length: 100000\r\n\r\n", b" "),
    "chunks that drip": drip(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
    "chunk length that drips": drip(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"0"),
    "status line that drips": drip(b"HTTP/1.1 200 ", b"O"),
    "headers that drip": drip(HEAD, b"X-A: b\r\n"),
    "header that drips": drip(HEAD + b"X-A: ", b"b"),
    "endless continue": drip(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
}
SPOILED: dict[str, Behaviour | bytes] = {
    "redirect": REDIRECT,
    "redirect with an endless body": endless(HEAD.replace(b"200 OK", b"302 Found") + b"Location: http://[\r\n\r\n"),
    "endless body": endless(HEAD + b"\r\n"),
    "huge body": ok(" " * 1_100_000 + r.STATUS),
    "compressed body": http(200, b"\x1f\x8b\x08\x00", Content_Encoding="gzip"),
    "reset in the body": reset_in(HALF),
    "body cut short": HALF,
    "silence": silent,
    "hang-up": close,
    "not HTTP": drip(b"SSH-2.0-OpenSSH_9.6\r\n", b""),
    "text": ok("etcd says hello"),
    "empty body": ok(""),
    "not UTF-8": http(200, b'{"a":"\xff\xfe"}'),
    "nested without end": ok("[" * 100_000),
    "number without end": ok('{"header":' + "1" * 10_000 + "}"),
    "NaN": ok('{"header":NaN}'),
    "500 with text": http(500, b"Internal Server Error"),
    "500 with JSON of somebody else": http(500, b'{"code":{"a":1},"message":["x"]}'),
    "503 with a list": http(503, b"[]"),
    "404": http(404, b"404 page not found\n"),
    "204": b"HTTP/1.1 204 No Content\r\n\r\n",
}

spoiled = pytest.mark.parametrize("answer", SPOILED.values(), ids=SPOILED.keys())


@pytest.mark.parametrize("place", ["version", "status", "list"])
@pytest.mark.parametrize("answer", [*DRIPS.values(), *SPOILED.values()], ids=[*DRIPS, *SPOILED])
def test_reading_survives(client: EtcdClient, answer: Behaviour | bytes, place: str) -> None:
    good: dict[str, Behaviour | bytes] = {"status": ok(r.STATUS), "list": ok(r.MEMBERS)}
    with serving(**{**good, place: answer}) as server:
        reading = client.read(server.endpoint)

    assert reading.problem != ""
    assert reading.members is None
    assert reading.cluster_id == (r.CLUSTER_ID if place == "list" else None)


@pytest.mark.parametrize("place", ["v2_self", "v2_keys", "v2_members", "v2_leader"])
@spoiled
def test_reading_v2_survives(client: EtcdClient, answer: Behaviour | bytes, place: str) -> None:
    good: dict[str, Behaviour | bytes] = {
        "version": ok('{"etcdserver":"2.3.8","etcdcluster":"2.3.0"}'),
        "v2_self": ok(r.V2_SELF),
        "v2_leader": ok(r.V2_LEADER),
        "v2_keys": http(200, b"{}", X_Raft_Index="41"),
        "v2_members": http(200, r.V2_MEMBERS.encode(), X_Etcd_Cluster_Id=r.V2_CLUSTER_ID),
    }
    with serving(**{**good, place: answer}) as server:
        reading = client.read(server.endpoint)

    # Who leads is good to know and no more, so an etcd without that call is served.
    assert (reading.members is None) == (reading.problem != "")
    assert reading.members is None or place == "v2_leader"


@spoiled
def test_a_change_without_a_whole_answer_of_etcd_s_is_unknown(client: EtcdClient, answer: Behaviour | bytes) -> None:
    with serving(remove=answer) as server, pytest.raises(OutcomeUnknownError):
        client.remove_member(server.endpoint, MemberId(12345))


@pytest.mark.parametrize("name", sorted(SPOILED.keys() - {"204"}))  # 204 is what v2 says to a removal
def test_a_v2_change_without_a_whole_answer_of_etcd_s_is_unknown(client: EtcdClient, name: str) -> None:
    version = ok('{"etcdserver":"2.3.8","etcdcluster":"2.3.0"}')
    with serving(version=version, v2_member=SPOILED[name]) as server, pytest.raises(OutcomeUnknownError):
        client.remove_member(server.endpoint, MemberId(0x3039))


def test_nothing_is_sent_to_what_does_not_say_its_version(client: EtcdClient) -> None:
    with serving(version=ok("hello"), remove=ok("{}")) as server, pytest.raises(NotSentError):
        client.remove_member(server.endpoint, MemberId(12345))

    assert server.asked("/v3/cluster/member/remove") == []


def test_a_redirect_is_not_followed(client: EtcdClient) -> None:
    with serving_paths({}) as elsewhere:
        redirect = http(307, b"", Location=f"{elsewhere.endpoint}/version")
        with serving(version=redirect) as server:
            reading = client.read(server.endpoint)

    assert "307" in reading.problem
    assert elsewhere.requests == []


def test_a_full_backlog_is_a_connect_timeout_and_nothing_was_sent() -> None:
    with (
        EtcdClient(connect_timeout=timedelta(seconds=0.2), read_timeout=timedelta(seconds=0.2)) as client,
        socket.create_server(("127.0.0.1", 0), backlog=0) as listener,
        socket.create_connection(listener.getsockname()),
        socket.socket() as waiting,
    ):
        waiting.setblocking(False)  # noqa: FBT003 - socket's signature
        waiting.connect_ex(listener.getsockname())
        with pytest.raises(NotSentError):
            client.remove_member(f"http://127.0.0.1:{listener.getsockname()[1]}", MemberId(12345))


@pytest.mark.parametrize("endpoint", ["http://[::1", "ftp://127.0.0.1", "127.0.0.1:2379", "http://", "http://a b"])
def test_an_endpoint_that_is_no_url_is_a_problem_and_nothing_is_sent(client: EtcdClient, endpoint: str) -> None:
    assert client.read(endpoint).problem != ""
    with pytest.raises(NotSentError):
        client.add_member(endpoint, "http://127.0.0.1:2380", as_learner=False)


WRONG_MEMBERS: dict[str, object] = {
    "no list": None,
    "a number": 3,
    "an object": {"ID": "1"},
    "empty": [],
    "too many": [{"ID": str(n), "peerURLs": ["http://10.0.0.1:2380"]} for n in range(1, 102)],
    "numbers": [1, 2, 3],
    "an id twice": [{"ID": "1"}, {"ID": "1"}],
    "no id": [{"name": "n1"}],
    "id 0": [{"ID": "0"}],
    "id in hex": [{"ID": "425a8a6a3470190f"}],
    "id with a sign": [{"ID": "-1"}],
    "id with spaces": [{"ID": " 1 "}],
    "id with underscores": [{"ID": "1_0"}],
    "id beyond uint64": [{"ID": str(2**64)}],
    "id that is true": [{"ID": True}],
    "id that is a fraction": [{"ID": 1.5}],
    "name that is a number": [{"ID": "1", "name": 1}],
    "URLs that are a string": [{"ID": "1", "peerURLs": "http://10.0.0.1:2380"}],
    "URLs that are numbers": [{"ID": "1", "peerURLs": [1]}],
    "learner that is a string": [{"ID": "1", "isLearner": "true"}],
}


@pytest.mark.parametrize("members", WRONG_MEMBERS.values(), ids=WRONG_MEMBERS.keys())
def test_a_member_list_of_the_wrong_shape_is_a_problem_that_names_the_field(
    client: EtcdClient, members: object
) -> None:
    with serving(status=ok(r.STATUS), list=ok(json.dumps({"header": HEADER, "members": members}))) as server:
        reading = client.read(server.endpoint)

    assert reading.members is None
    assert "members" in reading.problem
    assert reading.member_id == r.N1


WRONG_STATUS: dict[str, dict[str, object]] = {
    "header": {"header": None},
    "header.cluster_id": {"header": {"member_id": "1"}},
    "header.member_id": {"header": {"cluster_id": "1", "member_id": []}},
    "leader": {"leader": {"a": 1}},
    "raftAppliedIndex": {"raftAppliedIndex": "many"},
    "isLearner": {"isLearner": 1},
    "version": {"version": 3},
}


@pytest.mark.parametrize(("field", "wrong"), WRONG_STATUS.items(), ids=WRONG_STATUS.keys())
def test_a_status_of_the_wrong_shape_is_a_problem_that_names_the_field(
    client: EtcdClient, field: str, wrong: dict[str, object]
) -> None:
    with serving(status=ok(json.dumps({**json.loads(r.STATUS), **wrong})), list=ok(r.MEMBERS)) as server:
        reading = client.read(server.endpoint)

    assert reading.members is None
    assert field in reading.problem


def test_ids_may_be_numbers(client: EtcdClient) -> None:
    status = {**json.loads(r.STATUS), "header": {"cluster_id": r.CLUSTER_ID, "member_id": r.N1}, "leader": 0}
    with serving(status=ok(json.dumps(status))) as server:
        reading = client.read(server.endpoint)

    assert (reading.cluster_id, reading.member_id, reading.leader_id) == (r.CLUSTER_ID, r.N1, None)


@pytest.mark.parametrize("version", ["", "3", "three", "4.0.0", "1.9.9", "3.5.1\n", "3." + "9" * 40, "\u0663.\u0665"])
def test_a_version_that_is_not_known_is_a_problem(client: EtcdClient, version: str) -> None:
    answer = ok(json.dumps({"etcdserver": version, "etcdcluster": version}))
    with serving(version=answer, status=ok(r.STATUS), list=ok(r.MEMBERS)) as server:
        assert client.read(server.endpoint).problem != ""


@pytest.mark.parametrize("place", ["range", "list"])
def test_an_endpoint_that_changes_hands_while_it_is_read_is_a_problem(client: EtcdClient, place: str) -> None:
    other = r.MEMBERS.replace(str(r.CLUSTER_ID), "99")
    answers = {"range": ok(r.RANGE), "list": ok(r.MEMBERS), place: ok(other)}
    with serving(version=ok(r.VERSION_3_4), status=ok(r.STATUS_3_4), **answers) as server:
        reading = client.read(server.endpoint)

    assert reading.members is None
    assert "changed hands" in reading.problem
