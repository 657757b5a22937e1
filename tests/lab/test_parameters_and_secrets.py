"""Parameter Store, Secrets Manager and KMS, as the local AWS plays them."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator, Mapping
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from lab import Lab
from lab.site import METADATA_PORT
from tests.lab.conftest import SETTLE_S, SOON

CHANGES = {
    "source": ["aws.ssm"],
    "detail-type": ["Parameter Store Change"],
    "detail": {"name": [{"prefix": "/orders/requests/"}], "operation": ["Create", "Update"]},
}
PATH = "http://{}:{}/latest/{}"
FIRST, SECOND, THIRD = (f"{'0' * 31}{number}" for number in (1, 2, 3))


def role(principal: str, *statements: Mapping[str, Any]) -> dict[str, Any]:
    """A role of a template that may do what the statements allow."""
    trust = {"Effect": "Allow", "Principal": {"Service": principal, "AWS": "*"}, "Action": "sts:AssumeRole"}
    allowed = [{"Effect": "Allow", "Resource": "*", **statement} for statement in statements]
    return {
        "Type": "AWS::IAM::Role",
        "Properties": {
            "AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [trust]},
            "Policies": [{"PolicyName": "p", "PolicyDocument": {"Version": "2012-10-17", "Statement": allowed}}],
        },
    }


READS_SECRET = {"Action": ["secretsmanager:GetSecretValue"], "Resource": {"Ref": "Secret"}}
VIA = {"kms:ViaService": "secretsmanager.us-east-1.amazonaws.com"}
TEMPLATE = {
    "Parameters": {"Cidr": {"Type": "String"}},
    "Resources": {
        "Vpc": {"Type": "AWS::EC2::VPC", "Properties": {"CidrBlock": {"Ref": "Cidr"}}},
        "Subnet": {
            "Type": "AWS::EC2::Subnet",
            "Properties": {
                "VpcId": {"Ref": "Vpc"},
                "CidrBlock": {"Fn::Select": [0, {"Fn::Cidr": [{"Ref": "Cidr"}, 2, 8]}]},
                "AvailabilityZone": "us-east-1a",
            },
        },
        "HostRole": role("ec2.amazonaws.com", {"Action": ["ssm:PutParameter"]}),
        "Profile": {"Type": "AWS::IAM::InstanceProfile", "Properties": {"Roles": [{"Ref": "HostRole"}]}},
        "Template": {
            "Type": "AWS::EC2::LaunchTemplate",
            "Properties": {
                "LaunchTemplateData": {
                    "ImageId": "ami-0c2023a1b2c3d4e5f",
                    "InstanceType": "t4g.micro",
                    "IamInstanceProfile": {"Arn": {"Fn::GetAtt": ["Profile", "Arn"]}},
                    "UserData": {"Fn::Base64": "#!/bin/bash\n"},
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
            },
        },
        "Key": {
            "Type": "AWS::KMS::Key",
            "Properties": {
                "KeyPolicy": {
                    "Version": "2012-10-17",
                    "Statement": [
                        {
                            "Effect": "Allow",
                            "Principal": {"AWS": {"Fn::Sub": "arn:aws:iam::${AWS::AccountId}:root"}},
                            "Action": "kms:*",
                            "Resource": "*",
                        }
                    ],
                }
            },
        },
        "Secret": {
            "Type": "AWS::SecretsManager::Secret",
            "Properties": {"KmsKeyId": {"Fn::GetAtt": ["Key", "Arn"]}},
        },
        "Empty": {"Type": "AWS::SecretsManager::Secret", "Properties": {}},
        "Keyless": role("ec2.amazonaws.com", READS_SECRET),
        "Reader": role(
            "ec2.amazonaws.com",
            READS_SECRET,
            {"Action": ["kms:Decrypt"], "Condition": {"StringEquals": VIA}},
            {"Action": ["ssm:GetParametersByPath"], "Resource": {"Fn::Sub": "arn:aws:ssm:*:*:parameter/orders/*"}},
        ),
    },
}


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with Lab(tmp_path_factory.mktemp("lab")) as started:
        formation = started.client("cloudformation")
        parameters = [{"ParameterKey": "Cidr", "ParameterValue": started.state.cidr}]
        formation.create_stack(
            StackName="small",
            TemplateBody=json.dumps(TEMPLATE),
            Parameters=parameters,
            Capabilities=["CAPABILITY_IAM"],
        )
        formation.get_waiter("stack_create_complete").wait(StackName="small", WaiterConfig=SOON)
        started.wait_in_service(1, SETTLE_S)
        yield started


def named(lab: Lab, logical_id: str) -> str:
    """The physical id of a resource of the template."""
    detail = lab.client("cloudformation").describe_stack_resource(StackName="small", LogicalResourceId=logical_id)
    return str(detail["StackResourceDetail"]["PhysicalResourceId"])


def as_session(lab: Lab, service: str, credentials: Mapping[str, str]) -> Any:  # noqa: ANN401  # made at run time
    """A client with the credentials of a role's session."""
    session: Any = boto3.session.Session(
        aws_access_key_id=credentials["AccessKeyId"],
        aws_secret_access_key=credentials["SecretAccessKey"],
        aws_session_token=credentials.get("SessionToken") or credentials["Token"],
        region_name="us-east-1",
    )
    return session.client(service, endpoint_url=lab.state.aws_endpoint, config=Config(proxies={}))


