"""The zone with the cluster's names, and what the controller may do in it."""

from typing import Any

import pytest

from etcd_aws_cluster.core.dns import Domain
from etcd_aws_cluster.settings import Settings as FunctionSettings
from infra.controller import HANDLER
from tests.infra.stacks import function, needed_by, of_type, only, synthesize, text
from tests.infra.test_infra_members import role_of

Template = dict[str, Any]
ZONE = "AWS::Route53::HostedZone"
NAMED = {"etcd:dns_zone_name": "example.internal"}


@pytest.fixture(scope="module")
def named() -> Template:
    return synthesize(NAMED)


def settings_of(template: Template) -> FunctionSettings:
    """What the function of a template reads from its environment."""
    variables = function(template, HANDLER)["Environment"]["Variables"]
    values = {name: text(value) for name, value in variables.items()}
    url = "https://sqs.eu-west-1.amazonaws.com/111122223333/dead.fifo"
    zone_id = values.get("DNS_ZONE_ID", "")
    made = {"DNS_ZONE_ID": "Z0MADE"} if zone_id.startswith("<") else {}
    if values["ETCD_PKI"] == "automatic":
        made |= {
            "CA_SECRET_ARN": "arn:aws:secretsmanager:eu-west-1:111122223333:secret:Ca-AbCdEf",
            "HOST_ROLE_NAME": "MembersRole",
        }
    return FunctionSettings.from_environ(values | made | {"DEAD_LETTER_QUEUE_URL": url})


def statements(template: Template, action: str) -> list[dict[str, Any]]:
    role = role_of(template, "lambda.amazonaws.com")
    return [
        statement
        for policy in of_type(template, "AWS::IAM::Policy").values()
        if {"Ref": role} in policy["Properties"]["Roles"]
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
        if statement["Action"] == action
    ]


def test_without_a_zone_name_there_is_no_zone_and_no_right_to_one(template: Template) -> None:
    assert not of_type(template, ZONE)
    assert not [s for s in str(template).split("'") if s.startswith("route53:")]
    assert settings_of(template).domain is None


def test_a_private_zone_is_made_for_the_vpc(named: Template) -> None:
    zone = only(named, ZONE)
    ((vpc, _),) = of_type(named, "AWS::EC2::VPC").items()
    assert zone["Name"] == "example.internal."
    assert [text(each["VPCId"]) for each in zone["VPCs"]] == [f"<{vpc}>"]


def test_the_function_reads_the_domain_of_its_cluster(named: Template) -> None:
    assert settings_of(named).domain == Domain(
        name="etcd.example.internal", ttl_s=30, schemes=("http",), client_port=2379
    )
    assert named["Outputs"]["DnsDomain"]["Value"] == "etcd.example.internal"


@pytest.mark.parametrize(
    ("context", "schemes"),
    [
        ({"etcd:etcd_client_scheme": "https"}, ("https",)),
        ({"etcd:tls_transition": "true"}, ("http", "https")),
        ({"etcd:etcd_peer_scheme": "https"}, ("http",)),
    ],
)
def test_the_services_are_those_by_which_clients_may_come(context: dict[str, str], schemes: tuple[str, ...]) -> None:
    domain = settings_of(synthesize(NAMED | context)).domain
    assert domain
    assert domain.schemes == schemes


def test_members_have_certificates_for_the_names_that_clients_come_by() -> None:
    names = settings_of(synthesize(NAMED | {"etcd:etcd_client_scheme": "https"})).pki.cluster_names
    assert names == ("{instance_id}.etcd.example.internal", "etcd.example.internal")


def test_a_given_zone_is_used_as_it_is() -> None:
    template = synthesize({**NAMED, "etcd:dns_zone_id": "Z0123456789ABC", "etcd:cluster_name": "Orders"})
    assert not of_type(template, ZONE)
    assert settings_of(template).dns_zone_id == "Z0123456789ABC"
    (change,) = statements(template, "route53:ChangeResourceRecordSets")
    assert text(change["Resource"]) == "arn:aws:route53:::hostedzone/Z0123456789ABC"
    assert change["Condition"]["ForAllValues:StringLike"] == {
        "route53:ChangeResourceRecordSetsNormalizedRecordNames": [
            "orders.example.internal",
            "*.orders.example.internal",
        ]
    }


def test_the_function_may_change_its_own_names_of_that_zone_and_list_it_and_no_more(named: Template) -> None:
    ((zone, _),) = of_type(named, ZONE).items()
    names = "route53:ChangeResourceRecordSetsNormalizedRecordNames"
    kinds = "route53:ChangeResourceRecordSetsRecordTypes"
    (change,) = statements(named, "route53:ChangeResourceRecordSets")
    assert text(change["Resource"]) == f"arn:aws:route53:::hostedzone/<{zone}>"
    assert change["Condition"] == {
        "ForAllValues:StringLike": {names: ["etcd.example.internal", "*.etcd.example.internal"]},
        "ForAllValues:StringEquals": {kinds: ["A", "SRV", "TXT"]},
        "Null": {names: "false", kinds: "false"},
    }
    (listing,) = statements(named, "route53:ListResourceRecordSets")
    assert text(listing["Resource"]) == f"arn:aws:route53:::hostedzone/<{zone}>"
    assert {s for s in str(named).split("'") if s.startswith("route53:")} == {
        "route53:ChangeResourceRecordSets",
        "route53:ListResourceRecordSets",
        names,
        kinds,
    }


def test_the_zone_outlives_the_controller_and_the_last_instance(named: Template) -> None:
    ((zone, _),) = of_type(named, ZONE).items()
    (controller,) = (
        name for name, f in of_type(named, "AWS::Lambda::Function").items() if f["Properties"]["Handler"] == HANDLER
    )
    ((group, _),) = of_type(named, "AWS::AutoScaling::AutoScalingGroup").items()
    assert zone in needed_by(named, controller)
    assert controller in needed_by(named, group)
