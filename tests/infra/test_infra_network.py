"""The VPC, and who may talk to whom."""

from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import assertions

from infra.network_costs import render_costs
from infra.network_endpoints import ALL_ENDPOINTS, endpoints_to_make, needed_endpoints
from infra.settings import Settings
from infra.settings.rules import SettingsError
from tests.infra.stacks import ENDPOINTS as WITH_ENDPOINTS
from tests.infra.stacks import HTTP, ROOT, make_stack, of_type, only, synthesize, text

Template = dict[str, Any]


def rules(template: Template, direction: str) -> set[tuple[str, str, int]]:
    """Each rule as (group, other side, port); groups by the last word of their description."""
    groups = of_type(template, "AWS::EC2::SecurityGroup")
    names = {f"<{name}.GroupId>": group["Properties"]["GroupDescription"] for name, group in groups.items()}
    found = set()
    for name, group in groups.items():
        for rule in group["Properties"].get(f"SecurityGroup{direction}", []):
            found.add((names[f"<{name}.GroupId>"], rule["CidrIp"], rule["FromPort"]))
    other = {"Ingress": "SourceSecurityGroupId", "Egress": "DestinationSecurityGroupId"}[direction]
    for body in of_type(template, f"AWS::EC2::SecurityGroup{direction}").values():
        rule = body["Properties"]
        assert rule["FromPort"] == rule["ToPort"]
        assert rule["IpProtocol"] == "tcp"
        found.add((names[text(rule["GroupId"])], names[text(rule[other])], rule["FromPort"]))
    return found


ACCOUNT = cdk.Environment(account="111122223333", region="eu-west-1")
GIVEN = {"etcd:vpc_id": "vpc-12345678"}
SUBNETS = {
    "Public": ["subnet-aaaa0001"],
    "Private": ["subnet-bbbb0001", "subnet-bbbb0002", "subnet-bbbb0003"],
    "Isolated": ["subnet-cccc0001", "subnet-cccc0002", "subnet-cccc1001"],
}
GIVEN_ENDPOINTS = {**GIVEN, **WITH_ENDPOINTS, "etcd:given_vpc_endpoints": "all"}


def looked_up() -> dict[str, Any]:
    """Context as the CDK CLI writes it after it has looked the VPC up; the last digit of a subnet is its zone."""
    groups = [
        {
            "name": kind,
            "type": kind,
            "subnets": [
                {
                    "subnetId": subnet,
                    "cidr": f"10.0.{number}.0/24",
                    "availabilityZone": f"eu-west-1{'-abc'[int(subnet[-1])]}",
                    "routeTableId": f"rtb-{subnet[-8:]}",
                }
                for number, subnet in enumerate(subnets)
            ],
        }
        for kind, subnets in SUBNETS.items()
    ]
    vpc = {"vpcId": "vpc-12345678", "vpcCidrBlock": "10.0.0.0/16", "availabilityZones": [], "subnetGroups": groups}
    key = "vpc-provider:account=111122223333:filter.vpc-id=vpc-12345678:region=eu-west-1:returnAsymmetricSubnets=true"
    return {key: vpc}


def in_given_vpc(context: dict[str, Any]) -> Template:
    """The template in the VPC of :func:`looked_up`."""
    return dict(assertions.Template.from_stack(make_stack({**looked_up(), **context}, env=ACCOUNT)).to_json())


def used_subnets(template: Template) -> list[list[str]]:
    """Where the members are, and where each function is."""
    functions = of_type(template, "AWS::Lambda::Function").values()
    return [
        only(template, "AWS::AutoScaling::AutoScalingGroup")["VPCZoneIdentifier"],
        *(function["Properties"]["VpcConfig"]["SubnetIds"] for function in functions),
    ]


MEMBERS, CONTROLLER, CLIENTS = "etcd members", "etcd controller", "Attach to whatever shall use etcd"
ENDPOINTS = "AWS APIs of the etcd cluster"


def test_peers_talk_among_themselves_and_clients_must_be_declared(template: Template) -> None:
    assert rules(template, "Ingress") == {
        (MEMBERS, MEMBERS, 2380),
        (MEMBERS, CONTROLLER, 2379),
        (MEMBERS, CLIENTS, 2379),
    }