def as_role(lab: Lab, service: str, logical_id: str) -> Any:  # noqa: ANN401  # made at run time
    """A client with a role of the template."""
    arn = f"arn:aws:iam::000000000000:role/{named(lab, logical_id)}"
    assumed = lab.client("sts").assume_role(RoleArn=arn, RoleSessionName="a-session")
    return as_session(lab, service, assumed["Credentials"])


def as_instance(lab: Lab, service: str) -> tuple[str, Any]:
    """The group's only instance, and a client with the credentials that its metadata service hands out."""
    (host,) = (each for each in lab.hosts() if each["state"] == "running")

    def ask(path: str, method: str = "GET", **headers: str) -> str:
        url = PATH.format(host["address"], METADATA_PORT, path)
        request = urllib.request.Request(url, method=method)  # noqa: S310  # of this test's own
        for name, value in headers.items():
            request.add_header(f"X-aws-ec2-metadata-token{name}", value)
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=5) as answer:
            return str(answer.read().decode())

    token = ask("api/token", "PUT", **{"-ttl-seconds": "60"})
    roles = "meta-data/iam/security-credentials"
    credentials = json.loads(ask(f"{roles}/{ask(roles, **{'': token})}", **{"": token}))
    return host["instance_id"], as_session(lab, service, credentials)


def refusal(error: pytest.ExceptionInfo[ClientError]) -> str:
    """The error's code."""
    return str(error.value.response["Error"]["Code"])


def test_each_version_of_a_parameter_names_who_wrote_it(lab: Lab) -> None:
    instance_id, ssm = as_instance(lab, "ssm")
    lab.client("ssm").put_parameter(Name="/orders/written", Value="by the account", Type="String")
    ssm.put_parameter(Name="/orders/written", Value="by the host", Type="String", Overwrite=True)
    history = lab.client("ssm").get_parameter_history(Name="/orders/written")["Parameters"]
    session = f"arn:aws:sts::000000000000:assumed-role/{named(lab, 'HostRole')}/{instance_id}"
    assert [each["LastModifiedUser"] for each in history] == ["arn:aws:iam::000000000000:root", session]
    (described,) = lab.client("ssm").describe_parameters(
        ParameterFilters=[{"Key": "Name", "Option": "Equals", "Values": ["/orders/written"]}]
    )["Parameters"]
    assert described["LastModifiedUser"] == session


def test_a_hundred_versions_of_a_parameter_are_kept(lab: Lab) -> None:
    ssm = lab.client("ssm")
    for number in range(102):
        ssm.put_parameter(Name="/orders/often", Value=str(number), Type="String", Overwrite=True)
    pages = ssm.get_paginator("get_parameter_history").paginate(Name="/orders/often")
    kept = [each["Version"] for page in pages for each in page["Parameters"]]
    assert kept == list(range(3, 103))


def test_a_rule_hears_of_new_and_changed_parameters_below_a_prefix(lab: Lab) -> None:
    sqs, events, ssm = lab.sqs, lab.client("events"), lab.client("ssm")
    url = sqs.create_queue(QueueName="changes")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    events.put_rule(Name="changes", EventPattern=json.dumps(CHANGES))
    events.put_targets(Rule="changes", Targets=[{"Id": "1", "Arn": arn}])
    name = "/orders/requests/i-0abc"
    ssm.put_parameter(Name="/orders/other", Value="1", Type="String")
    for _ in range(2):
        ssm.put_parameter(Name=name, Value="1", Type="String", Overwrite=True)
    ssm.delete_parameter(Name=name)
    received: list[dict[str, Any]] = []

    def two() -> bool:
        answer = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)
        received.extend(json.loads(message["Body"]) for message in answer.get("Messages", []))
        return len(received) >= 2

    lab.wait_for(two, SETTLE_S, "two events")
    assert sorted(event["detail"]["operation"] for event in received) == ["Create", "Update"]
    event = received[0]
    assert (event["detail"]["name"], event["detail"]["type"]) == (name, "String")
    assert event["resources"] == [f"arn:aws:ssm:us-east-1:000000000000:parameter{name}"]


