"""The controller, its queue and its events."""

import dataclasses
import importlib
import inspect
from typing import Any

import pytest

from etcd_aws_cluster.settings import Settings as FunctionSettings
from infra.controller import HANDLER
from infra.controller_environment import controller_environment
from infra.deployment import HANDLER as DEPLOYMENT_HANDLER
from infra.settings import Settings, declared_settings
from infra.settings.etcd import EtcdSettings
from infra.settings.rules import Whole
from infra.settings.timing import TimingSettings
from tests.infra.stacks import HTTP, function, of_type, only, synthesize, text
from tests.infra.test_infra_members import allowed_to, role_of_function

Template = dict[str, Any]
URL = "https://sqs.eu-west-1.amazonaws.com/111122223333/dead.fifo"


def queues(template: Template) -> tuple[str, str]:
    """Logical ids of the queue and of its dead-letter queue."""
    found = of_type(template, "AWS::SQS::Queue")
    (main,) = (name for name, queue in found.items() if "RedrivePolicy" in queue["Properties"])
    (dead,) = found.keys() - {main}
    return main, dead


def test_the_handler_is_a_function_of_the_bundle() -> None:
    module, _, name = HANDLER.rpartition(".")
    assert list(inspect.signature(getattr(importlib.import_module(module), name)).parameters) == ["event", "context"]


def test_the_environment_is_exactly_what_was_agreed(template: Template) -> None:
    variables = function(template, HANDLER)["Environment"]["Variables"]
    assert {name: text(value) for name, value in variables.items()} == {
        "CLUSTER_NAME": "etcd",
        "PARAMETER_PREFIX": "/etcd-aws-cluster/etcd",
        "LAUNCH_HOOK_NAME": "etcd-launch",
        "TERMINATE_HOOK_NAME": "etcd-terminate",
        "DEAD_LETTER_QUEUE_URL": f"<{queues(template)[1]}>",
        "ETCD_CLIENT_SCHEME": "http",
        "ETCD_PEER_SCHEME": "http",
        "ETCD_CLIENT_PORT": "2379",
        "ETCD_SERVER_PORT": "2380",
        "ETCD_QUOTA_BACKEND_BYTES": "2147483648",
        "ETCD_PKI": "off",
        "GATHER_WINDOW_S": "300",
        "FORMATION_TIMEOUT_S": "600",
        "JOIN_TIMEOUT_S": "900",
        "REPLACEMENT_WAIT_S": "600",
        "UNRESPONSIVE_GRACE_S": "120",
        "ETCD_CONNECT_TIMEOUT_S": "1",
        "ETCD_READ_TIMEOUT_S": "2",
        "ETCD_POLL_INTERVAL_MS": "100",
        "AWS_POLL_INTERVAL_S": "2",
        "RUN_RESERVE_S": "10",
        "POWERTOOLS_SERVICE_NAME": "etcd-aws-cluster",
        "POWERTOOLS_METRICS_NAMESPACE": "EtcdAwsCluster",
        "POWERTOOLS_LOG_LEVEL": "INFO",
    }


def test_the_function_reads_the_defaults_as_they_are_meant() -> None:
    settings = FunctionSettings.from_environ(controller_environment(Settings.from_context(HTTP), URL))
    assert settings.policy.join_timeout.total_seconds() == 900
    assert settings.etcd_poll_interval.total_seconds() == 0.1


@pytest.mark.parametrize("bound", ["minimum", "maximum"])
@pytest.mark.parametrize(
    ("group", "name"),
    [
        (group, field.name)
        for group, owner in (("etcd", EtcdSettings), ("timing", TimingSettings))
        for field in dataclasses.fields(owner)
        if isinstance(field.metadata["rule"], Whole)
    ],
)
def test_the_function_takes_every_number_that_the_app_lets_through(group: str, name: str, bound: str) -> None:
    (rule,) = (field.metadata["rule"] for _, field in declared_settings() if field.name == name)
    settings = Settings.from_context(HTTP)
    changed = dataclasses.replace(getattr(settings, group), **{name: getattr(rule, bound)})
    environment = controller_environment(dataclasses.replace(settings, **{group: changed}), URL)
    assert FunctionSettings.from_environ(environment).cluster_name == "etcd"


def test_one_run_at_a_time_in_the_vpc_traced_and_bounded(template: Template) -> None:
    found = function(template, HANDLER)
    assert found["ReservedConcurrentExecutions"] == 1
    assert found["Timeout"] == 60
    assert found["MemorySize"] == 256
    assert found["TracingConfig"] == {"Mode": "Active"}
    assert len(found["VpcConfig"]["SubnetIds"]) == 3
    for log in of_type(template, "AWS::Logs::LogGroup").values():
        assert log["Properties"]["RetentionInDays"] == 90


def test_an_account_without_room_may_do_without_the_reservation() -> None:
    found = function(synthesize({"etcd:reserve_concurrency": "false"}), HANDLER)
    assert "ReservedConcurrentExecutions" not in found


def test_both_queues_are_fifo_encrypted_and_refuse_plain_http(template: Template) -> None:
    for queue in of_type(template, "AWS::SQS::Queue").values():
        assert queue["Properties"]["FifoQueue"] is True
        assert queue["Properties"]["ContentBasedDeduplication"] is True
        assert queue["Properties"]["SqsManagedSseEnabled"] is True
    policies = of_type(template, "AWS::SQS::QueuePolicy").values()
    denied = [
        statement["Resource"]["Fn::GetAtt"][0]
        for policy in policies
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
        if statement["Effect"] == "Deny" and statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    ]
    assert sorted(denied) == sorted(queues(template))


