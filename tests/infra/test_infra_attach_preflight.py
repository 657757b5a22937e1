"""The look at a group before it is attached to: what is refused, what is only better otherwise, and how it is read."""

import base64
import dataclasses
import gzip
from typing import Any

import boto3
import pytest
from aws_cdk import App, Environment
from aws_cdk.assertions import Annotations, Match
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from infra.attach import __main__ as command
from infra.attach import at_synth
from infra.attach.facts import Facts, Hook, Record
from infra.attach.preflight import preflight, recommendations
from infra.attach.reader import read_facts
from infra.settings import Settings
from tests.infra.stacks import ATTACHED, SOMEWHERE, make_stack

ARN = "arn:aws:autoscaling:eu-west-1:111122223333:autoScalingGroup:uuid:autoScalingGroupName/legacy"
FINE = Facts(
    name="legacy",
    own_stack="etcd-aws-cluster-legacy",
    arn=ARN,
    desired=3,
    min_size=3,
    max_size=4,
    states={"i-1": "InService", "i-2": "InService", "i-3": "InService"},
    retains=True,
    user_data="cat > /etc/etcd-aws-cluster/agent.env",
    vpcs=frozenset({"vpc-1"}),
    security_groups={each: frozenset({"sg-1", "sg-2"}) for each in ("i-1", "i-2", "i-3")},
    template_groups=frozenset({"sg-1"}),
    wanted_vpc="vpc-1",
    wanted_group="sg-1",
    wanted_group_vpc="vpc-1",
)
OURS = (
    Hook(name="etcd-launch", transition="LAUNCHING", default_result="ABANDON"),
    Hook(name="etcd-terminate", transition="TERMINATING", default_result="ABANDON"),
)


def but(**other: Any) -> Facts:  # noqa: ANN401 - a fact may be anything
    return dataclasses.replace(FINE, **other)


def test_nothing_is_said_of_a_group_with_which_all_is_well() -> None:
    assert preflight(FINE) == []
    assert recommendations(FINE) == []


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"groups": 0}, "0 Auto Scaling groups"),
    ({"groups": 2}, "2 Auto Scaling groups"),
    ({"is_deleting": True}, "being deleted"),
    ({"stack": "etcd-aws-cluster-legacy"}, "would delete it, and every member with it"),
    ({"vpcs": frozenset({"vpc-2"})}, "etcd:vpc_id is vpc-1, but the group's subnets are in vpc-2"),
    ({"vpcs": frozenset({"vpc-1", "vpc-2"})}, "the group's subnets are in vpc-1, vpc-2"),
    ({"vpcs": frozenset()}, "no VPC that could be found"),
    ({"wanted_group_vpc": None}, "there is no such security group"),
    ({"counts_in": "vcpu"}, "its capacity is counted in vcpu, expected instances"),
    ({"wanted_group_vpc": "vpc-2"}, "sg-1, which is in vpc-2"),
    ({"security_groups": {"i-1": frozenset({"sg-1"}), "i-2": frozenset()}}, "i-2 not in the security group sg-1"),
    ({"desired": 10, "max_size": 11}, "10 instances are desired, expected at most 9"),
    ({"states": {"i-1": "Pending"}}, "i-1 Pending"),
    ({"states": {"i-1": "InService", "i-2": "Terminating:Wait"}}, "i-2 Terminating:Wait"),
    ({"refresh": "InProgress"}, "an instance refresh is under way (InProgress)"),
    ({"hooks": OURS[:1]}, "the hook etcd-launch is there"),
    ({"hooks": OURS[1:]}, "the hook etcd-terminate is there"),
    (
        {"hooks": (Hook(name="drain", transition="TERMINATING", default_result="ABANDON"),)},
        "the hook drain for terminating instances has the default result ABANDON",
    ),
    ({"record": Record(state="retired", group_arn=ARN)}, "record of an earlier cluster (retired"),
    ({"record": Record(state="existing", group_arn="another")}, "record of an earlier cluster (existing, of another)"),
    ({"record": Record(state="", group_arn="")}, "record of an earlier cluster (unreadable, of nobody)"),
]


@pytest.mark.parametrize(("fact", "said"), REFUSED)
def test_what_cannot_be_done_safely_is_refused_with_its_reason(fact: dict[str, Any], said: str) -> None:
    (line,) = preflight(but(**fact))
    assert said in line


@pytest.mark.parametrize("unsafe", ["security_groups", "wanted_group_vpc", "vpcs", "stack", "counts_in"])
def test_once_attached_what_would_hurt_now_is_still_refused(unsafe: str) -> None:
    fact = next(fact for fact, _ in REFUSED if unsafe in fact)
    assert len(preflight(but(**fact, is_attached=True, hooks=OURS))) == 1


