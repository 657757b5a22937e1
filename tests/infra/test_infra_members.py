"""The group and its instances."""

import re
from typing import Any

import pytest

from infra.controller import HANDLER
from infra.deployment import ROLLOUT
from tests.infra.hosts import SYSTEMS, read_files
from tests.infra.stacks import function, needed_by, of_type, only, synthesize, text

Template = dict[str, Any]
GROUP = "AWS::AutoScaling::AutoScalingGroup"
LAUNCH_TEMPLATE = "AWS::EC2::LaunchTemplate"


def launch_data(template: Template) -> dict[str, Any]:
    """The instances' side of the launch template."""
    data: dict[str, Any] = only(template, LAUNCH_TEMPLATE)["LaunchTemplateData"]
    return data


def user_data(template: Template) -> str:
    """The user data with made-up values for what only a deploy knows."""
    return text(launch_data(template)["UserData"])


def role_of(template: Template, service: str) -> str:
    """Logical id of the one role that a service may assume; of the functions' roles it is the controller's."""
    if service == "lambda.amazonaws.com":
        return role_of_function(template, HANDLER)
    (name,) = (
        name
        for name, role in of_type(template, "AWS::IAM::Role").items()
        if role["Properties"]["AssumeRolePolicyDocument"]["Statement"][0]["Principal"] == {"Service": service}
    )
    return name


def role_of_function(template: Template, handler: str) -> str:
    """Logical id of the role that a function has."""
    return str(function(template, handler)["Role"]["Fn::GetAtt"][0])


def allowed(template: Template, service: str) -> dict[str, set[str]]:
    """What the role of a service is granted: actions by resource."""
    return allowed_to(template, role_of(template, service))


def allowed_to(template: Template, role: str) -> dict[str, set[str]]:
    """What a role may do: actions by resource. Nothing but inline statements counts, or is allowed."""
    assert "ManagedPolicyArns" not in template["Resources"][role]["Properties"]
    found: dict[str, set[str]] = {}
    for policy in of_type(template, "AWS::IAM::Policy").values():
        if {"Ref": role} in policy["Properties"]["Roles"]:
            for statement in policy["Properties"]["PolicyDocument"]["Statement"]:
                if statement["Effect"] == "Deny":
                    continue
                actions, resources = statement["Action"], statement["Resource"]
                for resource in resources if isinstance(resources, list) else [resources]:
                    found.setdefault(text(resource), set()).update([actions] if isinstance(actions, str) else actions)
    return found


def test_the_group_is_named_and_sized_like_the_cluster(template: Template) -> None:
    group = only(template, GROUP)
    assert group["AutoScalingGroupName"] == "etcd"
    assert [group[key] for key in ("MinSize", "MaxSize", "DesiredCapacity")] == ["3", "10", "3"]
    assert len(group["VPCZoneIdentifier"]) == 3
    assert {"Key": "Name", "Value": "etcd", "PropagateAtLaunch": True} in group["Tags"]


def test_both_hooks_are_part_of_the_group_and_silence_is_no_consent(template: Template) -> None:
    hooks = {hook["LifecycleHookName"]: hook for hook in only(template, GROUP)["LifecycleHookSpecificationList"]}
    assert hooks == {
        "etcd-launch": {
            "LifecycleHookName": "etcd-launch",
            "LifecycleTransition": "autoscaling:EC2_INSTANCE_LAUNCHING",
            "DefaultResult": "ABANDON",
            "HeartbeatTimeout": 1800,
        },
        "etcd-terminate": {
            "LifecycleHookName": "etcd-terminate",
            "LifecycleTransition": "autoscaling:EC2_INSTANCE_TERMINATING",
            "DefaultResult": "ABANDON",
            "HeartbeatTimeout": 3600,
        },
    }
    assert not of_type(template, "AWS::AutoScaling::LifecycleHook")


def test_an_instance_that_was_not_let_go_is_retained(template: Template) -> None:
    policy = only(template, GROUP)["InstanceLifecyclePolicy"]
    assert policy == {"RetentionTriggers": {"TerminateHookAbandon": "retain"}}


