"""Attach mode: what is put beside a group that is there already, in which order, and what is refused at synth."""

from pathlib import Path
from typing import Any

import aws_cdk as cdk
import cdk_nag
import pytest
from aws_cdk import assertions

from infra.settings import Settings
from infra.settings.rules import SettingsError
from tests.infra.stacks import ATTACHED, ENDPOINTS, SOMEWHERE, lint, make_stack, needed_by, of_type, only, text

Template = dict[str, Any]
GIVEN = {key.removeprefix("etcd:"): value for key, value in ATTACHED.items() if key.startswith("etcd:")}
HOOK = "AWS::AutoScaling::LifecycleHook"


@pytest.fixture(scope="module")
def attached() -> Template:
    return dict(assertions.Template.from_stack(make_stack(ATTACHED, env=SOMEWHERE)).to_json())


def hooks(template: Template) -> dict[str, tuple[str, Template]]:
    """Logical id and properties by transition."""
    return {
        body["Properties"]["LifecycleTransition"].rpartition("_")[2]: (name, body["Properties"])
        for name, body in of_type(template, HOOK).items()
    }


def test_nothing_is_made_that_is_the_groups_owners(attached: Template) -> None:
    types = {body["Type"] for body in attached["Resources"].values()}
    assert not types & {
        "AWS::AutoScaling::AutoScalingGroup",
        "AWS::EC2::LaunchTemplate",
        "AWS::IAM::InstanceProfile",
        "AWS::EC2::VPC",
        "AWS::EC2::Subnet",
    }
    assert len(of_type(attached, "AWS::IAM::Role")) == 1  # the function's


def test_both_hooks_are_of_the_named_group_and_their_silence_is_no_consent(attached: Template) -> None:
    found = {transition: properties for transition, (_, properties) in hooks(attached).items()}
    assert found == {
        "LAUNCHING": {
            "AutoScalingGroupName": "legacy_etcd.prod",
            "LifecycleHookName": "etcd-launch",
            "LifecycleTransition": "autoscaling:EC2_INSTANCE_LAUNCHING",
            "DefaultResult": "ABANDON",
            "HeartbeatTimeout": 1800,
        },
        "TERMINATING": {
            "AutoScalingGroupName": "legacy_etcd.prod",
            "LifecycleHookName": "etcd-terminate",
            "LifecycleTransition": "autoscaling:EC2_INSTANCE_TERMINATING",
            "DefaultResult": "ABANDON",
            "HeartbeatTimeout": 3600,
        },
    }


def test_the_hooks_are_made_after_everything_that_answers_them_and_deleted_before_it(attached: Template) -> None:
    launch, terminate = hooks(attached)["LAUNCHING"][0], hooks(attached)["TERMINATING"][0]
    answering = {
        name
        for kind in (
            "AWS::Lambda::Function",
            "AWS::Lambda::EventSourceMapping",
            "AWS::SQS::Queue",
            "AWS::SQS::QueuePolicy",
            "AWS::Events::Rule",
            "AWS::IAM::Policy",
            "AWS::EC2::SecurityGroupIngress",
            "AWS::EC2::SecurityGroup",
        )
        for name in of_type(attached, kind)
    }
    assert answering <= needed_by(attached, launch)
    assert answering | {launch} <= needed_by(attached, terminate)


def test_alarms_are_made_when_there_is_something_to_hear_and_the_hooks_do_not_wait_for_them(attached: Template) -> None:
    sources = {*of_type(attached, "AWS::Events::Rule"), *of_type(attached, "AWS::Lambda::EventSourceMapping")}
    for alarm in of_type(attached, "AWS::CloudWatch::Alarm"):
        assert sources <= needed_by(attached, alarm)
        assert not needed_by(attached, alarm) & set(of_type(attached, HOOK))


def test_the_members_group_lets_the_controller_in_on_the_client_port_and_nobody_else(attached: Template) -> None:
    rule = only(attached, "AWS::EC2::SecurityGroupIngress")
    assert (rule["GroupId"], rule["FromPort"], rule["ToPort"]) == ("sg-0123456789abcdef0", 2379, 2379)
    (controller,) = of_type(attached, "AWS::EC2::SecurityGroup")
    assert text(rule["SourceSecurityGroupId"]) == f"<{controller}.GroupId>"
    assert "ClientSecurityGroupId" not in attached["Outputs"]


def test_a_client_group_is_made_and_let_in_only_if_asked_for() -> None:
    stack = make_stack(
        {**ATTACHED, "etcd:make_client_security_group": "true", "etcd:etcd_client_port": 4001}, env=SOMEWHERE
    )
    template = assertions.Template.from_stack(stack).to_json()
    rules = [body["Properties"] for body in of_type(template, "AWS::EC2::SecurityGroupIngress").values()]
    assert {(rule["GroupId"], rule["FromPort"]) for rule in rules} == {("sg-0123456789abcdef0", 4001)}
    assert len({text(rule["SourceSecurityGroupId"]) for rule in rules}) == 2
    assert "ClientSecurityGroupId" in template["Outputs"]