@pytest.mark.parametrize("passing", ["states", "refresh", "hooks", "record", "desired"])
def test_once_attached_the_groups_own_life_is_no_reason_to_refuse(passing: str) -> None:
    fact = next(fact for fact, _ in REFUSED if passing in fact)
    assert preflight(but(is_attached=True, **fact)) == []


def test_a_record_that_the_controller_goes_on_with_is_no_reason_to_refuse() -> None:
    assert preflight(but(record=Record(state="existing", group_arn=ARN))) == []


def test_nothing_that_was_not_asked_for_is_held_against_the_group() -> None:
    asked_for_nothing = but(wanted_vpc="", wanted_group="", wanted_group_vpc=None)
    assert preflight(asked_for_nothing) == recommendations(asked_for_nothing) == []


@pytest.mark.parametrize(
    ("fact", "said"),
    [
        ({"desired": 0, "states": {}}, "no cluster to adopt"),
        ({"desired": 4, "max_size": 5}, "4 instances are desired, and 3 tolerate as many failures"),
        ({"max_size": 3}, "--max-size 4"),
        ({"replaces_first": True}, "no replacement in while one of three is silent"),
        ({"replaces_first": True}, "--instance-maintenance-policy MinHealthyPercentage=-1,MaxHealthyPercentage=-1"),
        ({"retains": False}, '{"RetentionTriggers": {"TerminateHookAbandon": "retain"}}'),
        ({"suspended": ("ReplaceUnhealthy", "AZRebalance", "Launch")}, "suspended: Launch, ReplaceUnhealthy;"),
        ({"scales_by": ("scaling policy cpu",)}, "scaling policy cpu may change the number of members"),
        ({"has_warm_pool": True}, "warm pool"),
        ({"protects_new": True}, "ScaleInProtectedInstances=Refresh"),
        ({"protected": ("i-1",)}, "ScaleInProtectedInstances=Refresh"),
        ({"health_check_type": "EC2,ELB", "health_check_grace_s": 300}, "a load balancer that fails"),
        ({"states": {"i-1": "InService", "i-2": "Standby"}}, "i-2 in Standby"),
        ({"user_data": None}, "could not be read"),
        ({"user_data": "#!/bin/bash\nsystemctl start etcd"}, "does not name the agent"),
        ({"template_groups": frozenset({"sg-2"})}, "instances to come are not in the security group sg-1"),
        (
            {"hooks": (Hook(name="warm-up", transition="LAUNCHING", default_result="ABANDON"),)},
            "the hook warm-up holds launching instances too",
        ),
        ({"stack": "shop"}, "the stack shop made the group"),
        ({"neighbours": ("proxies",)}, "instances of proxies are in the security group sg-1 too"),
        ({"is_attached": True, "hooks": OURS[:1]}, "not both of its hooks"),
    ],
)
def test_what_is_better_otherwise_is_allowed_and_said(fact: dict[str, Any], said: str) -> None:
    assert preflight(but(**fact)) == []
    (line,) = recommendations(but(**fact))
    assert said in line


def test_a_template_that_still_runs_the_old_container_is_warned_of_whether_or_not_it_has_the_agent() -> None:
    container = "docker run -v /etc/sysconfig/:/etc/sysconfig/ monsantoco/etcd-aws-cluster"
    assert len(recommendations(but(user_data=container))) == 2
    (line,) = recommendations(but(user_data=f"{FINE.user_data}\n{container}"))
    assert "evicts and adds members by itself" in line


# -- reading: stubbed answers, which botocore holds against its model of each API ----------------------------------


_BOTO3: Any = boto3.session.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name="eu-west-1")


class Session:
    """A session whose clients answer what they were told, in that order."""

    def __init__(self) -> None:
        self._clients: dict[str, Any] = {}
        self._stubs: dict[str, Stubber] = {}

    def client(self, service: str) -> Any:  # noqa: ANN401 - boto3 makes clients at run time
        if service not in self._clients:
            made = _BOTO3.client(service)
            self._clients[service], self._stubs[service] = made, Stubber(made)
            self._stubs[service].activate()
        return self._clients[service]

    def told(self, service: str, operation: str, answer: dict[str, Any]) -> None:
        self.client(service)
        self._stubs[service].add_response(operation, answer)

    def refuses(self, service: str, operation: str, code: str, message: str = "") -> None:
        self.client(service)
        self._stubs[service].add_client_error(operation, code, message)


