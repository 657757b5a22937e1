"""The launched local AWS, over boto3."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from lab import Lab
from lab.control import ControlError
from lab.paths import LabError
from tests.lab.conftest import SETTLE_S, SOON
from tests.lab.played import LAUNCH_HOOK, TERMINATE_HOOK

TEMPLATE = {
    "Resources": {
        "Vpc": {"Type": "AWS::EC2::VPC", "Properties": {"CidrBlock": {"Ref": "Cidr"}}},
        "Subnet": {
            "Type": "AWS::EC2::Subnet",
            "Properties": {
                "VpcId": {"Ref": "Vpc"},
                "CidrBlock": {"Fn::Select": [0, {"Fn::Cidr": [{"Fn::GetAtt": ["Vpc", "CidrBlock"]}, 2, 8]}]},
                "AvailabilityZone": "us-east-1a",
            },
        },
        "Firewall": {
            "Type": "AWS::EC2::SecurityGroup",
            "Properties": {"GroupDescription": "members", "VpcId": {"Ref": "Vpc"}},
        },
        "Peers": {
            "Type": "AWS::EC2::SecurityGroupIngress",
            "Properties": {
                "GroupId": {"Fn::GetAtt": ["Firewall", "GroupId"]},
                "SourceSecurityGroupId": {"Fn::GetAtt": ["Firewall", "GroupId"]},
                "IpProtocol": "tcp",
                "FromPort": 2380,
                "ToPort": 2380,
            },
        },
        "Template": {
            "Type": "AWS::EC2::LaunchTemplate",
            "Properties": {
                "LaunchTemplateData": {
                    "ImageId": {"Ref": "Image"},
                    "InstanceType": "t4g.micro",
                    "UserData": {"Fn::Base64": "#!/bin/bash\n"},
                    "NetworkInterfaces": [{"DeviceIndex": 0, "Groups": [{"Fn::GetAtt": ["Firewall", "GroupId"]}]}],
                }
            },
        },
        "Group": {
            "Type": "AWS::AutoScaling::AutoScalingGroup",
            "Properties": {
                "AutoScalingGroupName": "etcd",
                "MinSize": "1",
                "MaxSize": "1",
                "VPCZoneIdentifier": [{"Ref": "Subnet"}],
                "LaunchTemplate": {
                    "LaunchTemplateId": {"Ref": "Template"},
                    "Version": {"Fn::GetAtt": ["Template", "LatestVersionNumber"]},
                },
                "LifecycleHookSpecificationList": [LAUNCH_HOOK, TERMINATE_HOOK],
                "InstanceLifecyclePolicy": {"RetentionTriggers": {"TerminateHookAbandon": "retain"}},
                "Tags": [{"Key": "Name", "Value": "etcd", "PropagateAtLaunch": True}],
            },
        },
    },
    "Parameters": {
        "Cidr": {"Type": "String"},
        "Image": {
            "Type": "AWS::SSM::Parameter::Value<AWS::EC2::Image::Id>",
            "Default": "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-6.1-arm64",
        },
    },
}
LAUNCHES = {"source": ["aws.autoscaling"], "detail-type": ["EC2 Instance-launch Lifecycle Action"]}


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with Lab(tmp_path_factory.mktemp("lab")) as started:
        yield started


@pytest.fixture(scope="module")
def queue(lab: Lab) -> str:
    """A queue that gets the launch events."""
    sqs, events = lab.client("sqs"), lab.client("events")
    url = str(sqs.create_queue(QueueName="launches")["QueueUrl"])
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    events.put_rule(Name="launches", EventPattern=json.dumps(LAUNCHES))
    events.put_targets(Rule="launches", Targets=[{"Id": "1", "Arn": arn}])
    return url


@pytest.fixture
def group(lab: Lab, queue: str) -> Iterator[None]:
    """The group of the template with its one instance in Pending:Wait; destroyed with its stack at the end."""
    formation = lab.client("cloudformation")
    parameters = [{"ParameterKey": "Cidr", "ParameterValue": lab.state.cidr}]
    formation.create_stack(StackName="small", TemplateBody=json.dumps(TEMPLATE), Parameters=parameters)
    formation.get_waiter("stack_create_complete").wait(StackName="small", WaiterConfig=SOON)
    lab.wait_for(lambda: "Pending:Wait" in lab.instances().values(), SETTLE_S, "an instance in Pending:Wait")
    yield
    formation.delete_stack(StackName="small")

    def gone() -> bool:
        try:
            instances = lab.instances()
        except Exception:  # noqa: BLE001  # the group is gone
            return True
        for instance_id, state in instances.items():
            if state == "Terminating:Wait":
                complete(lab, instance_id, "etcd-terminate")
            elif state == "Terminating:Retained":
                lab.autoscaling.terminate_instance_in_auto_scaling_group(
                    InstanceId=instance_id, ShouldDecrementDesiredCapacity=False
                )
        return False

    lab.wait_for(gone, SETTLE_S, "the stack to be deleted")
    formation.get_waiter("stack_delete_complete").wait(StackName="small", WaiterConfig=SOON)


def complete(lab: Lab, instance_id: str, hook: str = "etcd-launch", result: str = "CONTINUE") -> None:
    """Complete an instance's lifecycle action."""
    lab.autoscaling.complete_lifecycle_action(
        AutoScalingGroupName="etcd",
        LifecycleHookName=hook,
        InstanceId=instance_id,
        LifecycleActionResult=result,
    )


