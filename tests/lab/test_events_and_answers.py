"""Events, notifications and answers, member by member."""

from typing import Any
from xml.etree import ElementTree as ET

import botocore.parsers
import pytest
from botocore.loaders import Loader
from botocore.model import ServiceModel

from lab.local_aws.journal import Journal
from lab.local_aws.player import Post
from lab.local_aws.wire import QueryProtocol
from tests.lab.played import GROUP, LAUNCH_HOOK, RETAIN, START, TERMINATE_HOOK, Played

HOOKS = (LAUNCH_HOOK, TERMINATE_HOOK)
PROTOCOL = QueryProtocol("autoscaling")
QUEUE = "arn:aws:sqs:us-east-1:000000000000:notices"


def test_a_launch_event_has_the_members_that_aws_documents(played: Played) -> None:
    played.create(size=1, hooks=[LAUNCH_HOOK | {"NotificationMetadata": "more"}])
    played.pass_time(2)
    (event,) = played.outbox.events
    assert event == {
        "source": "aws.autoscaling",
        "detail-type": "EC2 Instance-launch Lifecycle Action",
        "resources": [played.shown()["AutoScalingGroupARN"]],
        "detail": {
            "LifecycleActionToken": event["detail"]["LifecycleActionToken"],
            "AutoScalingGroupName": GROUP,
            "LifecycleHookName": "etcd-launch",
            "EC2InstanceId": "i-01",
            "LifecycleTransition": "autoscaling:EC2_INSTANCE_LAUNCHING",
            "NotificationMetadata": "more",
            "Origin": "EC2",
            "Destination": "AutoScalingGroup",
        },
    }


def test_a_termination_event_goes_from_the_group_to_ec2_and_has_no_metadata_unless_the_hook_has(played: Played) -> None:
    played.settled(size=1, hooks=HOOKS)
    played.call("SetDesiredCapacity", DesiredCapacity=0)
    played.pass_time(1)
    event = played.outbox.events[-1]
    assert event["detail-type"] == "EC2 Instance-terminate Lifecycle Action"
    assert event["detail"]["LifecycleTransition"] == "autoscaling:EC2_INSTANCE_TERMINATING"
    assert (event["detail"]["Origin"], event["detail"]["Destination"]) == ("AutoScalingGroup", "EC2")
    assert "NotificationMetadata" not in event["detail"]


def test_success_is_told_with_the_arns_of_group_and_instance(played: Played) -> None:
    played.settled(size=1)
    (event,) = played.outbox.events
    assert event["detail-type"] == "EC2 Instance Launch Successful"
    assert event["resources"][1] == "arn:aws:ec2:us-east-1:000000000000:instance/i-01"
    assert (event["detail"]["StatusCode"], event["detail"]["EC2InstanceId"]) == ("InProgress", "i-01")


def test_a_new_hook_tests_its_notification_target_and_not_the_event_bus(played: Played) -> None:
    played.create(size=0, hooks=[LAUNCH_HOOK | {"NotificationTargetARN": QUEUE}])
    ((target, message),) = played.outbox.notifications
    assert (target, message["Event"]) == (QUEUE, "autoscaling:TEST_NOTIFICATION")
    assert {"AccountId", "RequestId", "AutoScalingGroupARN", "AutoScalingGroupName", "Service", "Time"} < set(message)
    assert played.outbox.events == []


def test_a_lifecycle_action_is_told_to_the_notification_target_as_well(played: Played) -> None:
    played.create(size=1, hooks=[LAUNCH_HOOK | {"NotificationTargetARN": QUEUE}])
    played.pass_time(2)
    assert played.outbox.notifications[-1][1]["EC2InstanceId"] == "i-01"


def parsed(operation: str, body: bytes) -> dict[str, Any]:
    """An answer, as boto3 would read it."""
    model = ServiceModel(Loader().load_service_model("autoscaling", "service-2"), "autoscaling")
    parser: Any = botocore.parsers.create_parser("query")
    answer: dict[str, Any] = parser.parse(
        {"status_code": 200, "headers": {}, "body": body}, model.operation_model(operation).output_shape
    )
    return answer


def test_a_group_is_described_as_boto3_expects_it(played: Played) -> None:
    played.settled(size=1, hooks=HOOKS, InstanceLifecyclePolicy=RETAIN)
    played.call("PutWarmPool", MinSize=0, MaxGroupPreparedCapacity=0)
    answer = played.call("DescribeAutoScalingGroups", None)
    (group,) = parsed("DescribeAutoScalingGroups", PROTOCOL.answer("DescribeAutoScalingGroups", answer, "r-1"))[
        "AutoScalingGroups"
    ]
    assert group["CreatedTime"].timestamp() == START
    assert group["InstanceLifecyclePolicy"] == RETAIN
    assert group["WarmPoolConfiguration"] == {"MinSize": 0, "PoolState": "Stopped", "MaxGroupPreparedCapacity": 0}
    assert "Status" not in group
    assert group["Instances"] == [
        {
            "InstanceId": "i-01",
            "InstanceType": "t4g.micro",
            "AvailabilityZone": "us-east-1a",
            "LifecycleState": "InService",
            "HealthStatus": "Healthy",
            "LaunchTemplate": {"LaunchTemplateId": "lt-1", "LaunchTemplateName": "etcd", "Version": "1"},
            "ImageId": "ami-1",
            "ProtectedFromScaleIn": False,
        }
    ]


