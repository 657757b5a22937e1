"""The function from its event to its answer, its log and its metrics; behind it the real controller on fakes."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aws_lambda_powertools import Metrics
from aws_lambda_powertools.utilities.batch.exceptions import UnexpectedBatchTypeError
from aws_lambda_powertools.utilities.data_classes import SQSEvent
from botocore.stub import Stubber

from etcd_aws_cluster import observability, wiring
from etcd_aws_cluster.app.reconcile import Reconciler, RunReport
from etcd_aws_cluster.aws.dead_letters import DeadLetterQueue
from etcd_aws_cluster.core.errors import GroupGoneError, InvariantViolationError, RecordError
from etcd_aws_cluster.core.policy import Policy
from etcd_aws_cluster.core.telemetry import Metric
from etcd_aws_cluster.handler import handle, respond
from etcd_aws_cluster.observability import Telemetry
from etcd_aws_cluster.wiring import Controller
from tests.fakes.fake_clock import FakeClock
from tests.fakes.fake_group import FakeGroup
from tests.fakes.fake_membership import FakeEtcd
from tests.fakes.fake_store import FakeStore
from tests.unit.aws.stubs import SESSION, scripted

EVENTS = Path(__file__).parents[1] / "events"
LAUNCH, TICK, TEST_NOTIFICATION, CHANGE = (
    (EVENTS / f"{name}.json").read_text() for name in ("launch", "scheduled", "test_notification", "parameter_change")
)
FOREIGN = LAUNCH.replace('"AutoScalingGroupName": "etcd"', '"AutoScalingGroupName": "other"')
URL = "https://sqs.eu-west-1.amazonaws.com/123456789012/etcd-dead.fifo"
SQS = SESSION.client("sqs")


def a_batch(*bodies: str) -> dict[str, Any]:
    """Return what Lambda is given for these messages; their ids are m1, m2..."""
    event: dict[str, Any] = json.loads((EVENTS / "sqs_batch.json").read_text())
    template = event["Records"].pop()
    for number, body in enumerate(bodies, start=1):
        event["Records"].append(deepcopy(template) | {"messageId": f"m{number}", "body": body})
    return event


@dataclass
class Function:
    """The function with its controller on fakes, and what came out of it."""

    controller: Controller
    group: FakeGroup
    sqs: Stubber
    out: io.StringIO
    metrics: Metrics

    def given(self, *bodies: str) -> list[str]:
        """Handle a batch; returns the ids of the messages that are to be delivered again."""
        answer = respond(SQSEvent(a_batch(*bodies)), self.controller, lambda: 5.0)
        return [str(failure["itemIdentifier"]) for failure in answer["batchItemFailures"]]

    def when_running(self, run: Callable[[Callable[[], float]], RunReport]) -> None:
        """Have something else than the controller run."""
        self.controller = self.controller._replace(run=run)

    def takes_dead_letter(self, message_id: str, body: str) -> None:
        """Expect a message to be put aside."""
        expected = {
            "QueueUrl": URL,
            "MessageBody": body,
            "MessageGroupId": "etcd",
            "MessageDeduplicationId": message_id,
        }
        self.sqs.add_response("send_message", {"MessageId": "d"}, expected | {"MessageAttributes": _Anything()})

    @property
    def looks(self) -> int:
        """How often the group was read."""
        return self.group.calls["read"]

    def lines(self, message: str) -> list[dict[str, Any]]:
        """Return the log lines of that message."""
        lines = [json.loads(line) for line in self.out.getvalue().splitlines()]
        return [line for line in lines if line["message"] == message]

    def published(self) -> dict[str, float]:
        """Return the metrics of the run, but for counts of nothing."""
        sums = {name: sum(metric["Value"]) for name, metric in self.metrics.metric_set.items()}
        return {name: value for name, value in sums.items() if value}


class _Anything:
    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = None  # type: ignore[assignment]


def _fails_with(error: Exception) -> Callable[[Callable[[], float]], RunReport]:
    def run(time_left: Callable[[], float]) -> RunReport:
        raise error

    return run


@pytest.fixture
def function(monkeypatch: pytest.MonkeyPatch) -> Iterator[Function]:
    out = io.StringIO()
    monkeypatch.setattr(observability.logger.registered_handler, "stream", out)
    metrics = Metrics(namespace="Test", service="")
    metrics.provider.clear_metrics()  # Powertools shares them between all of its objects
    telemetry = Telemetry(logger=observability.logger, metrics=metrics, cluster="etcd")
    clock = FakeClock()
    group = FakeGroup(clock, desired=0)
    reconciler = Reconciler(
        members=FakeEtcd(), group=group, store=FakeStore(), clock=clock, policy=Policy(), telemetry=telemetry
    )
    with scripted(SQS) as sqs:
        controller = Controller(
            cluster_name="etcd",
            run=reconciler.run,
            dead_letters=DeadLetterQueue(client=lambda: SQS, url=URL, message_group="etcd"),
            telemetry=telemetry,
        )
        yield Function(controller, group, sqs, out, metrics)
    metrics.provider.clear_metrics()


@pytest.mark.parametrize("body", [LAUNCH, TICK])
def test_a_message_about_our_cluster_makes_the_controller_look(function: Function, body: str) -> None:
    assert function.given(body) == []

    assert function.looks == 1
    assert function.published()["Tick"] == 1


def test_a_batch_makes_the_controller_look_once(function: Function) -> None:
    assert function.given(LAUNCH, TICK, LAUNCH, FOREIGN) == []

    assert function.looks == 1
    assert [line["message_id"] for line in function.lines("message")] == ["m1", "m2", "m3", "m4"]


def test_what_does_not_concern_us_makes_nobody_look_and_is_logged_with_its_reason(function: Function) -> None:
    assert function.given(FOREIGN, TEST_NOTIFICATION) == []

    assert function.looks == 0
    assert [line["trigger"] for line in function.lines("message")] == [
        "ignored: the group 'other' is not ours",
        "ignored: a test notification",
    ]


@pytest.mark.parametrize(
    ("bodies", "announced"), [((TICK, LAUNCH), ["run"]), ((TICK, CHANGE, CHANGE), ["announced", "run"])]
)
def test_a_request_for_a_certificate_is_announced_before_the_run(
    function: Function, bodies: tuple[str, ...], announced: list[str]
) -> None:
    happened: list[str] = []
    run = function.controller.run

    def run_and_note(time_left: Callable[[], float]) -> RunReport:
        happened.append("run")
        return run(time_left)

    function.when_running(run_and_note)
    function.controller = function.controller._replace(announce=lambda: happened.append("announced"))

    assert function.given(*bodies) == []

    assert happened == announced


def test_a_malformed_message_is_put_aside_and_holds_nothing_up(function: Function) -> None:
    function.takes_dead_letter("m1", "{")

    assert function.given("{", LAUNCH) == []

    assert function.looks == 1
    assert function.published()["MalformedMessages"] == 1
    (line,) = function.lines("malformed message")
    assert line["level"] == "WARNING"
    assert line["message_id"] == "m1"
    assert line["problem"].startswith("the message is not JSON")


def test_a_malformed_message_alone_is_no_reason_to_look(function: Function) -> None:
    function.takes_dead_letter("m1", "[]")

    assert function.given("[]") == []

    assert function.looks == 0
    assert function.published() == {"MalformedMessages": 1}


def test_a_message_that_cannot_be_put_aside_comes_again_with_all_behind_it_and_the_controller_still_looks(
    function: Function,
) -> None:
    function.sqs.add_client_error("send_message", "ServiceUnavailable", "later")

    assert function.given(LAUNCH, "{", TICK) == ["m2", "m3"]

    assert function.looks == 1
    (line,) = function.lines("malformed message not put aside")
    assert "ServiceUnavailable: later" in line["problem"]


def test_a_whole_batch_that_cannot_be_put_aside_does_not_keep_the_controller_from_looking(function: Function) -> None:
    function.sqs.add_client_error("send_message", "ServiceUnavailable", "later")

    assert function.given("{") == ["m1"]

    assert function.looks == 1


def test_a_failed_aws_call_is_logged_and_measured_and_nothing_is_delivered_again(function: Function) -> None:
    function.group.fail_next("read")

    assert function.given(TICK) == []

    assert function.published() == {"ReconcileErrors": 1}
    (line,) = function.lines("look failed")
    assert (line["level"], line["error_type"]) == ("WARNING", "AwsError")
    assert line["problem"] == "read failed on order, without effect"


def test_a_claim_that_cannot_be_understood_is_logged_and_measured(function: Function) -> None:
    function.when_running(_fails_with(RecordError("parameter /x/generations/1: the record is not JSON")))

    assert function.given(TICK) == []

    assert function.published() == {"ReconcileErrors": 1}


def test_a_group_that_is_gone_is_told_by_the_alarm_for_what_cannot_be_read(function: Function) -> None:
    function.when_running(_fails_with(GroupGoneError("there is no Auto Scaling group named 'etcd'")))

    assert function.given(TICK) == []

    assert function.published() == {"Tick": 1, "ReconcileErrors": 1}
    (line,) = function.lines("nothing to look after")
    assert line["level"] == "WARNING"


@pytest.mark.parametrize("error", [InvariantViolationError("INV-2"), KeyError("a bug")])
def test_what_nobody_expected_fails_the_function_and_its_metrics_are_kept(function: Function, error: Exception) -> None:
    function.takes_dead_letter("m1", "{")
    function.when_running(_fails_with(error))

    with pytest.raises(type(error)):
        function.given("{", TICK)

    assert function.published() == {"MalformedMessages": 1}


def test_a_decision_is_one_line_of_json_with_what_it_was_made_from(function: Function) -> None:
    function.given(TICK)

    (line,) = function.lines("decision")
    assert line["level"] == "INFO"
    assert {"kind", "reason", "detail", "desired", "instances"} <= line.keys()
    (run,) = function.lines("run")
    assert (run["decision"], run["reason"]) == (line["kind"], line["reason"])
    assert run["steps"] == 1


def test_the_last_value_of_a_gauge_and_the_sum_of_a_count_are_published(function: Function) -> None:
    telemetry = function.controller.telemetry
    for voters in (1, 2, 3):
        telemetry.gauge(Metric.VOTERS, voters)
        telemetry.count(Metric.MEMBERSHIP_CHANGES)

    telemetry.publish()

    assert function.published() == {"Voters": 3, "MembershipChanges": 3}


def test_a_run_without_errors_says_so(function: Function) -> None:
    function.given(TICK)

    assert function.metrics.metric_set["ReconcileErrors"]["Value"] == [0]
    assert function.metrics.metric_set["MalformedMessages"]["Value"] == [0]


def test_metrics_have_the_cluster_as_their_only_dimension(
    function: Function, capsys: pytest.CaptureFixture[str]
) -> None:
    function.given(TICK)
    function.metrics.provider.flush_metrics()

    emf = json.loads(capsys.readouterr().out)
    (directive,) = emf["_aws"]["CloudWatchMetrics"]
    assert directive["Namespace"] == "Test"
    assert directive["Dimensions"] == [["cluster"]]
    assert emf["cluster"] == "etcd"
    assert emf["Tick"] == [1.0]
    assert {"Desired", "QuorumLost", "Refused"} <= emf.keys()


@dataclass
class LambdaContext:
    """What Lambda gives beside the event."""

    function_name: str = "etcd-controller"
    memory_limit_in_mb: int = 256
    invoked_function_arn: str = "arn:aws:lambda:eu-west-1:123456789012:function:etcd-controller"
    aws_request_id: str = "52fdfc07-2182-454f-963f-5f0f9a621d72"

    def get_remaining_time_in_millis(self) -> int:
        """Return the time left."""
        return 60_000


@dataclass
class Deployed:
    """The scripts of the function's own clients."""

    ssm: Stubber
    autoscaling: Stubber


