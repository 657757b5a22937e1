"""Guard and rollout: what they are told, what they may do, and what comes before and after them."""

import dataclasses
import importlib
import inspect
from typing import Any

import pytest

from etcd_aws_cluster.deployment import deployed, handler
from etcd_aws_cluster.deployment.handler import RESERVE_S
from etcd_aws_cluster.deployment.rollout import END_WAIT_S
from infra.controller import HANDLER as CONTROLLER
from infra.deployed import TAG, deployed_as
from infra.deployment import GUARD, HANDLER, ROLLOUT
from infra.settings import Settings, declared_settings
from infra.settings.rules import SettingsError
from tests.infra.stacks import HTTP, function, needed_by, of_type, only, synthesize, text
from tests.infra.test_infra_members import GROUP, LAUNCH_TEMPLATE, allowed_to, launch_data, role_of_function

Template = dict[str, Any]
TLS = {
    "etcd:etcd_client_scheme": "https",
    "etcd:etcd_peer_scheme": "https",
    "etcd:tls_transition": "true",
    "etcd:ca_signing": "2",
    "etcd:ca_trusted": "1,2",
}


def test_the_handler_is_a_function_of_the_bundle() -> None:
    module, _, name = HANDLER.rpartition(".")
    assert list(inspect.signature(getattr(importlib.import_module(module), name)).parameters) == ["event", "context"]


def test_app_and_function_have_the_same_words() -> None:
    assert (GUARD, ROLLOUT, TAG) == (handler.GUARD, handler.ROLLOUT, deployed.TAG)


@pytest.mark.parametrize(
    ("context", "peers"),
    [
        ({}, "checked"),
        (TLS, "checked"),
        ({"etcd:peer_cn_check": "false"}, "named"),
        ({"etcd:pki": "own", "etcd:controller_tls_source": "ssm:/tls"}, ""),
        ({"etcd:etcd_client_port": "4001"}, "checked"),
    ],
)
def test_the_function_reads_what_the_app_writes(context: dict[str, str], peers: str) -> None:
    settings = Settings.from_context(context)
    read = deployed.Deployed.from_text(deployed_as(settings))
    assert ".".join(map(str, read.version)) == settings.etcd.etcd_version
    assert read.schemes == (settings.etcd.etcd_client_scheme, settings.etcd.etcd_peer_scheme)
    assert (read.client_port, read.peer_port) == (settings.etcd.etcd_client_port, settings.etcd.etcd_server_port)
    assert (read.transition, read.uses_tls) == (settings.tls.tls_transition, settings.uses_tls)
    assert (read.pki, read.signs) == (settings.tls.pki, settings.tls.ca_signing)
    assert read.trusts == set(settings.tls.trusted_generations)
    assert read.peers == peers


def test_the_guard_is_told_what_each_instance_has_as_its_tag(template: Template) -> None:
    told = only(template, GUARD)["Deployed"]
    (tags,) = (s["Tags"] for s in launch_data(template)["TagSpecifications"] if s["ResourceType"] == "instance")
    assert tags == [{"Key": TAG, "Value": told}]
    assert told == deployed_as(Settings.from_context(HTTP))


def test_a_refusal_comes_before_anything_that_members_or_controller_would_notice(template: Template) -> None:
    ((guard, _),) = of_type(template, GUARD).items()
    ((group, _),) = of_type(template, GROUP).items()
    ((launch_template, _),) = of_type(template, LAUNCH_TEMPLATE).items()
    (controller,) = (
        name
        for name, f in of_type(template, "AWS::Lambda::Function").items()
        if f["Properties"]["Handler"] == CONTROLLER
    )
    for changed in (group, launch_template, controller):
        assert guard in needed_by(template, changed)
        assert changed not in needed_by(template, guard)


def test_the_rollout_comes_last_for_nothing_after_it_may_fail(template: Template) -> None:
    ((rollout, _),) = of_type(template, ROLLOUT).items()
    dashboards = set(of_type(template, "AWS::CDK::Metadata"))
    assert needed_by(template, rollout) >= template["Resources"].keys() - {rollout} - dashboards


def test_the_rollout_is_asked_when_the_launch_template_changes_and_is_waited_for_an_hour(template: Template) -> None:
    rollout, group = only(template, ROLLOUT), only(template, GROUP)
    assert rollout["LaunchTemplateId"] == group["LaunchTemplate"]["LaunchTemplateId"]
    assert rollout["LaunchTemplateVersion"] == group["LaunchTemplate"]["Version"]
    assert rollout["ServiceTimeout"] == "3600"
    assert (rollout["Mode"], rollout["TimeoutMinutes"]) == ("automatic", 50)
    other = only(synthesize({"etcd:rollout": "manual", "etcd:rollout_timeout_min": "40"}), ROLLOUT)
    assert (other["Mode"], other["TimeoutMinutes"]) == ("manual", 40)