def only(lab: Lab) -> str:
    """The id of the group's only instance."""
    (instance_id,) = lab.instances()
    return instance_id


@pytest.mark.usefixtures("group")
def test_the_group_of_a_template_holds_its_first_instance_at_the_hook_in_the_template(lab: Lab) -> None:
    shown = lab.group()
    assert [each["LifecycleState"] for each in shown["Instances"]] == ["Pending:Wait"]
    assert shown["InstanceLifecyclePolicy"] == {"RetentionTriggers": {"TerminateHookAbandon": "retain"}}


@pytest.mark.usefixtures("group")
def test_its_event_arrives_in_a_queue_as_aws_writes_it(lab: Lab, queue: str) -> None:
    instance_id = only(lab)

    def received() -> list[dict[str, Any]]:
        answer = lab.client("sqs").receive_message(QueueUrl=queue, MaxNumberOfMessages=10)
        events = [json.loads(message["Body"]) for message in answer.get("Messages", [])]
        return [event for event in events if event["detail"]["EC2InstanceId"] == instance_id]

    (event,) = lab.wait_for(received, SETTLE_S, "the event")
    members = {"version", "id", "detail-type", "source", "account", "time", "region", "resources", "detail"}
    assert (set(event), event["source"], event["account"]) == (members, "aws.autoscaling", "000000000000")
    assert event["resources"] == [lab.group()["AutoScalingGroupARN"]]


@pytest.mark.usefixtures("group")
def test_continue_brings_it_into_service_and_the_rest_is_refused_in_the_words_of_aws(lab: Lab) -> None:
    instance_id = only(lab)
    complete(lab, instance_id)
    lab.wait_in_service(1, SETTLE_S)
    with pytest.raises(ClientError) as refused:
        complete(lab, instance_id)
    assert refused.value.response["Error"]["Code"] == "ValidationError"
    assert refused.value.response["Error"]["Message"] == (
        f"No active Lifecycle Action found with instance ID {instance_id}"
    )


@pytest.mark.usefixtures("group")
def test_an_instance_has_an_address_of_its_subnet_one_interface_and_the_groups_tags(lab: Lab) -> None:
    (reservation,) = lab.client("ec2").describe_instances(InstanceIds=[only(lab)])["Reservations"]
    (instance,) = reservation["Instances"]
    network = lab.state.cidr.removesuffix("0.0/16")
    assert instance["PrivateIpAddress"].startswith(network)
    assert [each["PrivateIpAddress"] for each in instance["NetworkInterfaces"]] == [instance["PrivateIpAddress"]]
    assert {tag["Key"]: tag["Value"] for tag in instance["Tags"]} == {
        "Name": "etcd",
        "aws:autoscaling:groupName": "etcd",
    }
    assert "PublicIpAddress" not in instance


def test_instances_are_found_by_a_filter_of_their_ids_and_one_that_is_nobodys_is_left_out(lab: Lab) -> None:
    ec2 = lab.client("ec2")
    subnet = ec2.describe_subnets()["Subnets"][0]["SubnetId"]
    told = ec2.run_instances(ImageId="ami-1", InstanceType="t3.nano", MinCount=2, MaxCount=2, SubnetId=subnet)
    asked, other = (each["InstanceId"] for each in told["Instances"])
    found = ec2.describe_instances(Filters=[{"Name": "instance-id", "Values": [asked, "i-0123456789abcdef0"]}])
    assert [i["InstanceId"] for r in found["Reservations"] for i in r["Instances"]] == [asked]
    ec2.terminate_instances(InstanceIds=[asked, other])