@pytest.fixture
def deployed(monkeypatch: pytest.MonkeyPatch) -> Iterator[Deployed]:
    """Set the function's environment, and have boto3 make clients whose answers are scripted."""
    settings = {
        "CLUSTER_NAME": "etcd",
        "PARAMETER_PREFIX": "/etcd-aws-cluster/etcd",
        "LAUNCH_HOOK_NAME": "etcd-launch",
        "TERMINATE_HOOK_NAME": "etcd-terminate",
        "DEAD_LETTER_QUEUE_URL": URL,
        "RUN_RESERVE_S": "600",  # leaves no time to try a failed call again
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    clients = {service: SESSION.client(service) for service in ("autoscaling", "ec2", "ssm")}

    class Session:
        def client(self, service: str, **_: object) -> object:
            return clients[service]

    monkeypatch.setattr(wiring, "new_session", Session)
    monkeypatch.setattr(observability.metrics.provider, "namespace", "EtcdAwsCluster")
    wiring.controller.cache_clear()
    with scripted(clients["ssm"]) as ssm, scripted(clients["autoscaling"]) as autoscaling:
        yield Deployed(ssm, autoscaling)
    wiring.controller.cache_clear()


def test_the_functions_entry_reads_its_environment_looks_and_prints_metrics(
    function: Function, deployed: Deployed, capsys: pytest.CaptureFixture[str]
) -> None:
    deployed.ssm.add_response("get_parameters", {"Parameters": []})
    deployed.autoscaling.add_client_error("describe_auto_scaling_groups", "Throttling", "Rate exceeded")
    deployed.ssm.add_response("get_parameters", {"Parameters": []})
    deployed.autoscaling.add_response("describe_auto_scaling_groups", {"AutoScalingGroups": []})

    assert handle(a_batch(TICK), LambdaContext()) == {"batchItemFailures": []}
    assert handle(a_batch(TICK), LambdaContext()) == {"batchItemFailures": []}

    failed, looked = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert failed["ReconcileErrors"] == [1.0]
    assert looked["Tick"] == [1.0]
    (line,) = function.lines("look failed")
    assert line["problem"] == "DescribeAutoScalingGroups for etcd failed: Throttling: Rate exceeded"
    assert line["function_request_id"] == LambdaContext.aws_request_id


def test_an_event_that_is_no_batch_fails_the_function(function: Function, deployed: Deployed) -> None:
    with pytest.raises(UnexpectedBatchTypeError):
        handle({}, LambdaContext())