def test_a_rollout_whose_time_is_up_answers_before_cloudformation_gives_it_up() -> None:
    (longest,) = (f.metadata["rule"].maximum for _, f in declared_settings() if f.name == "rollout_timeout_min")
    assert 60 * longest + END_WAIT_S + RESERVE_S < 3600
    with pytest.raises(SettingsError, match="rollout_timeout_min: got '55', expected a whole number from 5 to 50"):
        Settings.from_context({"etcd:rollout_timeout_min": "55"})


def test_a_limit_that_ends_before_a_failed_launch_is_seen_is_refused() -> None:
    with pytest.raises(SettingsError, match="rollout_timeout_min: got 30, expected more minutes than etcd:launch_hook"):
        Settings.from_context({"etcd:rollout_timeout_min": "30"})
    Settings.from_context({"etcd:rollout_timeout_min": "30", "etcd:rollout": "manual"})


def test_it_reaches_members_as_the_controller_does_and_is_told_the_same(template: Template) -> None:
    mine, controllers = function(template, HANDLER), function(template, CONTROLLER)
    assert mine["VpcConfig"] == controllers["VpcConfig"]
    assert mine["Timeout"] == 900
    assert mine["Environment"]["Variables"].items() >= controllers["Environment"]["Variables"].items()


def test_it_may_do_what_it_does_and_no_more(template: Template) -> None:
    (name,) = (
        name for name, f in of_type(template, "AWS::Lambda::Function").items() if f["Properties"]["Handler"] == HANDLER
    )
    log = function(template, HANDLER)["LoggingConfig"]["LogGroup"]["Ref"]
    parameters = "arn:aws:ssm:eu-west-1:111122223333:parameter/etcd-aws-cluster/etcd"
    assert allowed_to(template, role_of_function(template, HANDLER)) == {
        "*": {
            "autoscaling:DescribeAutoScalingGroups",
            "autoscaling:DescribeInstanceRefreshes",
            "autoscaling:DescribeScalingActivities",
            "autoscaling:DescribeWarmPool",
            "ec2:DescribeInstances",
            "ec2:DescribeLaunchTemplateVersions",
            "ec2:DescribeNetworkInterfaces",
            "ec2:DescribeSubnets",
        },
        "arn:aws:ec2:eu-west-1:111122223333:*/*": {
            "ec2:AssignPrivateIpAddresses",
            "ec2:CreateNetworkInterface",
            "ec2:DeleteNetworkInterface",
            "ec2:UnassignPrivateIpAddresses",
        },
        "arn:aws:autoscaling:eu-west-1:111122223333:autoScalingGroup:*:autoScalingGroupName/etcd": {
            "autoscaling:CancelInstanceRefresh",
            "autoscaling:SetInstanceProtection",
            "autoscaling:StartInstanceRefresh",
        },
        f"{parameters}/record": {"ssm:GetParameters"},
        f"{parameters}/initial-cluster": {"ssm:GetParameters"},
        f"<{log}.Arn>": {"logs:CreateLogStream", "logs:PutLogEvents"},
        f"<{name}.Arn>": {"lambda:InvokeFunction"},
    }


def test_every_setting_that_members_must_agree_on_is_told() -> None:
    settings = Settings()
    for etcd in (
        dataclasses.replace(settings.etcd, etcd_version="3.5.99"),
        dataclasses.replace(settings.etcd, etcd_client_scheme="http"),
        dataclasses.replace(settings.etcd, etcd_server_port=7001),
    ):
        changed = dataclasses.replace(settings, etcd=etcd)
        assert deployed_as(changed) != deployed_as(settings)
    assert text(deployed_as(settings)).startswith("version=3.5.27 ")


def test_where_members_have_certificates_it_may_make_itself_one_but_no_ca() -> None:
    template = synthesize(TLS)
    (secret,) = of_type(template, "AWS::SecretsManager::Secret")
    may = allowed_to(template, role_of_function(template, HANDLER))
    assert may[f"<{secret}>"] == {"secretsmanager:GetSecretValue"}
    mine, controllers = function(template, HANDLER), function(template, CONTROLLER)
    assert mine["Environment"]["Variables"].items() >= controllers["Environment"]["Variables"].items()
    own = {"etcd:pki": "own", "etcd:controller_tls_source": "ssm:/tls/controller"}
    told = synthesize({**TLS, "etcd:ca_signing": "1", "etcd:ca_trusted": "", **own})
    may = allowed_to(told, role_of_function(told, HANDLER))
    assert may["arn:aws:ssm:eu-west-1:111122223333:parameter/tls/controller"] == {"ssm:GetParameter"}
