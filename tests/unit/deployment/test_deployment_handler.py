"""CloudFormation's requests and the answers to them, over HTTP as they are."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any, cast

import pytest

from etcd_aws_cluster.core.errors import AwsError
from etcd_aws_cluster.deployment.deployed import Deployed
from etcd_aws_cluster.deployment.guard import RefusedError
from etcd_aws_cluster.deployment.handler import GUARD, RESERVE_S, ROLLOUT, respond
from etcd_aws_cluster.deployment.rollout import Progress, RolloutFailedError
from etcd_aws_cluster.deployment.wiring import Deployment

TEXT = "version=3.5.21 client=http:2379 peer=http:2380 transition=off pki=automatic signs=1 trusts=1"


@dataclass
class Answers:
    """What CloudFormation was told, and how."""

    url: str = ""
    bodies: list[dict[str, Any]] = field(default_factory=list)
    content_types: list[str | None] = field(default_factory=list)
    refusals: int = 0


@pytest.fixture
def told() -> Iterator[Answers]:
    answers = Answers()

    class Handler(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if answers.refusals:
                answers.refusals -= 1
                self.send_error(503)
                return
            answers.bodies.append(body)
            answers.content_types.append(self.headers["Content-Type"])
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Handler)
    answers.url = f"http://127.0.0.1:{server.server_port}/answer?signed"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield answers
    server.shutdown()
    thread.join()
    server.server_close()


@dataclass
class FakeParts:
    """Guard and rollout, each with one answer."""

    guarding: Exception | None = None
    rolling: Exception | Progress | None = None
    checked: list[Deployed] = field(default_factory=list)
    limits_s: list[float] = field(default_factory=list)
    begun_from: list[Progress] = field(default_factory=list)
    called_again: list[Mapping[str, Any]] = field(default_factory=list)
    let_go_of: int = 0

    def check(self, asked: Deployed) -> None:
        self.checked.append(asked)
        if self.guarding:
            raise self.guarding

    def begin(self) -> Progress:
        return Progress(began_at=0)

    def run(self, progress: Progress, has_time: Callable[[], bool]) -> Progress | None:
        self.begun_from.append(progress)
        assert has_time()
        if isinstance(self.rolling, Exception):
            raise self.rolling
        return self.rolling

    def let_go(self) -> None:
        self.let_go_of += 1
        if isinstance(self.rolling, Exception):
            raise self.rolling

    def rollout(self, limit_s: float) -> FakeParts:
        self.limits_s.append(limit_s)
        return self

    def __call__(self) -> Deployment:
        return Deployment(
            guard=cast("Any", self), rollout=cast("Any", self.rollout), call_again=self.called_again.append
        )


def request(told: Answers, kind: str, what: str, **properties: str) -> dict[str, Any]:
    given = {"Deployed": TEXT} if kind == GUARD else {"Mode": "automatic", "TimeoutMinutes": "50"}
    event = {
        "ResourceType": kind,
        "RequestType": what,
        "ResponseURL": told.url,
        "StackId": "stack",
        "RequestId": "request",
        "LogicalResourceId": "Logical",
        "ResourceProperties": {"ServiceToken": "arn", **given, **properties},
    }
    return event if what == "Create" else {**event, "PhysicalResourceId": "physical"}


def ask(parts: FakeParts, event: dict[str, Any]) -> None:
    respond(event, parts, lambda: RESERVE_S + 1)


def test_what_the_guard_lets_pass_succeeds_with_an_id_that_stays(told: Answers) -> None:
    parts = FakeParts()
    ask(parts, request(told, GUARD, "Create"))
    ask(parts, request(told, GUARD, "Update"))
    assert parts.checked == [Deployed.from_text(TEXT)] * 2
    assert told.bodies == [
        {
            "Status": "SUCCESS",
            "Reason": "",
            "PhysicalResourceId": physical,
            "StackId": "stack",
            "RequestId": "request",
            "LogicalResourceId": "Logical",
        }
        for physical in ("EtcdGuard-Logical", "physical")
    ]
    # The address is signed for none.
    assert set(told.content_types) <= {"", None}


@pytest.mark.parametrize(
    ("trouble", "reason"),
    [
        (RefusedError("etcd is upgraded one by one."), "etcd is upgraded one by one."),
        (AwsError("GetParameters failed"), "It could not be found out whether this is safe"),
        (KeyError("x"), "KeyError: 'x' (the log of this function has more)"),
    ],
)
def test_what_the_guard_refuses_and_what_it_cannot_find_out_fails_with_the_reason(
    told: Answers, trouble: Exception, reason: str
) -> None:
    ask(FakeParts(guarding=trouble), request(told, GUARD, "Update"))
    assert told.bodies[0]["Status"] == "FAILED"
    assert reason in told.bodies[0]["Reason"]


def test_a_long_reason_is_cut_so_that_the_answer_is_taken(told: Answers) -> None:
    ask(FakeParts(guarding=RefusedError("ä" * 5000)), request(told, GUARD, "Update"))
    assert len(json.dumps(told.bodies[0], ensure_ascii=False).encode()) < 4096


def test_settings_that_the_guard_cannot_read_fail_with_an_example(told: Answers) -> None:
    ask(FakeParts(), request(told, GUARD, "Update", Deployed="version=3"))
    assert "expected a line such as" in told.bodies[0]["Reason"]


@pytest.mark.parametrize("kind", [GUARD, ROLLOUT])
def test_deleting_needs_nothing(told: Answers, kind: str) -> None:
    def parts() -> Deployment:
        raise AssertionError

    respond(request(told, kind, "Delete"), parts, lambda: 1)
    assert told.bodies[0]["Status"] == "SUCCESS"
    assert told.bodies[0]["PhysicalResourceId"] == "physical"


@pytest.mark.parametrize("trouble", [None, AwsError("SetInstanceProtection failed"), KeyError("x")])
def test_a_group_that_may_go_next_is_let_go_of_and_what_does_not_work_holds_nothing_up(
    told: Answers, trouble: Exception | None
) -> None:
    parts = FakeParts(rolling=trouble)
    ask(parts, request(told, ROLLOUT, "Delete"))
    assert parts.let_go_of == 1
    ask(parts, request(told, GUARD, "Delete"))
    assert parts.let_go_of == 1
    assert [body["Status"] for body in told.bodies] == ["SUCCESS"] * 2


def test_the_first_instances_and_those_that_a_person_replaces_are_not_rolled_out(told: Answers) -> None:
    parts = FakeParts(rolling=AwsError("not asked"))
    ask(parts, request(told, ROLLOUT, "Create"))
    ask(parts, request(told, ROLLOUT, "Update", Mode="manual"))
    assert [body["Status"] for body in told.bodies] == ["SUCCESS"] * 2
    assert parts.begun_from == []


def test_a_rollout_succeeds_when_it_is_done(told: Answers) -> None:
    parts = FakeParts()
    ask(parts, request(told, ROLLOUT, "Update"))
    assert told.bodies[0]["Status"] == "SUCCESS"
    assert parts.limits_s == [3000]


def test_a_rollout_that_fails_says_why(told: Answers) -> None:
    ask(FakeParts(rolling=RolloutFailedError("It stopped.")), request(told, ROLLOUT, "Update"))
    assert (told.bodies[0]["Status"], told.bodies[0]["Reason"]) == ("FAILED", "It stopped.")


def test_a_rollout_that_takes_longer_goes_on_in_another_run_and_is_answered_once(told: Answers) -> None:
    left = Progress(began_at=5, refresh_id="r-1")
    parts = FakeParts(rolling=left)
    ask(parts, request(told, ROLLOUT, "Update"))
    assert told.bodies == []
    (again,) = parts.called_again
    parts.rolling = None
    ask(parts, json.loads(json.dumps(again)))
    assert parts.begun_from == [Progress(began_at=0), left]
    assert [body["Status"] for body in told.bodies] == ["SUCCESS"]


def test_an_answer_that_is_not_taken_is_given_again(told: Answers) -> None:
    told.refusals = 1
    ask(FakeParts(), request(told, GUARD, "Create"))
    assert len(told.bodies) == 1