def test_queue_events_parameters_and_permissions_are_of_the_groups_name(attached: Template) -> None:
    variables = only(attached, "AWS::Lambda::Function")["Environment"]["Variables"]
    assert variables["CLUSTER_NAME"] == "legacy_etcd.prod"
    assert variables["PARAMETER_PREFIX"] == "/etcd-aws-cluster/legacy_etcd.prod"
    assert variables["GROUP_IS_ATTACHED"] == "true"
    patterns = [
        rule["Properties"]["EventPattern"]["detail"]["AutoScalingGroupName"]
        for rule in of_type(attached, "AWS::Events::Rule").values()
        if "EventPattern" in rule["Properties"]
    ]
    assert patterns == [["legacy_etcd.prod"]]
    resources = [
        text(part)
        for policy in of_type(attached, "AWS::IAM::Policy").values()
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
        for part in (statement["Resource"] if isinstance(statement["Resource"], list) else [statement["Resource"]])
    ]
    group = "arn:aws:autoscaling:eu-west-1:111122223333:autoScalingGroup:*:autoScalingGroupName/legacy_etcd.prod"
    assert group in resources


def test_the_agents_address_is_told_for_the_owners_own_launch_template(attached: Template) -> None:
    assert text(attached["Outputs"]["AgentUrl"]["Value"]).endswith(".pyz")


def test_without_internet_no_archive_is_asked_for_since_no_host_is_made() -> None:
    settings = Settings.from_context({**ATTACHED, "etcd:egress": ENDPOINTS["etcd:egress"]})
    assert settings.network.egress == "endpoints"


def test_cdk_nag_has_nothing_left_to_say() -> None:
    app = make_stack({**ATTACHED, "etcd:make_client_security_group": True}, env=SOMEWHERE).node.root
    assert isinstance(app, cdk.App)
    cdk.Validations.of(app).add_plugins(cdk_nag.AwsSolutionsChecks(app))
    assert app.synth().stacks


def test_cfn_lint_finds_nothing(attached: Template, tmp_path: Path) -> None:
    lint(attached, tmp_path)


def refusal(**given: object) -> list[str]:
    with pytest.raises(SettingsError) as refused:
        Settings.from_context({f"etcd:{key}": value for key, value in given.items()})
    return str(refused.value).splitlines()


def attached_with(**given: object) -> list[str]:
    plain = {key.removeprefix("etcd:"): value for key, value in ATTACHED.items() if key.startswith("etcd:")}
    return refusal(**plain, **given)


def test_a_zone_of_the_stack_is_refused_for_the_groups_names_would_keep_it_from_being_deleted() -> None:
    (line,) = attached_with(dns_zone_name="example.internal")
    assert line.startswith("etcd:dns_zone_id: got nothing, expected the id of a private zone")


def test_certificates_of_the_controller_are_refused_for_it_cannot_know_whose_a_request_is() -> None:
    (line,) = attached_with(tls_transition=True)
    assert line.startswith("etcd:pki: got automatic with https, expected own, or http")


def test_what_attach_needs_is_asked_for() -> None:
    wanted = {
        "cluster_name": "the name of the group",
        "vpc_id": "the VPC of the group's instances",
        "members_security_group_id": "the security group of the group's instances",
    }
    assert refusal(attach=True, etcd_client_scheme="http", etcd_peer_scheme="http") == [
        f"etcd:{key}: got nothing, expected {expected}, for etcd:attach is true" for key, expected in wanted.items()
    ]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("size", 3),
        ("instance_type", "m7g.large"),
        ("ami_id", "ami-01234567"),
        ("volume_gib", 30),
        ("agent_deadline_s", 60),
        ("etcd_version", "3.5.21"),
        ("etcd_url", "s3://archives/etcd.tar.gz"),
        ("vpc_cidr", "10.0.0.0/16"),
    ],
)
def test_a_setting_without_effect_there_is_refused_rather_than_ignored(key: str, value: object) -> None:
    (line,) = refusal(**GIVEN, **{key: value})
    assert line.startswith(f"etcd:{key}: got {value!r}, expected nothing, for ")


@pytest.mark.parametrize("name", ["a/b", "my group", "gr\u00fcn", "-etcd", ".etcd", "x" * 101])
def test_a_group_name_that_parameters_or_queue_cannot_carry_is_refused(name: str) -> None:
    (line,) = refusal(**{**GIVEN, "cluster_name": name})
    assert line.startswith(f"etcd:cluster_name: got {name!r}, expected ")


@pytest.mark.parametrize(
    ("key", "value"), [("members_security_group_id", "sg-01234567"), ("make_client_security_group", True)]
)
def test_its_settings_are_refused_without_it(key: str, value: object) -> None:
    assert refusal(**{key: value}) == [f"etcd:{key}: got {value!r}, expected nothing without etcd:attach"]
