"""Hosted zones and roles of the launched local AWS: what is refused as AWS refuses it, and what is written down."""

import json
from collections.abc import Iterator

import pytest
from botocore.exceptions import ClientError

from lab import Lab
from tests.lab.conftest import SETTLE_S, SOON

pytestmark = pytest.mark.timeout(120)
NAMES = "route53:ChangeResourceRecordSetsNormalizedRecordNames"
KINDS = "route53:ChangeResourceRecordSetsRecordTypes"
TEMPLATE = {
    "Resources": {
        "Vpc": {"Type": "AWS::EC2::VPC", "Properties": {"CidrBlock": "127.64.0.0/16"}},
        "Zone": {
            "Type": "AWS::Route53::HostedZone",
            "Properties": {
                "Name": "example.internal.",
                "VPCs": [{"VPCId": {"Ref": "Vpc"}, "VPCRegion": {"Ref": "AWS::Region"}}],
            },
        },
        "Role": {
            "Type": "AWS::IAM::Role",
            "Properties": {
                "AssumeRolePolicyDocument": {
                    "Version": "2012-10-17",
                    "Statement": [
                        {
                            "Effect": "Allow",
                            "Action": "sts:AssumeRole",
                            "Principal": {"Service": "lambda.amazonaws.com"},
                        }
                    ],
                },
                "Policies": [
                    {
                        "PolicyName": "names",
                        "PolicyDocument": {
                            "Version": "2012-10-17",
                            "Statement": [
                                {
                                    "Effect": "Allow",
                                    "Action": "route53:ChangeResourceRecordSets",
                                    "Resource": {"Fn::Sub": "arn:aws:route53:::hostedzone/${Zone}"},
                                    "Condition": {
                                        "ForAllValues:StringLike": {NAMES: ["a.example.internal"]},
                                        "ForAllValues:StringEquals": {KINDS: ["A"]},
                                        "Null": {NAMES: "false", KINDS: "false"},
                                    },
                                },
                                {
                                    "Effect": "Allow",
                                    "Action": "ssm:GetParameters",
                                    "Resource": "arn:aws:ssm:us-east-1:000000000000:parameter/mine/*",
                                },
                            ],
                        },
                    }
                ],
            },
        },
    },
    "Outputs": {"Zone": {"Value": {"Ref": "Zone"}}, "Role": {"Value": {"Fn::GetAtt": ["Role", "Arn"]}}},
}


class Place:
    """A stack of a zone and a role."""

    def __init__(self, lab: Lab, outputs: dict[str, str]) -> None:
        self.lab = lab
        self.zone = outputs["Zone"]
        self.role = outputs["Role"]

    def change(self, *changes: tuple[str, str, str, str]) -> None:
        """Change records as the role; each is action, name, type and value."""
        self.lab.client("route53", role_arn=self.role, tries=1).change_resource_record_sets(
            HostedZoneId=self.zone,
            ChangeBatch={
                "Changes": [
                    {
                        "Action": action,
                        "ResourceRecordSet": {
                            "Name": name,
                            "Type": kind,
                            "TTL": 30,
                            "ResourceRecords": [{"Value": value}],
                        },
                    }
                    for action, name, kind, value in changes
                ]
            },
        )

    def noted(self, action: str) -> set[tuple[str, bool]]:
        """Return the resources of the role's calls of an action, and whether each was allowed."""
        name = self.role.rpartition("/")[2]
        return {
            (each["resource"], each["allowed"])
            for each in self.lab.control.permissions()
            if (each["role"], each["action"]) == (name, action)
        }


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with Lab(tmp_path_factory.mktemp("lab")) as started:
        yield started


@pytest.fixture(scope="module")
def place(lab: Lab) -> Place:
    return make_place(lab, "zone")


def make_place(lab: Lab, name: str) -> Place:
    """Create a stack of that name."""
    formation = lab.client("cloudformation")
    formation.create_stack(StackName=name, TemplateBody=json.dumps(TEMPLATE), Capabilities=["CAPABILITY_IAM"])
    formation.get_waiter("stack_create_complete").wait(StackName=name, WaiterConfig=SOON)
    (stack,) = formation.describe_stacks(StackName=name)["Stacks"]
    return Place(lab, {each["OutputKey"]: each["OutputValue"] for each in stack["Outputs"]})


