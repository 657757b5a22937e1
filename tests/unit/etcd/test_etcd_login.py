"""Logging in where etcd has users: only when asked to, once, and never on and on."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta

import pytest

from etcd_aws_cluster.core.errors import AwsError, EtcdError, NotSentError, RejectedError, Rejection
from etcd_aws_cluster.etcd.client import EtcdClient
from etcd_aws_cluster.etcd.login import Login, User, parse_user
from tests.unit.etcd import recorded as r
from tests.unit.etcd.scripted_server import ScriptedServer, http, ok, serving

PEER_URL = "http://127.0.20.14:2380"
USER = User("root", "pässword")
NO_NAME = http(400, r.refusal_3_5("etcdserver: user name is empty", 3).encode())
BAD_TOKEN = http(401, r.refusal_3_5("etcdserver: invalid auth token", 16).encode())
OLD_TOKEN = http(400, r.refusal_3_5("etcdserver: revision of auth store is old", 3).encode())
WRONG = http(400, r.refusal_3_5("etcdserver: authentication failed, invalid user ID or password", 3).encode())
NO_LEADER = http(503, r.refusal_3_5("etcdserver: no leader", 14).encode())
LEARNER = http(503, r.refusal_3_5("etcdserver: rpc not supported for learner", 14).encode())
TOKEN = ok('{"token":"cuDmbbHGRVjgUCgZ.21"}')
NEWER = ok('{"token":"MHxGUsfZKDQFSRWm.34"}')
ADDED = ok(r.ADDED_LEARNER)
LOGIN = "/v3/auth/authenticate"


def a_client(source: Callable[[], User] | None) -> EtcdClient:
    return EtcdClient(connect_timeout=timedelta(seconds=30), read_timeout=timedelta(seconds=30), login=Login(source))


def add(client: EtcdClient, server: ScriptedServer) -> None:
    client.add_member(server.endpoint, PEER_URL, as_learner=True)


@pytest.mark.parametrize("refusal", [NO_NAME, BAD_TOKEN, OLD_TOKEN])
def test_a_request_that_wants_a_login_is_sent_again_with_the_token(refusal: bytes) -> None:
    with serving(add=[refusal, ADDED], login=TOKEN) as server, a_client(lambda: USER) as client:
        add(client, server)

    assert server.asked(LOGIN) == [{"name": "root", "password": "pässword"}]
    assert server.authorizations[-1] == "cuDmbbHGRVjgUCgZ.21"
    assert server.asked("/v3/cluster/member/add") == [{"peerURLs": [PEER_URL], "isLearner": True}] * 2


def test_the_token_serves_until_etcd_does_not_know_it_any_more() -> None:
    answers = [NO_NAME, ADDED, ADDED, BAD_TOKEN, ADDED]
    with serving(add=answers, login=TOKEN) as server, a_client(lambda: USER) as client:
        for _ in range(3):
            add(client, server)

    assert len(server.asked(LOGIN)) == 2


def test_an_etcd_that_never_takes_its_own_token_is_not_asked_a_third_time() -> None:
    with (
        serving(add=BAD_TOKEN, login=TOKEN) as server,
        a_client(lambda: USER) as client,
        pytest.raises(RejectedError) as error,
    ):
        add(client, server)

    assert error.value.rejection is Rejection.AUTHENTICATION
    assert len(server.asked(LOGIN)) == 1


def test_without_a_user_nobody_logs_in() -> None:
    with (
        serving(add=NO_NAME, login=TOKEN) as server,
        a_client(None) as client,
        pytest.raises(RejectedError, match="etcd wants a user and a password"),
    ):
        add(client, server)
    assert not server.asked(LOGIN)


def test_an_etcd_without_users_is_not_shown_the_password() -> None:
    with serving(add=ADDED, login=TOKEN) as server, a_client(lambda: USER) as client:
        add(client, server)
    assert not server.asked(LOGIN)
    assert server.authorizations == ["", ""]


def test_a_wrong_password_is_shown_once_a_run_and_the_next_run_reads_the_secret_anew() -> None:
    users = [USER, User("root", "new")]
    with serving(add=[*[NO_NAME] * 4, ADDED], login=[WRONG, TOKEN]) as server:
        client = a_client(lambda: users.pop(0))
        for _ in range(3):
            with pytest.raises(RejectedError, match=r"etcd does not let root in.*invalid user ID or password") as error:
                add(client, server)
        assert error.value.rejection is Rejection.AUTHENTICATION
        assert "pässword" not in str(error.value)
        assert len(server.asked(LOGIN)) == 1

        client.close()
        add(client, server)
        client.close()

    assert server.asked(LOGIN)[-1] == {"name": "root", "password": "new"}


def test_a_login_refused_for_another_reason_than_the_user_is_tried_again() -> None:
    with (
        serving(add=[NO_NAME, NO_NAME, ADDED], login=[NO_LEADER, TOKEN]) as server,
        a_client(lambda: USER) as client,
    ):
        with pytest.raises(RejectedError) as error:
            add(client, server)
        assert error.value.rejection is Rejection.NO_QUORUM
        add(client, server)


def test_a_learner_which_lets_nobody_log_in_gets_the_token_of_a_voter() -> None:
    status = [NO_NAME, ok(r.STATUS_OF_LEARNER.replace("3.4.23", "3.5.1"))]
    with (
        serving(add=[NO_NAME, ADDED], login=TOKEN) as voter,
        serving(status=status, login=LEARNER) as learner,
        a_client(lambda: USER) as client,
    ):
        add(client, voter)
        reading = client.read(learner.endpoint)

    assert (reading.is_learner, reading.problem) == (True, "")
    assert learner.authorizations[-1] == "cuDmbbHGRVjgUCgZ.21"


def test_a_learner_that_is_asked_first_keeps_nobody_from_logging_in_to_the_voters() -> None:
    with (
        serving(add=[NO_NAME, ADDED], login=TOKEN) as voter,
        serving(status=NO_NAME, login=LEARNER) as learner,
        a_client(lambda: USER) as client,
    ):
        assert "is a learner, which lets nobody log in" in client.read(learner.endpoint).problem
        add(client, voter)


def test_a_voter_whose_token_a_learner_does_not_know_is_logged_in_to_anew() -> None:
    status = [NO_NAME, BAD_TOKEN, BAD_TOKEN, NO_NAME, ok(r.STATUS_OF_LEARNER.replace("3.4.23", "3.5.1"))]
    with (
        serving(add=[NO_NAME, ADDED, NO_NAME, ADDED], login=[TOKEN, NEWER]) as voter,
        serving(status=status, login=LEARNER) as learner,
        a_client(lambda: USER) as client,
    ):
        add(client, voter)
        assert "invalid auth token" in client.read(learner.endpoint).problem
        assert "knows the token of no voter yet" in client.read(learner.endpoint).problem
        add(client, voter)
        assert client.read(learner.endpoint).problem == ""

    assert learner.authorizations[-1] == "MHxGUsfZKDQFSRWm.34"


def test_a_learner_that_is_behind_is_given_ever_more_time_to_hear_of_a_token() -> None:
    login = Login(lambda: USER)
    logins = 0

    def ask(_: User) -> str:
        nonlocal logins
        logins += 1
        return f"token {logins}"

    for _ in range(100):  # looks
        if not login.token("voter"):
            login.renew("voter", ask)
        with suppress(NotSentError):
            login.renew("learner", lambda _: None)

    assert logins == 8  # the first one, and one after its refusals 1, 2, 4, 8, 16, 32 and 64


def test_a_user_that_cannot_be_read_is_a_problem_asked_for_once_a_run() -> None:
    asked: list[int] = []

    def source() -> User:
        asked.append(1)
        raise AwsError("GetSecretValue failed: AccessDeniedException")

    with serving(status=NO_NAME) as server, a_client(source) as client:
        for _ in range(2):
            assert "no user to log in as: GetSecretValue failed" in client.read(server.endpoint).problem
    assert len(asked) == 1


@pytest.mark.parametrize("answer", [ok("{}"), ok('{"token":""}'), ok('{"token":"a\\r\\nHost: b"}'), ok("rubbish")])
def test_a_token_that_is_none_is_not_sent(answer: bytes) -> None:
    with (
        serving(add=NO_NAME, login=answer) as server,
        a_client(lambda: USER) as client,
        pytest.raises(NotSentError, match="POST /v3/auth/authenticate"),
    ):
        add(client, server)
    assert set(server.authorizations) == {""}


def test_v2_gets_name_and_password_with_every_request() -> None:
    v2 = ok('{"etcdserver":"2.3.8","etcdcluster":"2.3.0"}')
    with serving(version=v2, v2_members=http(201, b"{}")) as server, a_client(lambda: USER) as client:
        client.add_member(server.endpoint, PEER_URL, as_learner=False)
    assert server.authorizations == ["", "Basic cm9vdDpww6Rzc3dvcmQ="]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("hunter2", "is not a JSON object"),
        ('["hunter2"]', "is not a JSON object"),
        ('{"password": "hunter2"}', "field username is not text, or is empty"),
        ('{"username": "root", "password": ""}', "field password is not text, or is empty"),
        ('{"username": "root", "password": 2}', "field password is not text, or is empty"),
    ],
)
def test_a_secret_that_names_no_user_is_told_by_its_field_and_never_by_its_value(text: str, problem: str) -> None:
    with pytest.raises(EtcdError, match=f"arn:x: {problem}|arn:x {problem}") as error:
        parse_user("arn:x", text)
    assert "hunter2" not in str(error.value)


def test_a_password_is_in_no_representation() -> None:
    assert "pässword" not in repr(parse_user("arn:x", '{"username": "root", "password": "pässword"}'))