def test_a_message_outlives_its_run_and_is_given_up_after_five_tries(template: Template) -> None:
    main, dead = queues(template)
    queue = template["Resources"][main]["Properties"]
    assert queue["VisibilityTimeout"] == 90
    assert queue["VisibilityTimeout"] >= function(template, HANDLER)["Timeout"]
    assert queue["RedrivePolicy"] == {"deadLetterTargetArn": {"Fn::GetAtt": [dead, "Arn"]}, "maxReceiveCount": 5}


def test_the_function_takes_ten_messages_and_reports_each(template: Template) -> None:
    mapping = only(template, "AWS::Lambda::EventSourceMapping")
    assert mapping["BatchSize"] == 10
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert mapping["EventSourceArn"] == {"Fn::GetAtt": [queues(template)[0], "Arn"]}
    assert "MaximumBatchingWindowInSeconds" not in mapping


def test_the_groups_own_lifecycle_actions_and_a_tick_go_to_one_message_group(template: Template) -> None:
    rules = {
        rule["Properties"].get("ScheduleExpression"): rule for rule in of_type(template, "AWS::Events::Rule").values()
    }
    assert rules.keys() == {None, "rate(1 minute)"}
    assert rules[None]["Properties"]["EventPattern"] == {
        "source": ["aws.autoscaling"],
        "detail-type": ["EC2 Instance-launch Lifecycle Action", "EC2 Instance-terminate Lifecycle Action"],
        "detail": {"AutoScalingGroupName": ["etcd"]},
    }
    for rule in rules.values():
        (target,) = rule["Properties"]["Targets"]
        assert target["Arn"] == {"Fn::GetAtt": [queues(template)[0], "Arn"]}
        assert target["SqsParameters"] == {"MessageGroupId": "etcd"}


def test_only_these_rules_may_send_to_the_queue(template: Template) -> None:
    allows = [
        statement
        for policy in of_type(template, "AWS::SQS::QueuePolicy").values()
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
        if statement["Effect"] == "Allow"
    ]
    assert all(statement["Principal"] == {"Service": "events.amazonaws.com"} for statement in allows)
    sources = {text(statement["Condition"]["ArnEquals"]["aws:SourceArn"]) for statement in allows}
    assert sources == {f"<{rule}.Arn>" for rule in of_type(template, "AWS::Events::Rule")}


def test_the_function_may_do_what_it_does_and_no_more(template: Template) -> None:
    main, dead = queues(template)
    log = function(template, HANDLER)["LoggingConfig"]["LogGroup"]["Ref"]
    assert allowed_to(template, role_of_function(template, HANDLER)) == {
        "*": {
            "autoscaling:DescribeAutoScalingGroups",
            "autoscaling:DescribeWarmPool",
            "ec2:DescribeInstanceStatus",
            "ec2:DescribeInstances",
            "ec2:DescribeNetworkInterfaces",
            "ec2:DescribeSubnets",
            "xray:PutTelemetryRecords",
            "xray:PutTraceSegments",
        },
        "arn:aws:autoscaling:eu-west-1:111122223333:autoScalingGroup:*:autoScalingGroupName/etcd": {
            "autoscaling:CompleteLifecycleAction",
            "autoscaling:RecordLifecycleActionHeartbeat",
            "autoscaling:SetInstanceHealth",
        },
        "arn:aws:ssm:eu-west-1:111122223333:parameter/etcd-aws-cluster/etcd/*": {
            "ssm:GetParameters",
            "ssm:PutParameter",
        },
        f"<{dead}.Arn>": {"sqs:SendMessage"},
        "arn:aws:ec2:eu-west-1:111122223333:*/*": {
            "ec2:AssignPrivateIpAddresses",
            "ec2:CreateNetworkInterface",
            "ec2:DeleteNetworkInterface",
            "ec2:UnassignPrivateIpAddresses",
        },
        f"<{main}.Arn>": {"sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"},
        f"<{log}.Arn>": {"logs:CreateLogStream", "logs:PutLogEvents"},
    }


@pytest.mark.parametrize("handler", [HANDLER, DEPLOYMENT_HANDLER])
def test_what_lambda_needs_the_role_for_is_denied_to_the_functions_own_code(template: Template, handler: str) -> None:
    role = role_of_function(template, handler)
    (statement,) = (
        statement
        for policy in of_type(template, "AWS::IAM::Policy").values()
        if {"Ref": role} in policy["Properties"]["Roles"]
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
        if statement["Effect"] == "Deny"
    )
    source = statement["Condition"]["ArnEquals"]["lambda:SourceFunctionArn"]["Fn::GetAtt"][0]
    assert template["Resources"][source]["Properties"]["Handler"] == handler
    granted = {action for actions in allowed_to(template, role).values() for action in actions}
    assert set(statement["Action"]) == {
        action for action in granted if "NetworkInterface" in action or "PrivateIp" in action or "Subnet" in action
    }


def test_another_cluster_name_is_used_everywhere() -> None:
    template = synthesize({"etcd:cluster_name": "orders"})
    assert function(template, HANDLER)["Environment"]["Variables"]["CLUSTER_NAME"] == "orders"
    assert not any(
        "autoScalingGroupName/etcd" in resource
        for resource in allowed_to(template, role_of_function(template, HANDLER))
    )
    outputs = {name: text(output["Value"]) for name, output in template["Outputs"].items()}
    assert outputs["ClusterName"] == "orders"
    assert outputs["RecordParameter"] == "/etcd-aws-cluster/orders/record"
    assert outputs["InitialClusterParameter"] == "/etcd-aws-cluster/orders/initial-cluster"
    assert outputs.keys() >= {"ClientSecurityGroupId", "QueueUrl", "DeadLetterQueueUrl", "FunctionName"}