def group_as_described(**other: Any) -> dict[str, Any]:  # noqa: ANN401
    instance = {
        "InstanceId": "i-1",
        "AvailabilityZone": "eu-west-1a",
        "LifecycleState": "InService",
        "HealthStatus": "Healthy",
        "ProtectedFromScaleIn": True,
    }
    return {
        "AutoScalingGroupName": "legacy",
        "AutoScalingGroupARN": ARN,
        "MinSize": 1,
        "MaxSize": 4,
        "DesiredCapacity": 3,
        "DefaultCooldown": 300,
        "AvailabilityZones": ["eu-west-1a"],
        "HealthCheckType": "ELB",
        "HealthCheckGracePeriod": 30,
        "CreatedTime": 0,
        "Instances": [instance],
        "SuspendedProcesses": [{"ProcessName": "Launch"}],
        "VPCZoneIdentifier": "subnet-1, subnet-2",
        "LaunchTemplate": {"LaunchTemplateId": "lt-1", "Version": "3"},
        "Tags": [{"Key": "aws:cloudformation:stack-name", "Value": "shop"}],
        "InstanceMaintenancePolicy": {"MinHealthyPercentage": 100, "MaxHealthyPercentage": 150},
        "InstanceLifecyclePolicy": {"RetentionTriggers": {"TerminateHookAbandon": "retain"}},
        "NewInstancesProtectedFromScaleIn": True,
        "WarmPoolConfiguration": {"MinSize": 1},
        **other,
    }


def a_session(group: dict[str, Any], *, launch_data: dict[str, Any] | None = None) -> Session:
    session = Session()
    session.told("autoscaling", "describe_auto_scaling_groups", {"AutoScalingGroups": [group]})
    session.told(
        "ec2",
        "describe_instances",
        {"Reservations": [{"Instances": [{"InstanceId": "i-1", "SecurityGroups": [{"GroupId": "sg-1"}]}]}]},
    )
    if launch_data is not None:
        session.told(
            "ec2",
            "describe_launch_template_versions",
            {"LaunchTemplateVersions": [{"LaunchTemplateData": launch_data}]},
        )
    missing = "Stack with id etcd-aws-cluster-legacy does not exist"
    session.refuses("cloudformation", "describe_stacks", "ValidationError", missing)
    hook = {
        "LifecycleHookName": "drain",
        "LifecycleTransition": "autoscaling:EC2_INSTANCE_TERMINATING",
        "DefaultResult": "CONTINUE",
    }
    session.told("autoscaling", "describe_lifecycle_hooks", {"LifecycleHooks": [hook]})
    refreshes = [{"Status": "Baking"}, {"Status": "Successful"}]
    session.told("autoscaling", "describe_instance_refreshes", {"InstanceRefreshes": refreshes})
    session.told("autoscaling", "describe_policies", {"ScalingPolicies": [{"PolicyName": "cpu"}]})
    actions = [{"ScheduledActionName": "night"}]
    session.told("autoscaling", "describe_scheduled_actions", {"ScheduledUpdateGroupActions": actions})
    session.told("ec2", "describe_subnets", {"Subnets": [{"VpcId": "vpc-1"}, {"VpcId": "vpc-1"}]})
    tag = {"Key": "aws:autoscaling:groupName"}
    near = [
        {"InstanceId": "i-1", "State": {"Name": "running"}, "Tags": [{**tag, "Value": "legacy"}]},
        {"InstanceId": "i-8", "State": {"Name": "running"}, "Tags": [{**tag, "Value": "proxies"}]},
        {"InstanceId": "i-9", "State": {"Name": "terminated"}, "Tags": [{**tag, "Value": "gone"}]},
    ]
    session.told("ec2", "describe_instances", {"Reservations": [{"Instances": near}]})
    value = f'{{"state": "existing", "group_arn": "{ARN}"}}'
    session.told("ssm", "get_parameters", {"Parameters": [{"Value": value}]})
    session.told("ec2", "describe_security_groups", {"SecurityGroups": [{"GroupId": "sg-1", "VpcId": "vpc-1"}]})
    return session


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def test_every_fact_is_read_from_where_aws_tells_it() -> None:
    launch_data = {"UserData": encoded("#!/bin/sh"), "NetworkInterfaces": [{"Groups": ["sg-1"]}]}
    session: Any = a_session(group_as_described(), launch_data=launch_data)
    assert read_facts(session, "legacy", vpc_id="vpc-1", members_security_group_id="sg-1") == Facts(
        name="legacy",
        own_stack="etcd-aws-cluster-legacy",
        arn=ARN,
        stack="shop",
        desired=3,
        min_size=1,
        max_size=4,
        states={"i-1": "InService"},
        protected=("i-1",),
        hooks=(Hook(name="drain", transition="TERMINATING", default_result="CONTINUE"),),
        suspended=("Launch",),
        refresh="Baking",
        health_check_type="ELB",
        health_check_grace_s=30,
        has_warm_pool=True,
        protects_new=True,
        retains=True,
        replaces_first=True,
        scales_by=("scaling policy cpu", "scheduled action night"),
        user_data="#!/bin/sh",
        vpcs=frozenset({"vpc-1"}),
        security_groups={"i-1": frozenset({"sg-1"})},
        template_groups=frozenset({"sg-1"}),
        neighbours=("proxies",),
        record=Record(state="existing", group_arn=ARN),
        wanted_vpc="vpc-1",
        wanted_group="sg-1",
        wanted_group_vpc="vpc-1",
    )