def test_the_clients_group_is_exported_under_the_clusters_name() -> None:
    for name in ("etcd", "orders"):
        template = synthesize({"etcd:cluster_name": name})
        output = template["Outputs"]["ClientSecurityGroupId"]
        assert output["Export"] == {"Name": f"etcd-aws-cluster-{name}-client-security-group"}
        ((exported, _),) = (
            (key, group)
            for key, group in of_type(template, "AWS::EC2::SecurityGroup").items()
            if group["Properties"]["GroupDescription"] == CLIENTS
        )
        assert text(output["Value"]) == f"<{exported}.GroupId>"


def test_nobody_has_a_public_address(template: Template) -> None:
    data = only(template, "AWS::EC2::LaunchTemplate")["LaunchTemplateData"]
    assert [card["AssociatePublicIpAddress"] for card in data["NetworkInterfaces"]] == [False]
    for subnet in of_type(template, "AWS::EC2::Subnet").values():
        assert subnet["Properties"]["MapPublicIpOnLaunch"] is False


@pytest.mark.parametrize("size", ["3", "5"])
def test_members_are_in_three_zones_whatever_their_number(size: str) -> None:
    template = synthesize({"etcd:size": size})
    subnets = of_type(template, "AWS::EC2::Subnet")
    used = only(template, "AWS::AutoScaling::AutoScalingGroup")["VPCZoneIdentifier"]
    zones = {str(subnets[each["Ref"]]["Properties"]["AvailabilityZone"]) for each in used}
    assert len(zones) == len(used) == 3


def test_every_way_out_is_named(template: Template) -> None:
    assert rules(template, "Egress") == {
        (MEMBERS, MEMBERS, 2380),
        (CONTROLLER, MEMBERS, 2379),
        (CLIENTS, MEMBERS, 2379),
        (MEMBERS, "0.0.0.0/0", 443),
        (CONTROLLER, "0.0.0.0/0", 443),
    }


def test_members_and_controller_are_in_private_subnets_with_one_nat_gateway(template: Template) -> None:
    assert len(of_type(template, "AWS::EC2::NatGateway")) == 1
    subnets = of_type(template, "AWS::EC2::Subnet")
    assert len(subnets) == 6
    used = {part["Ref"] for part in only(template, "AWS::AutoScaling::AutoScalingGroup")["VPCZoneIdentifier"]}
    kinds = {
        tag["Value"]
        for name in used
        for tag in subnets[name]["Properties"]["Tags"]
        if tag["Key"].endswith("subnet-type")
    }
    assert kinds == {"Private"}


def test_with_endpoints_nothing_leads_to_the_internet(template_with_endpoints: Template) -> None:
    for forbidden in ("NatGateway", "InternetGateway", "EIP", "Route"):
        assert not of_type(template_with_endpoints, f"AWS::EC2::{forbidden}")
    services = {
        text(endpoint["Properties"]["ServiceName"])
        for endpoint in of_type(template_with_endpoints, "AWS::EC2::VPCEndpoint").values()
    }
    assert services == {
        f"com.amazonaws.eu-west-1.{name}" for name in ("ssm", "autoscaling", "ec2", "sqs", "lambda", "s3")
    }


def test_the_endpoints_admit_members_and_controller_only(template_with_endpoints: Template) -> None:
    admitted = {rule for rule in rules(template_with_endpoints, "Ingress") if rule[0] == ENDPOINTS}
    assert admitted == {(ENDPOINTS, MEMBERS, 443), (ENDPOINTS, CONTROLLER, 443)}


def test_clients_that_ask_for_certificates_reach_parameter_store_by_the_endpoints(
    template_with_names: Template,
) -> None:
    # There is no other way: the endpoint has the service's name in the whole VPC.
    assert (ENDPOINTS, CLIENTS, 443) in rules(template_with_names, "Ingress")
    assert (CLIENTS, ENDPOINTS, 443) in rules(template_with_names, "Egress")


@pytest.mark.parametrize("zones", [1, 2, 6])
def test_the_new_vpc_has_as_many_zones_as_asked_for(zones: int) -> None:
    template = assertions.Template.from_stack(make_stack({"etcd:az_count": zones, "etcd:vpc_cidr": "10.1.0.0/20"}))
    template.resource_count_is("AWS::EC2::Subnet", 2 * zones)


