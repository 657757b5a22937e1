"""The VPC, and who may talk to whom."""

from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import assertions

from tests.infra.stacks import make_stack, of_type, only, text

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


MEMBERS, CONTROLLER, CLIENTS = "etcd members", "etcd controller", "Attach to whatever shall use etcd"
ENDPOINTS = "AWS APIs of the etcd cluster"


def test_peers_talk_among_themselves_and_clients_must_be_declared(template: Template) -> None:
    assert rules(template, "Ingress") == {
        (MEMBERS, MEMBERS, 2380),
        (MEMBERS, CONTROLLER, 2379),
        (MEMBERS, CLIENTS, 2379),
    }


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


@pytest.mark.parametrize("zones", [1, 2, 6])
def test_the_new_vpc_has_as_many_zones_as_asked_for(zones: int) -> None:
    template = assertions.Template.from_stack(make_stack({"etcd:az_count": zones, "etcd:vpc_cidr": "10.1.0.0/20"}))
    template.resource_count_is("AWS::EC2::Subnet", 2 * zones)


def test_a_given_vpc_is_looked_up_and_not_changed() -> None:
    env = cdk.Environment(account="111122223333", region="eu-west-1")
    stack = make_stack({"etcd:vpc_id": "vpc-12345678"}, env=env)
    template = assertions.Template.from_stack(stack).to_json()
    for kind in ("VPC", "Subnet", "NatGateway", "VPCEndpoint", "Route"):
        assert not of_type(template, f"AWS::EC2::{kind}")
    assert only(template, "AWS::AutoScaling::AutoScalingGroup")["VPCZoneIdentifier"]
