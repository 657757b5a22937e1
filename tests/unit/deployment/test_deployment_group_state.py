"""What is asked of Auto Scaling and EC2 for a rollout, and what is made of their answers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.stub import Stubber

from etcd_aws_cluster.core.errors import AwsError, GroupGoneError
from etcd_aws_cluster.core.model import InstanceId
from etcd_aws_cluster.deployment.group_state import DeployedGroup, Refresh, one_more
from tests.unit.aws.stubs import SESSION, asg, asg_instance, ec2, ec2_instance, scripted

AUTOSCALING, EC2 = SESSION.client("autoscaling"), SESSION.client("ec2")
A, B, C, D, E = (InstanceId(f"i-0{letter}") for letter in "abcde")
NOON = datetime(2024, 1, 1, 12, tzinfo=UTC)


@dataclass
class Aws:
    """The adapter under test and the scripts of its two clients."""

    group: DeployedGroup
    autoscaling: Stubber
    ec2: Stubber

    def stands(
        self, *instances: dict[str, Any], version: str = "2", refreshes: tuple[dict[str, Any], ...] = ()
    ) -> None:
        """Script how the group stands."""
        template = {"LaunchTemplateId": "lt-1", "LaunchTemplateName": "etcd", "Version": version}
        self.autoscaling.add_response(
            "describe_auto_scaling_groups",
            asg(*instances, LaunchTemplate=template),
            {"AutoScalingGroupNames": ["etcd"]},
        )
        self.autoscaling.add_response(
            "describe_instance_refreshes", {"InstanceRefreshes": list(refreshes)}, {"AutoScalingGroupName": "etcd"}
        )

    def has_versions(self, asked: list[str], **contents: str) -> None:
        """Script the launch template's versions: ``v2="ami-0b"``."""
        versions = [
            {"LaunchTemplateId": "lt-1", "VersionNumber": int(name[1:]), "LaunchTemplateData": {"ImageId": image}}
            for name, image in contents.items()
        ]
        self.ec2.add_response(
            "describe_launch_template_versions",
            {"LaunchTemplateVersions": versions},
            {"LaunchTemplateId": "lt-1", "Versions": asked},
        )

    def happened(self, *activities: dict[str, Any]) -> None:
        """Script the scaling activities."""
        self.autoscaling.add_response(
            "describe_scaling_activities", {"Activities": list(activities)}, {"AutoScalingGroupName": "etcd"}
        )


@pytest.fixture
def aws() -> Iterator[Aws]:
    with scripted(AUTOSCALING) as autoscaling, scripted(EC2) as compute:
        yield Aws(DeployedGroup(autoscaling=AUTOSCALING, ec2=EC2, name="etcd"), autoscaling, compute)


def launched(instance_id: str, version: str, lifecycle: str = "InService", template: str = "lt-1") -> dict[str, Any]:
    shown = asg_instance(instance_id, lifecycle)
    return shown | {"LaunchTemplate": {"LaunchTemplateId": template, "LaunchTemplateName": "etcd", "Version": version}}


def activity(
    status: str, message: str = "", *, what: str = "Launching a new EC2 instance", hour: int = 12
) -> dict[str, Any]:
    return {
        "ActivityId": "a",
        "AutoScalingGroupName": "etcd",
        "Cause": "c",
        "StartTime": NOON.replace(hour=hour),
        "StatusCode": status,
        "Description": f"{what}: i-0n",
        **({"StatusMessage": message} if message else {}),
    }


def only(instance_id: InstanceId) -> frozenset[InstanceId]:
    return frozenset({instance_id})


ABANDONED = "Instance failed to complete user's Lifecycle Action: Lifecycle Action with token t was abandoned: x"


def test_instances_are_told_apart_by_what_they_were_launched_from(aws: Aws) -> None:
    aws.stands(
        launched(A, "1") | {"ProtectedFromScaleIn": True},
        launched(B, "2"),
        launched(C, "2", "Pending:Wait"),
        launched(D, "1", "Pending"),
        launched(E, "1", "Terminating:Wait"),
    )
    aws.has_versions(["1", "2"], v1="ami-0a", v2="ami-0b")
    state = aws.group.look()
    assert (state.old, state.in_service) == (only(A), only(B))
    assert (state.newcomers, state.old_newcomers, state.leaving) == (only(C), only(D), only(E))
    assert (state.desired, state.protected) == (3, only(A))


def test_a_new_version_of_the_same_content_makes_nothing_old(aws: Aws) -> None:
    aws.stands(launched(A, "1"), launched(B, "2"), version="3")
    aws.has_versions(["1", "2", "3"], v1="ami-0a", v2="ami-0b", v3="ami-0a")
    assert aws.group.look().old == {B}


def test_another_launch_template_is_old_whatever_its_version_and_one_on_standby_is_too(aws: Aws) -> None:
    aws.stands(launched(A, "2", template="lt-9"), launched(B, "2"), launched(C, "9", "Standby", template="lt-9"))
    assert aws.group.look().old == {A, C}


def test_a_version_that_is_not_found_decides_nothing(aws: Aws) -> None:
    template = {"LaunchTemplateId": "lt-1", "LaunchTemplateName": "etcd", "Version": "2"}
    aws.autoscaling.add_response(
        "describe_auto_scaling_groups",
        asg(launched(A, "1"), LaunchTemplate=template),
        {"AutoScalingGroupNames": ["etcd"]},
    )
    aws.has_versions(["1", "2"], v1="ami-0a")
    with pytest.raises(AwsError, match="does not find version 2 of lt-1"):
        aws.group.look()