@pytest.mark.parametrize(
    ("context", "more"),
    [
        ({}, set()),
        ({"etcd:etcd_client_scheme": "https"}, {"secretsmanager"}),
        ({"etcd:tls_transition": "true"}, {"secretsmanager"}),
        (
            {
                "etcd:etcd_client_scheme": "https",
                "etcd:pki": "own",
                "etcd:controller_tls_source": "ssm:/tls/controller",
                "etcd:host_tls_source": "ssm:/tls/hosts/{instance_id}",
            },
            set(),
        ),
        (
            {
                "etcd:etcd_client_scheme": "https",
                "etcd:pki": "own",
                "etcd:controller_tls_source": "arn:aws:secretsmanager:eu-west-1:111122223333:secret:tls",
            },
            {"secretsmanager"},
        ),
        (
            {"etcd:etcd_user_secret_arn": "arn:aws:secretsmanager:eu-west-1:111122223333:secret:root"},
            {"secretsmanager"},
        ),
        ({"etcd:dns_zone_name": "example.internal"}, {"route53"}),
    ],
)
def test_an_endpoint_is_there_when_it_is_needed_and_only_then(context: dict[str, str], more: set[str]) -> None:
    settings = Settings.from_context({**HTTP, **WITH_ENDPOINTS, **context})
    assert set(needed_endpoints(settings)) == {"ssm", "autoscaling", "ec2", "sqs", "lambda", "s3"} | more


def test_any_endpoint_that_is_needed_can_be_asked_for_by_itself() -> None:
    everything = {**GIVEN, **WITH_ENDPOINTS, "etcd:dns_zone_name": "example.internal"}
    for name in needed_endpoints(Settings.from_context(everything)):
        settings = Settings.from_context({**everything, "etcd:given_vpc_endpoints": name})
        assert endpoints_to_make(settings) == (name,)


def test_with_nat_gateways_there_is_no_interface_endpoint(template: Template) -> None:
    assert [each["Properties"]["VpcEndpointType"] for each in of_type(template, "AWS::EC2::VPCEndpoint").values()] == [
        "Gateway"
    ]
    assert endpoints_to_make(Settings()) == ()


def test_route_53_is_reached_in_the_one_region_that_has_it(template_with_names: Template) -> None:
    (endpoint,) = (
        each["Properties"]
        for each in of_type(template_with_names, "AWS::EC2::VPCEndpoint").values()
        if text(each["Properties"]["ServiceName"]) == "com.amazonaws.route53"
    )
    assert endpoint["ServiceRegion"] == "us-east-1"
    assert endpoint["PrivateDnsEnabled"] is True


def test_a_given_vpc_is_looked_up_and_not_changed() -> None:
    stack = make_stack(GIVEN, env=ACCOUNT)
    template = assertions.Template.from_stack(stack).to_json()
    for kind in ("VPC", "Subnet", "NatGateway", "VPCEndpoint", "Route"):
        assert not of_type(template, f"AWS::EC2::{kind}")
    assert only(template, "AWS::AutoScaling::AutoScalingGroup")["VPCZoneIdentifier"]


@pytest.mark.parametrize(
    ("context", "expected"),
    [
        (GIVEN, SUBNETS["Private"]),
        ({**GIVEN, **WITH_ENDPOINTS}, SUBNETS["Isolated"]),
        ({**GIVEN, "etcd:subnet_ids": "subnet-bbbb0002,subnet-cccc0001"}, ["subnet-bbbb0002", "subnet-cccc0001"]),
    ],
    ids=["with egress", "isolated", "exactly these"],
)
def test_in_a_given_vpc_the_subnets_are_those_of_the_kind_or_exactly_those_named(
    context: dict[str, str], expected: list[str]
) -> None:
    for used in used_subnets(in_given_vpc(context)):
        assert sorted(used) == sorted(expected)