@pytest.mark.usefixtures("group")
def test_a_host_without_power_is_found_unhealthy_and_replaced(lab: Lab) -> None:
    victim = only(lab)
    complete(lab, victim)
    lab.wait_in_service(1, SETTLE_S)
    lab.kill(victim, ec2="impaired")
    lab.wait_for(lambda: lab.instances().get(victim) == "Terminating:Wait", SETTLE_S, "the termination hook")
    lab.wait_for(lambda: "Pending:Wait" in lab.instances().values(), SETTLE_S, "the replacement")
    (status,) = lab.client("ec2").describe_instance_status(InstanceIds=[victim])["InstanceStatuses"]
    assert status["InstanceStatus"]["Status"] == "impaired"


@pytest.mark.usefixtures("group")
def test_a_terminated_instance_is_described_without_an_address(lab: Lab) -> None:
    victim = only(lab)
    lab.client("ec2").terminate_instances(InstanceIds=[victim])
    (reservation,) = lab.client("ec2").describe_instances(InstanceIds=[victim])["Reservations"]
    (instance,) = reservation["Instances"]
    assert (instance["State"]["Name"], instance.get("PrivateIpAddress")) == ("terminated", None)


@pytest.mark.usefixtures("group")
def test_an_expired_termination_is_retained(lab: Lab) -> None:
    instance_id = only(lab)
    complete(lab, instance_id)
    lab.wait_in_service(1, SETTLE_S)
    lab.autoscaling.set_instance_health(InstanceId=instance_id, HealthStatus="Unhealthy")
    lab.wait_for(lambda: lab.instances()[instance_id] == "Terminating:Wait", SETTLE_S, "the termination hook")
    lab.control.tell(f"/instances/{instance_id}/expire")
    lab.wait_for(
        lambda: lab.instances()[instance_id] == "Terminating:Retained", SETTLE_S, "the instance to be retained"
    )


@pytest.mark.usefixtures("group")
def test_a_failing_call_fails_as_often_as_told(lab: Lab) -> None:
    lab.control.tell("/faults", action="ssm:PutParameter", count=1, code="AccessDeniedException")
    ssm = lab.client("ssm")
    with pytest.raises(ClientError, match="AccessDeniedException"):
        ssm.put_parameter(Name="/lab/one", Value="1", Type="String")
    assert ssm.put_parameter(Name="/lab/one", Value="1", Type="String")["Version"] == 1


@pytest.mark.usefixtures("group")
def test_of_two_launched_instances_the_first_never_boots_if_told_so(lab: Lab) -> None:
    first = only(lab)
    lab.boot_never()
    lab.scale(2)
    lab.wait_for(lambda: list(lab.instances().values()).count("Pending:Wait") == 2, SETTLE_S, "the second instance")
    (second,) = set(lab.instances()) - {first}
    lab.scale(3)
    lab.wait_for(lambda: len(lab.instances()) == 3, SETTLE_S, "the third instance")
    (third,) = set(lab.instances()) - {first, second}

    def booted() -> set[str]:
        return {each["instance"] for each in lab.transitions() if each["to"] == "booted"}

    lab.wait_for(lambda: third in booted(), SETTLE_S, "the third host to boot")
    assert second not in booted()


@pytest.mark.parametrize("harm", ["cut_links", "fill_disk", "step_clock"])
def test_a_lab_without_what_a_fault_needs_refuses_it(lab: Lab, harm: str) -> None:
    assert not lab.can_fill_disks
    with pytest.raises(LabError, match=r"links=True|disks of their own|clock_steps=True"):
        getattr(lab, harm)([] if harm == "cut_links" else 1)


def test_the_control_refuses_what_it_does_not_know(lab: Lab) -> None:
    with pytest.raises(ControlError, match="launch_s"):
        lab.control.tell("/pace", speed=1)


def test_the_pip_environment_of_the_local_aws_has_nothing_that_the_function_has_to_bring(lab: Lab) -> None:
    from lab.paths import MINISTACK  # noqa: PLC0415

    installed = {path.name.split("-")[0] for path in MINISTACK.glob("lib/python3*/site-packages/*.dist-info")}
    assert not installed & {"aws_lambda_powertools", "requests", "aws_xray_sdk", "wrapt"}


def test_a_lab_that_is_down_has_left_no_process(tmp_path: Path) -> None:
    with Lab(tmp_path / "lab") as short:
        started = list(short.state.processes.values())
        assert all(each.is_alive for each in started)
    assert not any(each.is_alive for each in started)