def test_cloudformation_replaces_no_instance_by_itself(template: Template) -> None:
    ((_, group),) = of_type(template, GROUP).items()
    assert not {"UpdatePolicy", "CreationPolicy"} & group.keys()
    assert "InstanceMaintenancePolicy" not in group["Properties"]


def test_instances_have_imdsv2_encrypted_volumes_and_no_public_address_or_key(template: Template) -> None:
    data = launch_data(template)
    assert data["MetadataOptions"] == {
        "HttpEndpoint": "enabled",
        "HttpTokens": "required",
        "HttpPutResponseHopLimit": 1,
    }
    assert [volume["Ebs"]["Encrypted"] for volume in data["BlockDeviceMappings"]] == [True]
    assert [volume["Ebs"]["VolumeType"] for volume in data["BlockDeviceMappings"]] == ["gp3"]
    assert [card["AssociatePublicIpAddress"] for card in data["NetworkInterfaces"]] == [False]
    assert "KeyName" not in data
    assert not [s for s in of_type(template, "AWS::EC2::Subnet").values() if s["Properties"].get("MapPublicIpOnLaunch")]


def test_the_instance_may_read_the_record_and_its_own_files_only(template: Template) -> None:
    may = allowed(template, "ec2.amazonaws.com")
    record = "arn:aws:ssm:eu-west-1:111122223333:parameter/etcd-aws-cluster/etcd/record"
    assert may.pop(record) == {"ssm:GetParameter"}
    ((agent, actions),) = may.items()
    assert actions == {"s3:GetObject"}
    assert re.fullmatch(r"arn:aws:s3:::cdk-hnb659fds-assets-111122223333-eu-west-1/[0-9a-f]{64}\.pyz", agent)
    assert agent.removeprefix("arn:aws:s3:::") in user_data(template)


def test_the_user_data_is_whole_once_the_deploy_has_filled_it_in(template: Template) -> None:
    files = read_files(user_data(template))
    assert "\nAWS_REGION=eu-west-1\n" in files["/etc/etcd-aws-cluster/agent.env"].text
    setup = files["/etc/etcd-aws-cluster/setup.env"].text
    assert "\nAWS_REGION=eu-west-1\nAWS_URL_SUFFIX=amazonaws.com\n" in setup
    assert re.search(r"^AGENT=s3://cdk-hnb659fds-assets-111122223333-eu-west-1/[0-9a-f]{64}\.pyz$", setup, re.MULTILINE)


def test_etcd_from_s3_is_one_more_object_to_read(template_with_endpoints: Template) -> None:
    may = allowed(template_with_endpoints, "ec2.amazonaws.com")
    assert may["arn:aws:s3:::archives/etcd/etcd.tar.gz"] == {"s3:GetObject"}
    assert "ETCD_URL='s3://archives/etcd/etcd.tar.gz'" in user_data(template_with_endpoints)


@pytest.mark.parametrize("kind", ["template", "template_with_endpoints"])
def test_all_that_the_first_instance_needs_exists_before_the_group_and_outlives_it(
    kind: str, request: pytest.FixtureRequest
) -> None:
    template: Template = request.getfixturevalue(kind)
    ((group, _),) = of_type(template, GROUP).items()
    # The rollout comes after the group.
    metadata = {*of_type(template, "AWS::CDK::Metadata"), *of_type(template, ROLLOUT)}
    monitoring = {*of_type(template, "AWS::CloudWatch::Alarm"), *of_type(template, "AWS::CloudWatch::Dashboard")}
    # Everything else: network, endpoints, rules, queue and its policy, function, mapping, log, roles and policies.
    assert needed_by(template, group) == template["Resources"].keys() - {group} - monitoring - metadata


