"""What is asked of Auto Scaling and EC2, and what is made of their answers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectTimeoutError
from botocore.stub import Stubber

from etcd_aws_cluster.aws.autoscaling import AutoScalingInstanceGroup
from etcd_aws_cluster.core.errors import AwsError, GroupGoneError
from etcd_aws_cluster.core.model import Ec2State, Instance, InstanceId, Lifecycle, Result, Transition
from tests.unit.aws.stubs import SESSION, asg, asg_instance, ec2, ec2_instance, scripted

AUTOSCALING, EC2 = SESSION.client("autoscaling"), SESSION.client("ec2")
A, B, C = InstanceId("i-0a"), InstanceId("i-0b"), InstanceId("i-0c")
BY_NAME = {"AutoScalingGroupNames": ["etcd"]}
NONE_ACTIVE = "No active Lifecycle Action found with instance ID i-0a"


@dataclass
class Aws:
    """The adapter under test and the scripts of its two clients."""

    group: AutoScalingInstanceGroup
    autoscaling: Stubber
    ec2: Stubber

    def answers(self, described: dict[str, object], *ec2_instances: dict[str, object], asked: list[str]) -> None:
        """Script one read without warm pool."""
        self.autoscaling.add_response("describe_auto_scaling_groups", described, BY_NAME)
        self.ec2.add_response("describe_instances", ec2(*ec2_instances), by_id(*asked))

    def one_instance(self, raw: dict[str, object], *known: dict[str, object]) -> Instance:
        """Read a group of one instance."""
        self.answers(asg(raw), *known, asked=[A])
        (instance,) = self.group.read(()).instances
        return instance


@pytest.fixture
def aws() -> Iterator[Aws]:
    group = AutoScalingInstanceGroup(
        autoscaling=AUTOSCALING,
        ec2=EC2,
        name="etcd",
        hook_names={Transition.LAUNCHING: "etcd-launch", Transition.TERMINATING: "etcd-terminate"},
    )
    with scripted(AUTOSCALING) as scripted_autoscaling, scripted(EC2) as scripted_ec2:
        yield Aws(group, scripted_autoscaling, scripted_ec2)


def by_id(*instance_ids: str) -> dict[str, object]:
    return {"Filters": [{"Name": "instance-id", "Values": list(instance_ids)}]}


def test_a_settled_group_is_read_with_two_calls_oldest_instance_first(aws: Aws) -> None:
    aws.answers(
        asg(asg_instance(A, "Pending:Wait"), asg_instance(B)),
        ec2_instance(A, "10.0.0.5", minute=7),
        ec2_instance(B, "10.0.0.4", minute=3),
        asked=[A, B],
    )

    group = aws.group.read(())

    assert group.name == "etcd"
    assert group.arn.endswith(":autoScalingGroupName/etcd")
    assert group.desired == 3
    assert not group.is_deleting
    assert group.instances == (
        Instance(
            instance_id=B,
            lifecycle=Lifecycle.IN_SERVICE,
            lifecycle_raw="InService",
            ec2_state=Ec2State.RUNNING,
            private_ip="10.0.0.4",
            launched_at=datetime(2024, 1, 1, 0, 3, tzinfo=UTC).timestamp(),
        ),
        Instance(
            instance_id=A,
            lifecycle=Lifecycle.PENDING_WAIT,
            lifecycle_raw="Pending:Wait",
            ec2_state=Ec2State.RUNNING,
            private_ip="10.0.0.5",
            launched_at=datetime(2024, 1, 1, 0, 7, tzinfo=UTC).timestamp(),
        ),
    )


def test_an_empty_group_takes_one_call(aws: Aws) -> None:
    aws.autoscaling.add_response("describe_auto_scaling_groups", asg(DesiredCapacity=0), BY_NAME)

    assert aws.group.read(()).instances == ()


def test_instances_that_the_group_does_not_list_are_asked_for_in_the_same_call(aws: Aws) -> None:
    aws.answers(
        asg(asg_instance(A)),
        ec2_instance(A, "10.0.0.4"),
        ec2_instance(B, None, "terminated"),
        asked=[A, B, C],
    )

    group = aws.group.read([B, A, C])

    assert group.elsewhere == {B: Ec2State.TERMINATED, C: Ec2State.ABSENT}
    assert group.ec2_state(A) is Ec2State.RUNNING


def test_an_instance_that_ec2_does_not_show_is_absent_without_address_and_newest(aws: Aws) -> None:
    aws.answers(asg(asg_instance(A, "Pending"), asg_instance(B)), ec2_instance(B, "10.0.0.4"), asked=[A, B])

    group = aws.group.read(())

    assert [i.instance_id for i in group.instances] == [B, A]
    absent = group.find(A)
    assert absent
    assert (absent.ec2_state, absent.private_ip) == (Ec2State.ABSENT, None)


def test_an_instance_without_address_has_none(aws: Aws) -> None:
    assert aws.one_instance(asg_instance(A, "Pending"), ec2_instance(A, None, "pending")).private_ip is None


def test_of_two_network_interfaces_the_primary_ones_address_counts(aws: Aws) -> None:
    def interface(index: int, ip: str) -> dict[str, object]:
        return {
            "NetworkInterfaceId": f"eni-{index}",
            "Attachment": {"DeviceIndex": index},
            "PrivateIpAddress": ip,
            "PrivateIpAddresses": [{"Primary": True, "PrivateIpAddress": ip}],
        }

    two = {"NetworkInterfaces": [interface(1, "10.0.9.9"), interface(0, "10.0.0.4")]}

    assert aws.one_instance(asg_instance(A), ec2_instance(A, "10.0.0.4") | two).private_ip == "10.0.0.4"


@pytest.mark.parametrize("state", ["ReplacingRootVolume:Wait", "Quarantined", "SomethingNew"])
def test_a_lifecycle_state_that_is_not_known_is_unknown_and_told_verbatim(aws: Aws, state: str) -> None:
    instance = aws.one_instance(asg_instance(A, state), ec2_instance(A, "10.0.0.4"))

    assert (instance.lifecycle, instance.lifecycle_raw) == (Lifecycle.UNKNOWN, state)


def test_an_ec2_state_that_is_not_known_is_unknown(aws: Aws) -> None:
    instance = aws.one_instance(asg_instance(A), ec2_instance(A, "10.0.0.4", "levitating"))

    assert instance.ec2_state is Ec2State.UNKNOWN


@pytest.mark.parametrize(("word", "is_healthy"), [("Healthy", True), ("HEALTHY", True), ("Unhealthy", False)])
def test_the_groups_opinion_of_health_is_kept(aws: Aws, word: str, is_healthy: bool) -> None:  # noqa: FBT001
    instance = aws.one_instance(asg_instance(A, health=word), ec2_instance(A, "10.0.0.4"))

    assert instance.is_healthy is is_healthy


def test_the_warm_pool_is_asked_for_only_where_there_is_one_and_read_to_its_end(aws: Aws) -> None:
    described = asg(asg_instance(A), WarmPoolConfiguration={"MinSize": 2, "PoolState": "Stopped"})
    aws.autoscaling.add_response("describe_auto_scaling_groups", described, BY_NAME)
    aws.autoscaling.add_response(
        "describe_warm_pool",
        {"Instances": [asg_instance(B, "Warmed:Pending:Wait")], "NextToken": "more"},
        {"AutoScalingGroupName": "etcd"},
    )
    aws.autoscaling.add_response(
        "describe_warm_pool",
        {"Instances": [asg_instance(C, "Warmed:Stopped")]},
        {"AutoScalingGroupName": "etcd", "NextToken": "more"},
    )
    known = [ec2_instance(i, f"10.0.0.{n}", minute=n) for n, i in enumerate((A, B, C), start=4)]
    aws.ec2.add_response("describe_instances", ec2(*known), by_id(A, B, C))

    group = aws.group.read(())

    assert [i.lifecycle for i in group.instances] == [
        Lifecycle.IN_SERVICE,
        Lifecycle.WARMED_PENDING_WAIT,
        Lifecycle.WARMED_OTHER,
    ]


def test_an_instance_on_its_way_out_of_the_warm_pool_is_taken_as_the_group_lists_it(aws: Aws) -> None:
    described = asg(asg_instance(A, "Pending:Wait"), WarmPoolConfiguration={"MinSize": 1})
    aws.autoscaling.add_response("describe_auto_scaling_groups", described, BY_NAME)
    aws.autoscaling.add_response("describe_warm_pool", {"Instances": [asg_instance(A, "Warmed:Stopped")]})
    aws.ec2.add_response("describe_instances", ec2(ec2_instance(A, "10.0.0.4")), by_id(A))

    assert [i.lifecycle for i in aws.group.read(()).instances] == [Lifecycle.PENDING_WAIT]


def test_ec2s_answer_is_read_to_its_end(aws: Aws) -> None:
    aws.autoscaling.add_response("describe_auto_scaling_groups", asg(asg_instance(A), asg_instance(B)), BY_NAME)
    aws.ec2.add_response("describe_instances", ec2(ec2_instance(A, "10.0.0.4"), NextToken="more"), by_id(A, B))
    more = by_id(A, B) | {"NextToken": "more"}
    aws.ec2.add_response("describe_instances", ec2(ec2_instance(B, "10.0.0.5")), more)

    assert [i.private_ip for i in aws.group.read(()).instances] == ["10.0.0.4", "10.0.0.5"]


def test_a_group_that_is_being_deleted_says_so(aws: Aws) -> None:
    described = asg(DesiredCapacity=0, Status="Delete in progress")
    aws.autoscaling.add_response("describe_auto_scaling_groups", described, BY_NAME)

    assert aws.group.read(()).is_deleting


def test_a_group_that_does_not_exist_is_an_error_of_its_own(aws: Aws) -> None:
    aws.autoscaling.add_response("describe_auto_scaling_groups", {"AutoScalingGroups": []}, BY_NAME)

    with pytest.raises(GroupGoneError, match="there is no Auto Scaling group named 'etcd'"):
        aws.group.read(())


def test_a_throttled_read_is_told_with_call_and_code(aws: Aws) -> None:
    aws.autoscaling.add_client_error("describe_auto_scaling_groups", "Throttling", "Rate exceeded")

    with pytest.raises(AwsError) as raised:
        aws.group.read(())

    assert str(raised.value) == "DescribeAutoScalingGroups for etcd failed: Throttling: Rate exceeded"
    assert isinstance(raised.value.__cause__, ClientError)


@pytest.mark.parametrize("code", ["RequestLimitExceeded", "UnauthorizedOperation", "InternalError"])
def test_there_is_no_partial_answer_where_only_ec2_fails(aws: Aws, code: str) -> None:
    aws.autoscaling.add_response("describe_auto_scaling_groups", asg(asg_instance(A)), BY_NAME)
    aws.ec2.add_client_error("describe_instances", code, "no")

    with pytest.raises(AwsError, match=rf"^DescribeInstances for i-0a failed: {code}: no$"):
        aws.group.read(())


def test_an_answer_that_never_came_is_told_with_call_and_kind() -> None:
    autoscaling = SESSION.client("autoscaling", config=Config(retries={"total_max_attempts": 1}))

    def time_out(**_: object) -> None:
        raise ConnectTimeoutError(endpoint_url="https://autoscaling.example")

    autoscaling.meta.events.register("before-send.autoscaling.*", time_out)
    group = AutoScalingInstanceGroup(autoscaling=autoscaling, ec2=EC2, name="etcd", hook_names={})

    with pytest.raises(AwsError, match=r"^DescribeAutoScalingGroups for etcd failed: ConnectTimeoutError: "):
        group.read(())


@pytest.mark.parametrize(
    ("transition", "hook"), [(Transition.LAUNCHING, "etcd-launch"), (Transition.TERMINATING, "etcd-terminate")]
)
@pytest.mark.parametrize("result", Result)
def test_a_lifecycle_action_is_completed_by_hook_and_instance(
    aws: Aws, transition: Transition, hook: str, result: Result
) -> None:
    expected = {
        "AutoScalingGroupName": "etcd",
        "LifecycleHookName": hook,
        "InstanceId": A,
        "LifecycleActionResult": result.value,
    }
    aws.autoscaling.add_response("complete_lifecycle_action", {}, expected)

    aws.group.complete(A, transition, result)


def test_a_heartbeat_names_hook_and_instance(aws: Aws) -> None:
    expected = {"AutoScalingGroupName": "etcd", "LifecycleHookName": "etcd-terminate", "InstanceId": A}
    aws.autoscaling.add_response("record_lifecycle_action_heartbeat", {}, expected)

    aws.group.heartbeat(A, Transition.TERMINATING)


def test_completing_an_action_that_is_no_longer_active_is_success(aws: Aws) -> None:
    aws.autoscaling.add_client_error("complete_lifecycle_action", "ValidationError", NONE_ACTIVE)

    aws.group.complete(A, Transition.LAUNCHING, Result.CONTINUE)


def test_a_heartbeat_for_an_action_that_is_no_longer_active_is_success(aws: Aws) -> None:
    aws.autoscaling.add_client_error("record_lifecycle_action_heartbeat", "ValidationError", NONE_ACTIVE)

    aws.group.heartbeat(A, Transition.LAUNCHING)


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("ValidationError", "AutoScalingGroup name not found - AutoScalingGroup 'etcd' not found"),
        ("ResourceContention", NONE_ACTIVE),
        ("Throttling", "Rate exceeded"),
    ],
)
def test_any_other_answer_to_a_completion_is_an_error(aws: Aws, code: str, message: str) -> None:
    aws.autoscaling.add_client_error("complete_lifecycle_action", code, message)

    with pytest.raises(AwsError, match=rf"^CompleteLifecycleAction for i-0a failed: {code}: "):
        aws.group.complete(A, Transition.LAUNCHING, Result.CONTINUE)


def test_an_instance_is_marked_unhealthy_whatever_its_grace_period(aws: Aws) -> None:
    expected = {"InstanceId": A, "HealthStatus": "Unhealthy", "ShouldRespectGracePeriod": False}
    aws.autoscaling.add_response("set_instance_health", {}, expected)

    aws.group.mark_unhealthy(A)


def test_marking_an_instance_unhealthy_that_is_gone_is_success(aws: Aws) -> None:
    message = "Instance Id not found - No managed instance found for instance ID: i-0a"
    aws.autoscaling.add_client_error("set_instance_health", "ValidationError", message)

    aws.group.mark_unhealthy(A)


def test_any_other_answer_to_marking_an_instance_unhealthy_is_an_error(aws: Aws) -> None:
    aws.autoscaling.add_client_error("set_instance_health", "AccessDenied", "not authorized")

    with pytest.raises(AwsError, match=r"^SetInstanceHealth for i-0a failed: AccessDenied: not authorized$"):
        aws.group.mark_unhealthy(A)


@pytest.mark.parametrize(
    ("instance_status", "system_status", "passes"),
    [("ok", "ok", True), ("initializing", "ok", False), ("ok", "impaired", False)],
)
def test_status_checks_pass_when_both_do(
    aws: Aws,
    instance_status: str,
    system_status: str,
    passes: bool,  # noqa: FBT001
) -> None:
    status = {
        "InstanceId": A,
        "InstanceStatus": {"Status": instance_status},
        "SystemStatus": {"Status": system_status},
    }
    aws.ec2.add_response("describe_instance_status", {"InstanceStatuses": [status]}, {"InstanceIds": [A]})

    assert aws.group.passes_status_checks(A) is passes


def test_status_checks_of_an_instance_that_does_not_run_do_not_pass(aws: Aws) -> None:
    aws.ec2.add_response("describe_instance_status", {"InstanceStatuses": []}, {"InstanceIds": [A]})

    assert not aws.group.passes_status_checks(A)


def test_status_checks_of_an_instance_that_ec2_does_not_know_do_not_pass(aws: Aws) -> None:
    aws.ec2.add_client_error("describe_instance_status", "InvalidInstanceID.NotFound", "no such instance")

    assert not aws.group.passes_status_checks(A)