def test_an_answer_never_has_a_member_that_aws_does_not_know() -> None:
    body = PROTOCOL.answer("DescribeAutoScalingGroups", {"AutoScalingGroups": [{"_secret": 1, "MinSize": 2}]}, "r-1")
    assert b"secret" not in body
    assert b"<MinSize>2</MinSize>" in body


def test_an_error_is_answered_as_the_query_protocol_has_it() -> None:
    root = ET.fromstring(PROTOCOL.error("ValidationError", "no <such> thing", "r-1"))  # noqa: S314
    space = "{http://autoscaling.amazonaws.com/doc/2011-01-01/}"
    error = root.find(f"{space}Error")
    assert error is not None
    assert [(part.tag.removeprefix(space), part.text) for part in error] == [
        ("Type", "Sender"),
        ("Code", "ValidationError"),
        ("Message", "no <such> thing"),
    ]


def test_a_request_is_read_with_its_types_lists_and_structures() -> None:
    request = PROTOCOL.read(
        "CreateAutoScalingGroup",
        {
            "AutoScalingGroupName": "etcd",
            "MinSize": "1",
            "MaxSize": "3",
            "NewInstancesProtectedFromScaleIn": "true",
            "LifecycleHookSpecificationList.member.1.LifecycleHookName": "a",
            "LifecycleHookSpecificationList.member.1.LifecycleTransition": "autoscaling:EC2_INSTANCE_LAUNCHING",
            "InstanceLifecyclePolicy.RetentionTriggers.TerminateHookAbandon": "retain",
            "Action": "CreateAutoScalingGroup",
        },
    )
    assert request == {
        "AutoScalingGroupName": "etcd",
        "MinSize": 1,
        "MaxSize": 3,
        "NewInstancesProtectedFromScaleIn": True,
        "LifecycleHookSpecificationList": [
            {"LifecycleHookName": "a", "LifecycleTransition": "autoscaling:EC2_INSTANCE_LAUNCHING"}
        ],
        "InstanceLifecyclePolicy": RETAIN,
    }


def test_a_missing_member_is_named() -> None:
    with pytest.raises(KeyError, match="LifecycleHookName"):
        PROTOCOL.read("PutLifecycleHook", {"AutoScalingGroupName": "etcd"})


def test_a_templates_strings_become_the_members_types() -> None:
    typed = PROTOCOL.typed("UpdateAutoScalingGroup", {"MinSize": "3", "Nothing": 1, "AutoScalingGroupName": "etcd"})
    assert typed == {"MinSize": 3, "AutoScalingGroupName": "etcd"}


def test_tags_are_found_by_exact_filters(played: Played) -> None:
    played.create(size=0, Tags=[{"Key": "Name", "Value": "blue", "PropagateAtLaunch": True}])
    played.call("CreateOrUpdateTags", None, Tags=[{"ResourceId": GROUP, "Key": "Team", "Value": "blue"}])
    filters = [{"Name": "key", "Values": ["Name"]}, {"Name": "value", "Values": ["blue"]}]
    assert [tag["Key"] for tag in played.call("DescribeTags", None, Filters=filters)["Tags"]] == ["Name"]
    assert played.call("DescribeTags", None, Filters=[{"Name": "value", "Values": ["blu"]}]) == {"Tags": []}


@pytest.mark.parametrize(
    ("told", "arrived"), [({}, ["a", "b"]), ({"drop": 1}, ["b"]), ({"duplicate": 1}, ["a", "a", "b"])]
)
def test_events_are_lost_or_doubled_as_often_as_the_lab_was_told(told: dict[str, int], arrived: list[str]) -> None:
    sent: list[dict[str, object]] = []
    post = Post(put_event=sent.append, send=lambda *_: None, journal=Journal())
    post.drop, post.duplicate = told.get("drop", 0), told.get("duplicate", 0)
    for name in ("a", "b"):
        post.event({"detail": name})
    post.flush()
    assert [event["detail"] for event in sent] == arrived


def test_the_journal_tells_what_came_after_a_number() -> None:
    journal = Journal()
    for name in ("a", "b", "c"):
        journal.add({"to": name})
    assert [(each["seq"], each["to"]) for each in journal.after(1, 0)] == [(2, "b"), (3, "c")]