def test_a_group_that_is_gone_is_told_as_such(aws: Aws) -> None:
    aws.autoscaling.add_response(
        "describe_auto_scaling_groups", {"AutoScalingGroups": []}, {"AutoScalingGroupNames": ["etcd"]}
    )
    with pytest.raises(GroupGoneError):
        aws.group.look()


def test_a_refresh_is_ours_if_it_replaces_by_the_groups_template_and_never_with_fewer(aws: Aws) -> None:
    common = {"AutoScalingGroupName": "etcd", "Status": "InProgress", "StartTime": NOON}
    careful = {"MinHealthyPercentage": 100}
    aws.stands(
        refreshes=(
            {**common, "InstanceRefreshId": "r-1", "Preferences": careful, "StatusReason": "waiting"},
            {**common, "InstanceRefreshId": "r-2", "Preferences": {"MinHealthyPercentage": 90}},
            {
                **common,
                "InstanceRefreshId": "r-3",
                "Preferences": careful,
                "DesiredConfiguration": {"LaunchTemplate": {"LaunchTemplateId": "lt-9"}},
            },
        )
    )
    state = aws.group.look()
    assert [r.is_ours for r in state.refreshes] == [True, False, False]
    assert state.active_refresh == Refresh(
        refresh_id="r-1", status="InProgress", reason="waiting", started_at=NOON.timestamp()
    )


def test_a_refresh_launches_one_more_before_it_terminates_one(aws: Aws) -> None:
    aws.autoscaling.add_response(
        "start_instance_refresh",
        {"InstanceRefreshId": "r-1"},
        {
            "AutoScalingGroupName": "etcd",
            "Strategy": "Rolling",
            "Preferences": {
                "MinHealthyPercentage": 100,
                "MaxHealthyPercentage": 134,
                "InstanceWarmup": 0,
                "SkipMatching": True,
                "ScaleInProtectedInstances": "Refresh",
                "StandbyInstances": "Wait",
            },
        },
    )
    assert aws.group.start_refresh(3) == "r-1"


def test_instances_are_protected_from_scaling_in_and_no_longer(aws: Aws) -> None:
    for yes in (True, False):
        aws.autoscaling.add_response(
            "set_instance_protection",
            {},
            {"AutoScalingGroupName": "etcd", "InstanceIds": [A, B], "ProtectedFromScaleIn": yes},
        )
        aws.group.protect({A, B}, yes=yes)


@pytest.mark.parametrize(("desired", "percent"), [(1, 200), (3, 134), (5, 120), (7, 115), (9, 112)])
def test_the_percentage_leaves_room_for_exactly_one_more(desired: int, percent: int) -> None:
    assert one_more(desired) == percent
    assert desired * percent // 100 == desired + 1


def test_a_refresh_that_has_ended_need_not_be_cancelled(aws: Aws) -> None:
    aws.autoscaling.add_client_error("cancel_instance_refresh", "ActiveInstanceRefreshNotFound")
    aws.group.cancel_refresh()


def test_one_launch_that_a_hook_abandoned_since_then_is_a_failure(aws: Aws) -> None:
    aws.happened(activity("InProgress"), activity("Cancelled", ABANDONED), activity("Failed", "no capacity"))
    assert aws.group.failed_launches(NOON.timestamp()) == (f"Launching a new EC2 instance: i-0n: {ABANDONED}",)


def test_what_ended_well_or_was_no_launch_or_came_before_is_none(aws: Aws) -> None:
    aws.happened(
        activity("Successful"),
        activity("Cancelled", ABANDONED, hour=11),
        activity("Failed", ABANDONED, what="Terminating EC2 instance"),
    )
    assert aws.group.failed_launches(NOON.timestamp()) == ()


def test_ec2_may_refuse_twice(aws: Aws) -> None:
    aws.happened(*[activity("Failed", "no capacity")] * 2)
    assert aws.group.failed_launches(0) == ()
    aws.happened(*[activity("Failed", "no capacity")] * 3)
    assert len(aws.group.failed_launches(0)) == 3


@pytest.mark.parametrize("launched", ["MidLifecycleAction", "Successful"])
def test_a_zone_without_capacity_is_no_failure_where_another_zone_launches_each_time(aws: Aws, launched: str) -> None:
    refused, other_zone = activity("Failed", "no capacity"), activity(launched)
    aws.happened(refused, refused, other_zone, refused, other_zone, refused)  # newest first
    assert aws.group.failed_launches(0) == ()
    aws.happened(activity("InProgress"), refused, refused, refused, other_zone, refused)
    assert len(aws.group.failed_launches(0)) == 3


def test_tags_say_what_an_instance_was_deployed_with(aws: Aws) -> None:
    tagged = ec2_instance(A, "10.0.0.4") | {"Tags": [{"Key": "etcd-aws-cluster:deployed", "Value": "version=3.5.21"}]}
    other = ec2_instance(B, "10.0.0.5") | {"Tags": [{"Key": "Name", "Value": "etcd"}]}
    aws.ec2.add_response(
        "describe_instances", ec2(tagged, other), {"Filters": [{"Name": "instance-id", "Values": [A, B]}]}
    )
    assert aws.group.tags({A, B}) == {A: "version=3.5.21"}
    assert aws.group.tags(()) == {}
