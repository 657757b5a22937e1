"""What each message of the queue is taken for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from etcd_aws_cluster.core.model import InstanceId, Transition
from etcd_aws_cluster.events import (
    Ignored,
    LifecycleAction,
    MalformedMessageError,
    ParameterChange,
    ScheduledTick,
    parse_message,
)

EVENTS = Path(__file__).parents[1] / "events"


def sample(name: str, **detail: object) -> str:
    """Return a recorded event with some fields of its detail changed; None takes one out."""
    event = json.loads((EVENTS / f"{name}.json").read_text())
    if detail:
        event["detail"] = {k: v for k, v in (event["detail"] | detail).items() if v is not None}
    return json.dumps(event)


def changed(name: str, **fields: object) -> str:
    """Return a recorded event with some top-level fields changed; None takes one out."""
    event = json.loads((EVENTS / f"{name}.json").read_text())
    renamed = {k.replace("_", "-"): v for k, v in fields.items()}
    return json.dumps({k: v for k, v in (event | renamed).items() if v is not None})


@pytest.mark.parametrize(
    ("name", "transition", "hook", "origin", "destination"),
    [
        ("launch", Transition.LAUNCHING, "etcd-launch", "EC2", "AutoScalingGroup"),
        ("terminate", Transition.TERMINATING, "etcd-terminate", "AutoScalingGroup", "EC2"),
        ("launch_into_warm_pool", Transition.LAUNCHING, "etcd-launch", "EC2", "WarmPool"),
        ("launch_from_warm_pool", Transition.LAUNCHING, "etcd-launch", "WarmPool", "AutoScalingGroup"),
        ("terminate_into_warm_pool", Transition.TERMINATING, "etcd-terminate", "AutoScalingGroup", "WarmPool"),
    ],
)
def test_a_lifecycle_action_is_read_whole(
    name: str, transition: Transition, hook: str, origin: str, destination: str
) -> None:
    assert parse_message(sample(name), group="etcd") == LifecycleAction(
        group="etcd",
        instance_id=InstanceId("i-1234567890abcdef0"),
        transition=transition,
        hook=hook,
        lifecycle_action_token="71514b9d-6a40-4b26-8523-05e7eEXAMPLE",
        origin=origin,
        destination=destination,
    )


def test_an_older_event_without_origin_and_destination_is_a_lifecycle_action_too() -> None:
    trigger = parse_message(sample("launch", Origin=None, Destination=None), group="etcd")

    assert str(trigger) == "autoscaling:EC2_INSTANCE_LAUNCHING of i-1234567890abcdef0 (? to ?)"


@pytest.mark.parametrize("source", ["aws.events", "aws.scheduler"])
def test_the_schedule_ticks_whichever_service_keeps_it(source: str) -> None:
    assert parse_message(changed("scheduled", source=source), group="etcd") == ScheduledTick()


def test_a_request_for_a_certificate_is_a_reason_to_look() -> None:
    trigger = parse_message(sample("parameter_change"), group="etcd")
    assert trigger == ParameterChange("/etcd-aws-cluster/etcd/certificate-requests/i-1234567890abcdef0")
    assert str(trigger) == "change of /etcd-aws-cluster/etcd/certificate-requests/i-1234567890abcdef0"


@pytest.mark.parametrize(
    ("change", "problem"), [({"detail": None}, "field detail"), ({"detail": {}}, "field detail.name")]
)
def test_a_change_of_no_parameter_is_malformed(change: dict[str, object], problem: str) -> None:
    with pytest.raises(MalformedMessageError, match=problem):
        parse_message(changed("parameter_change", **change), group="etcd")


def test_the_action_token_is_not_in_what_is_logged() -> None:
    assert "71514b9d" not in str(parse_message(sample("launch"), group="etcd"))


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (sample("test_notification"), "a test notification"),
        (sample("launch", AutoScalingGroupName="other"), "the group 'other' is not ours"),
        (sample("launch_successful"), "'EC2 Instance Launch Successful' from 'aws.autoscaling'"),
        (changed("launch", source="somebody.else"), "from 'somebody.else'"),
        (changed("scheduled", source="somebody.else"), "'Scheduled Event' from 'somebody.else'"),
    ],
)
def test_what_does_not_concern_the_cluster_is_ignored_with_a_reason(body: str, reason: str) -> None:
    trigger = parse_message(body, group="etcd")

    assert isinstance(trigger, Ignored)
    assert reason in trigger.reason


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ("", "not JSON"),
        ("{", "not JSON"),
        ("hello", "not JSON"),
        ("[]", "of JSON type list, expected an object"),
        ("null", "of JSON type NoneType, expected an object"),
        ('"text"', "of JSON type str, expected an object"),
        ("{}", "field source is None"),
        (changed("launch", source=7), "field source is 7"),
        (changed("launch", source=""), "field source is ''"),
        (changed("launch", detail_type=None), "field detail-type is None"),
        (changed("launch", detail_type=["x"]), "field detail-type is ['x']"),
        (changed("launch", detail=None), "field detail is None, expected an object"),
        (changed("launch", detail="text"), "field detail is 'text', expected an object"),
        (sample("launch", AutoScalingGroupName=None), "field detail.AutoScalingGroupName is None"),
        (sample("launch", EC2InstanceId=None), "field detail.EC2InstanceId is None"),
        (sample("launch", EC2InstanceId=""), "field detail.EC2InstanceId is ''"),
        (sample("launch", LifecycleHookName=None), "field detail.LifecycleHookName is None"),
        (sample("launch", LifecycleActionToken={}), "field detail.LifecycleActionToken is {}"),
        (sample("launch", LifecycleTransition=None), "field detail.LifecycleTransition is None"),
        (sample("launch", LifecycleTransition="autoscaling:EC2_INSTANCE_TERMINATING"), "LAUNCHING"),
        (sample("launch", Origin=3), "field detail.Origin is 3"),
    ],
)
def test_a_malformed_message_is_told_by_its_field(body: str, problem: str) -> None:
    with pytest.raises(MalformedMessageError) as raised:
        parse_message(body, group="etcd")

    assert problem in str(raised.value)


def test_a_huge_wrong_value_makes_no_huge_problem() -> None:
    with pytest.raises(MalformedMessageError) as raised:
        parse_message(sample("launch", EC2InstanceId=["x" * 100_000]), group="etcd")

    assert len(str(raised.value)) < 200


def test_deeply_nested_json_is_malformed_and_not_a_crash() -> None:
    with pytest.raises(MalformedMessageError):
        parse_message("[" * 100_000, group="etcd")