@pytest.mark.parametrize(
    ("policy", "replaces_first"),
    [
        ({}, False),
        ({"MinHealthyPercentage": 60, "MaxHealthyPercentage": 110}, False),  # one of three may be missing
        ({"MinHealthyPercentage": 90, "MaxHealthyPercentage": 120}, True),  # none may
    ],
)
def test_a_policy_that_lets_no_instance_be_missing_replaces_first(
    policy: dict[str, int], *, replaces_first: bool
) -> None:
    session: Any = a_session(group_as_described(InstanceMaintenancePolicy=policy), launch_data={})
    assert read_facts(session, "legacy", members_security_group_id="sg-1").replaces_first is replaces_first


def test_user_data_that_is_no_text_is_not_known_rather_than_without_the_agent() -> None:
    compressed = base64.b64encode(gzip.compress(b"agent")).decode()
    session: Any = a_session(group_as_described(), launch_data={"UserData": compressed})
    facts = read_facts(session, "legacy", members_security_group_id="sg-1")
    assert facts.user_data is None


@pytest.mark.parametrize(
    ("described", "counts_in"),
    [
        ({}, ""),
        ({"DesiredCapacityType": "units"}, ""),
        ({"DesiredCapacityType": "vcpu"}, "vcpu"),
        ({"MixedInstancesPolicy": {"LaunchTemplate": {"Overrides": [{"InstanceType": "m7g.large"}]}}}, ""),
        ({"MixedInstancesPolicy": {"LaunchTemplate": {"Overrides": [{"WeightedCapacity": "1"}]}}}, ""),
        (
            {"MixedInstancesPolicy": {"LaunchTemplate": {"Overrides": [{}, {"WeightedCapacity": "2"}]}}},
            "weights of instance types",
        ),
    ],
)
def test_what_a_groups_capacity_is_counted_in_is_read(described: dict[str, Any], counts_in: str) -> None:
    session: Any = a_session(group_as_described(**described), launch_data={})
    facts = read_facts(session, "legacy", members_security_group_id="sg-1")
    assert facts.counts_in == counts_in


def test_a_call_that_aws_refuses_is_no_fact() -> None:
    session: Any = Session()
    session.refuses("autoscaling", "describe_auto_scaling_groups", "AccessDenied", "not authorized")
    with pytest.raises(ClientError):
        read_facts(session, "legacy")


# -- at the command line and at synth ------------------------------------------------------------------------------


def test_the_command_ends_with_two_where_the_group_cannot_be_looked_at(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    session = Session()
    session.refuses("autoscaling", "describe_auto_scaling_groups", "AccessDenied", "not authorized")
    monkeypatch.setattr(boto3.session, "Session", lambda **_: session)
    assert command.main(["legacy"]) == 2
    assert "not authorized" in capsys.readouterr().err


def notes_of(session: Session, monkeypatch: pytest.MonkeyPatch, env: Environment = SOMEWHERE) -> Annotations:
    stack = make_stack(ATTACHED, env=env)
    assert isinstance(stack.node.root, App)
    monkeypatch.setattr(boto3.session, "Session", lambda **_: session)
    at_synth.check_group(stack, Settings.from_context(ATTACHED), env)
    return Annotations.from_stack(stack)


def test_what_is_refused_is_an_error_of_the_stack_so_that_nothing_of_it_is_deployed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    session = Session()
    session.told("sts", "get_caller_identity", {"Account": "111122223333"})
    session.told("autoscaling", "describe_auto_scaling_groups", {"AutoScalingGroups": []})
    notes_of(session, monkeypatch).has_error("*", Match.string_like_regexp("0 Auto Scaling groups"))


def test_a_group_that_may_not_be_looked_at_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    session = Session()
    session.told("sts", "get_caller_identity", {"Account": "111122223333"})
    session.refuses("autoscaling", "describe_auto_scaling_groups", "AccessDenied", "not authorized")
    notes_of(session, monkeypatch).has_error("*", Match.string_like_regexp("attached to unseen.*not authorized"))


def test_credentials_of_another_account_or_none_are_said_and_no_reason_to_refuse(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    other = Session()
    other.told("sts", "get_caller_identity", {"Account": "444455556666"})
    none = Session()
    none.refuses("sts", "get_caller_identity", "ExpiredToken", "expired")
    for session in (other, none):
        notes = notes_of(session, monkeypatch)
        notes.has_warning("*", Match.string_like_regexp("run python -m infra.attach legacy_etcd.prod"))
        notes.has_no_error("*", Match.any_value())