@pytest.fixture
def kept(place: Place) -> Iterator[Place]:
    """The place with a record of the role's, which is gone afterwards."""
    place.change(("UPSERT", "a.example.internal", "A", "10.0.0.1"))
    yield place
    place.change(("DELETE", "a.example.internal", "A", "10.0.0.1"))


def test_a_zone_of_a_template_with_a_vpc_is_private(place: Place) -> None:
    zone = place.lab.client("route53").get_hosted_zone(Id=place.zone)
    assert zone["HostedZone"]["Config"]["PrivateZone"] is True
    assert [each["VPCRegion"] for each in zone["VPCs"]] == ["us-east-1"]


@pytest.mark.parametrize(
    "foreign",
    [
        ("UPSERT", "b.example.internal", "A", "10.0.0.2"),
        ("UPSERT", "x.a.example.internal", "A", "10.0.0.2"),
        ("UPSERT", "a.example.internal", "TXT", '"x"'),
    ],
)
def test_a_batch_with_one_record_that_is_not_the_roles_is_refused_as_a_whole(
    kept: Place, foreign: tuple[str, str, str, str]
) -> None:
    with pytest.raises(ClientError, match="AccessDenied"):
        kept.change(("UPSERT", "a.example.internal", "A", "10.0.0.9"), foreign)
    found = kept.lab.client("route53").list_resource_record_sets(HostedZoneId=kept.zone)["ResourceRecordSets"]
    assert [r["ResourceRecords"] for r in found if r["Type"] == "A"] == [[{"Value": "10.0.0.1"}]]


def test_of_a_call_about_several_parameters_each_is_checked(place: Place) -> None:
    ssm = place.lab.client("ssm", role_arn=place.role)
    assert ssm.get_parameters(Names=["/mine/one", "/mine/two"])["InvalidParameters"]
    with pytest.raises(ClientError, match="AccessDenied"):
        ssm.get_parameters(Names=["/mine/one", "/yours"])
    prefix = "arn:aws:ssm:us-east-1:000000000000:parameter"
    assert place.noted("ssm:GetParameters") == {
        (f"{prefix}/mine/one", True),
        (f"{prefix}/mine/two", True),
        (f"{prefix}/yours", False),
    }


def test_what_a_role_did_is_written_down_with_zone_and_verdict(kept: Place) -> None:
    zone_arn = f"arn:aws:route53:::hostedzone/{kept.zone}"
    assert (zone_arn, True) in kept.noted("route53:ChangeResourceRecordSets")
    with pytest.raises(ClientError, match="AccessDenied"):
        kept.lab.client("route53", role_arn=kept.role).list_resource_record_sets(HostedZoneId=kept.zone)
    assert kept.noted("route53:ListResourceRecordSets") == {(zone_arn, False)}


@pytest.mark.parametrize("code", ["PriorRequestNotComplete", "Throttling"])
def test_a_failing_change_fails_in_route_53s_words(kept: Place, code: str) -> None:
    kept.lab.control.tell("/faults", action="route53:ChangeResourceRecordSets", count=1, code=code)
    with pytest.raises(ClientError) as failure:
        kept.change(("UPSERT", "a.example.internal", "A", "10.0.0.7"))
    assert failure.value.response["Error"]["Code"] == code


def test_a_zone_that_holds_records_is_not_deleted_with_its_stack(lab: Lab) -> None:
    place = make_place(lab, "full")
    place.change(("UPSERT", "a.example.internal", "A", "10.0.0.1"))
    formation = lab.client("cloudformation")
    formation.delete_stack(StackName="full")
    lab.wait_for(
        lambda: formation.describe_stacks(StackName="full")["Stacks"][0]["StackStatus"] == "DELETE_FAILED",
        SETTLE_S,
        "the deletion to fail",
    )
    assert lab.client("route53").get_hosted_zone(Id=place.zone)