@pytest.mark.parametrize(
    ("instance_type", "architecture", "sha256"),
    [
        ("m7g.medium", "arm64", "1277309f540c5a0329c428f95455c9f76d24f768c8d28fd2753e891c379053fa"),
        ("m7i.large", "amd64", "0aad9a9e4e0817a021e933f9806a2b2960a62f949ad5a3d6436d8886945cb1bc"),
    ],
)
def test_processor_image_archive_and_checksum_belong_together(
    instance_type: str, architecture: str, sha256: str
) -> None:
    template = synthesize({"etcd:instance_type": instance_type})
    script = user_data(template)
    assert f"etcd-v3.5.27-linux-{architecture}.tar.gz" in script
    assert sha256 in script
    processor = {"arm64": "arm64", "amd64": "x86_64"}[architecture]
    assert [p["Default"] for p in template["Parameters"].values() if "al2023" in p["Default"]] == [
        f"/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-6.1-{processor}"
    ]


def test_a_given_image_is_used_as_it_is() -> None:
    template = synthesize({"etcd:ami_id": "ami-0123456789abcdef0", "etcd:root_device_name": "/dev/sda1"})
    assert launch_data(template)["ImageId"] == "ami-0123456789abcdef0"
    assert launch_data(template)["BlockDeviceMappings"][0]["DeviceName"] == "/dev/sda1"


def test_ubuntu_is_the_newest_of_its_publishers_parameter() -> None:
    template = synthesize({"etcd:operating_system": "ubuntu", "etcd:instance_type": "m7i.large"})
    assert [p["Default"] for p in template["Parameters"].values() if "ubuntu" in p["Default"]] == [
        "/aws/service/canonical/ubuntu/server/24.04/stable/current/amd64/hvm/ebs-gp3/ami-id"
    ]
    assert launch_data(template)["BlockDeviceMappings"][0]["DeviceName"] == "/dev/sda1"


def test_flatcars_image_of_the_agent_is_one_more_object_to_read() -> None:
    template = synthesize(SYSTEMS["flatcar"])
    assert allowed(template, "ec2.amazonaws.com")["arn:aws:s3:::assets/agent-image.tar"] == {"s3:GetObject"}
    assert launch_data(template)["ImageId"] == "ami-01234567"


def volumes(context: dict[str, Any]) -> list[dict[str, Any]]:
    """The volumes of an instance, in order."""
    mappings: list[dict[str, Any]] = launch_data(synthesize(context))["BlockDeviceMappings"]
    return [{"at": mapping["DeviceName"], **mapping["Ebs"]} for mapping in mappings]


def test_a_data_volume_is_an_encrypted_gp3_volume_of_the_size_and_speed_that_was_asked_for() -> None:
    told = {"etcd:data_volume_gib": 100, "etcd:data_volume_iops": 6000, "etcd:data_volume_mib_s": 250}
    assert volumes({"etcd:data_volume": "ebs", **told})[1] == {
        "at": "/dev/sdf",
        "VolumeType": "gp3",
        "VolumeSize": 100,
        "Iops": 6000,
        "Throughput": 250,
        "Encrypted": True,
        "DeleteOnTermination": True,
    }


@pytest.mark.parametrize(
    ("told", "deleted"),
    [
        ({}, [True]),
        ({"etcd:data_volume_on_termination": "keep"}, [False]),
        ({"etcd:data_volume": "ebs"}, [True, True]),
        ({"etcd:data_volume": "ebs", "etcd:data_volume_on_termination": "keep"}, [True, False]),
        ({"etcd:data_volume": "instance-store", "etcd:instance_type": "m7gd.medium"}, [True]),
    ],
)
def test_the_volume_with_the_data_ends_with_its_instance_unless_it_shall_be_kept(
    told: dict[str, Any], deleted: list[bool]
) -> None:
    assert [volume["DeleteOnTermination"] for volume in volumes(told)] == deleted


def test_volumes_say_whose_they_are(template: Template) -> None:
    (tags,) = (each for each in launch_data(template)["TagSpecifications"] if each["ResourceType"] == "volume")
    assert {tag["Key"]: tag["Value"] for tag in tags["Tags"]} == {"Name": "etcd", "etcd-aws-cluster": "etcd"}