def test_a_path_is_read_by_whom_a_policy_allows_it(lab: Lab) -> None:
    lab.client("ssm").put_parameter(Name="/orders/path/one", Value="1", Type="String")
    reader = as_role(lab, "ssm", "Reader")
    (found,) = reader.get_parameters_by_path(Path="/orders/path")["Parameters"]
    assert found["Name"] == "/orders/path/one"
    for path in ("/", "/orders"):
        with pytest.raises(ClientError) as refused:
            reader.get_parameters_by_path(Path=path, Recursive=True)
        assert refusal(refused) == "AccessDeniedException"


def test_a_secret_of_a_template_without_a_value_has_none(lab: Lab) -> None:
    secrets, name = lab.client("secretsmanager"), lab.client("secretsmanager").create_secret(Name="bare")["Name"]
    for secret_id in (name, named(lab, "Empty")):
        with pytest.raises(ClientError) as refused:
            secrets.get_secret_value(SecretId=secret_id)
        assert refusal(refused) == "ResourceNotFoundException"


def test_a_token_makes_one_version_and_that_never_changes(lab: Lab) -> None:
    secrets = lab.client("secretsmanager")
    secrets.create_secret(Name="once")
    for _ in range(2):
        put = secrets.put_secret_value(SecretId="once", SecretString="a", ClientRequestToken=FIRST)
        assert put["VersionId"] == FIRST
    with pytest.raises(ClientError) as refused:
        secrets.put_secret_value(SecretId="once", SecretString="b", ClientRequestToken=FIRST)
    assert refusal(refused) == "ResourceExistsException"
    assert secrets.get_secret_value(SecretId="once")["SecretString"] == "a"


def test_the_first_version_of_a_secret_becomes_the_current_one_whatever_its_labels(lab: Lab) -> None:
    secrets = lab.client("secretsmanager")
    secrets.create_secret(Name="labelled")
    secrets.put_secret_value(SecretId="labelled", SecretString="a", ClientRequestToken=FIRST, VersionStages=["mine"])
    assert secrets.get_secret_value(SecretId="labelled")["VersionId"] == FIRST
    secrets.put_secret_value(SecretId="labelled", SecretString="b", ClientRequestToken=SECOND, VersionStages=["mine"])
    assert secrets.get_secret_value(SecretId="labelled", VersionStage="mine")["VersionId"] == SECOND
    assert secrets.get_secret_value(SecretId="labelled")["VersionId"] == FIRST


def test_a_version_without_a_label_can_still_be_read(lab: Lab) -> None:
    secrets = lab.client("secretsmanager")
    secrets.create_secret(Name="kept", SecretString="1", ClientRequestToken=FIRST)
    for token in (SECOND, THIRD):
        secrets.put_secret_value(SecretId="kept", SecretString=token, ClientRequestToken=token)
    assert secrets.get_secret_value(SecretId="kept", VersionId=FIRST)["SecretString"] == "1"
    assert secrets.get_secret_value(SecretId="kept")["VersionId"] == THIRD


def test_a_secret_is_read_by_whom_its_key_allows_it_too(lab: Lab) -> None:
    secret_id = named(lab, "Secret")
    lab.client("secretsmanager").put_secret_value(SecretId=secret_id, SecretString="s", ClientRequestToken=FIRST)
    assert as_role(lab, "secretsmanager", "Reader").get_secret_value(SecretId=secret_id)["SecretString"] == "s"
    with pytest.raises(ClientError, match="kms:Decrypt") as refused:
        as_role(lab, "secretsmanager", "Keyless").get_secret_value(SecretId=secret_id)
    assert refusal(refused) == "AccessDeniedException"


def test_a_key_that_is_allowed_through_secrets_manager_only_decrypts_nothing_else(lab: Lab) -> None:
    key, kms = named(lab, "Key"), lab.client("kms")
    blob = kms.encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"]
    assert kms.decrypt(KeyId=key, CiphertextBlob=blob)["Plaintext"] == b"x"
    with pytest.raises(ClientError) as refused:
        as_role(lab, "kms", "Reader").decrypt(KeyId=key, CiphertextBlob=blob)
    assert refusal(refused) == "AccessDeniedException"