@pytest.mark.parametrize("other", ["subnet-99999999", "subnet-aaaa0001"], ids=["unknown", "public"])
def test_a_subnet_that_will_not_do_is_refused_by_name(other: str) -> None:
    expected = f"etcd:subnet_ids: got {other}, expected private or isolated subnets of vpc-12345678: subnet-bbbb0001, "
    with pytest.raises(SettingsError) as refusal:
        in_given_vpc({**GIVEN, "etcd:subnet_ids": f"subnet-bbbb0001,{other}"})
    assert str(refusal.value).startswith(expected)


def without(kind: str) -> dict[str, Any]:
    """What was looked up of a VPC that has no subnet of a kind."""
    ((key, vpc),) = looked_up().items()
    return {key: vpc | {"subnetGroups": [group for group in vpc["subnetGroups"] if group["type"] != kind]}}


@pytest.mark.parametrize(
    ("context", "kind", "expected"),
    [
        (GIVEN, "Private", "with a way out by a NAT gateway, which etcd:egress=nat is for"),
        ({**GIVEN, **WITH_ENDPOINTS}, "Isolated", "without any way out, which etcd:egress=endpoints is for"),
    ],
)
def test_a_vpc_without_subnets_of_the_kind_is_refused_with_what_to_name(
    context: dict[str, str], kind: str, expected: str
) -> None:
    with pytest.raises(SettingsError) as refusal:
        make_stack({**without(kind), **context}, env=ACCOUNT)
    (line,) = str(refusal.value).splitlines()
    assert line.startswith("etcd:vpc_id: got vpc-12345678, expected one that has subnets ")
    assert expected in line
    assert "etcd:subnet_ids" in line


def test_where_subnets_are_named_it_does_not_matter_of_which_kind_cdk_takes_them_to_be() -> None:
    # The way out may be a transit gateway or a proxy, which a route to no NAT gateway is.
    context = {**without("Private"), **GIVEN, "etcd:subnet_ids": "subnet-cccc0001,subnet-cccc0002"}
    for used in used_subnets(dict(assertions.Template.from_stack(make_stack(context, env=ACCOUNT)).to_json())):
        assert sorted(used) == ["subnet-cccc0001", "subnet-cccc0002"]


def test_before_the_vpc_was_looked_up_no_subnet_is_missed() -> None:
    assert make_stack({**GIVEN, "etcd:subnet_ids": "subnet-bbbb0001"}, env=ACCOUNT)


def test_a_given_vpc_gets_the_endpoints_that_were_asked_for() -> None:
    template = in_given_vpc({**GIVEN_ENDPOINTS, "etcd:given_vpc_endpoints": "sqs,s3"})
    endpoints = [each["Properties"] for each in of_type(template, "AWS::EC2::VPCEndpoint").values()]
    services = {text(each["ServiceName"]): each for each in endpoints}
    assert services.keys() == {"com.amazonaws.eu-west-1.sqs", "com.amazonaws.eu-west-1.s3"}
    assert services["com.amazonaws.eu-west-1.s3"]["RouteTableIds"] == [
        f"rtb-{each[-8:]}" for each in SUBNETS["Isolated"]
    ]


def test_each_endpoint_that_may_be_needed_can_be_asked_for_by_its_name() -> None:
    context = {**GIVEN_ENDPOINTS, "etcd:dns_zone_name": "example.internal"}
    needed = needed_endpoints(Settings.from_context(context))
    for name in needed:
        assert endpoints_to_make(Settings.from_context(context | {"etcd:given_vpc_endpoints": name})) == (name,)
    assert set(ALL_ENDPOINTS) == set(needed)


def test_an_interface_endpoint_has_one_subnet_in_each_zone() -> None:
    template = in_given_vpc(GIVEN_ENDPOINTS)
    found = [each["Properties"] for each in of_type(template, "AWS::EC2::VPCEndpoint").values()]
    interfaces = [each for each in found if each["VpcEndpointType"] == "Interface"]
    assert len(interfaces) == 5
    assert {tuple(each["SubnetIds"]) for each in interfaces} == {("subnet-cccc0001", "subnet-cccc0002")}


def test_the_documentation_shows_the_costs_as_they_are_computed() -> None:
    document = (ROOT / "docs/network.md").read_text(encoding="utf-8")
    assert render_costs() in document, "run: python -m infra.network_costs"
