"""The group and its instances."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from infra.controller import HANDLER
from infra.deployment import ROLLOUT
from infra.settings import Settings
from infra.user_data import render_user_data
from tests.infra.stacks import TOOLS, function, needed_by, of_type, only, synthesize, text

Template = dict[str, Any]
GROUP = "AWS::AutoScaling::AutoScalingGroup"
LAUNCH_TEMPLATE = "AWS::EC2::LaunchTemplate"


def launch_data(template: Template) -> dict[str, Any]:
    """The instances' side of the launch template."""
    data: dict[str, Any] = only(template, LAUNCH_TEMPLATE)["LaunchTemplateData"]
    return data


def user_data(template: Template) -> str:
    """The boot script with made-up values for what only a deploy knows."""
    return text(launch_data(template)["UserData"])


def heredoc(script: str, path: str) -> list[str]:
    """What the script writes to a file by a quoted heredoc."""
    (content,) = re.findall(rf"^cat > {re.escape(path)} <<'EOF'\n(.*?)^EOF$", script, re.MULTILINE | re.DOTALL)
    return str(content).splitlines()


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


def test_etcd_from_s3_is_one_more_object_to_read(template_with_endpoints: Template) -> None:
    may = allowed(template_with_endpoints, "ec2.amazonaws.com")
    assert may["arn:aws:s3:::archives/etcd/etcd.tar.gz"] == {"s3:GetObject"}
    assert "fetch 's3://archives/etcd/etcd.tar.gz'" in user_data(template_with_endpoints)


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


def test_the_boot_script_passes_shellcheck_and_fits(template: Template, tmp_path: Path) -> None:
    script = user_data(template)
    path = tmp_path / "user-data.sh"
    path.write_text(script, encoding="utf-8")
    done = subprocess.run([TOOLS / "shellcheck", "--severity=style", path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(script.encode()) < 16 * 1024
    assert "@{" not in script
    assert script.startswith("#!/bin/bash\n")
    assert "\nset -euo pipefail\n" in script


def test_the_agents_settings_are_a_quoted_heredoc(template: Template) -> None:
    lines = heredoc(user_data(template), "/etc/etcd-aws-cluster/agent.env")
    assert dict(line.split("=", 1) for line in lines) == {
        "CLUSTER_NAME": "etcd",
        "ETCD_CLIENT_SCHEME": "http",
        "ETCD_PEER_SCHEME": "http",
        "ETCD_CLIENT_PORT": "2379",
        "ETCD_SERVER_PORT": "2380",
        "ETCD_QUOTA_BACKEND_BYTES": "2147483648",
        "ETCD_DATA_DIR": "/var/lib/etcd/data",
        "ETCD_PEERS_FILE": "/etc/sysconfig/etcd-peers",
        "AGENT_DEADLINE_S": "1800",
        "AWS_REGION": "eu-west-1",
    }


def test_systemd_runs_the_agent_before_every_start_of_etcd(template: Template) -> None:
    unit = heredoc(user_data(template), "/etc/systemd/system/etcd.service")
    assert "ExecStartPre=+/usr/bin/python3 /usr/local/lib/etcd-aws-cluster/etcd-aws-agent.pyz" in unit
    files = [line.removeprefix("EnvironmentFile=") for line in unit if line.startswith("EnvironmentFile=")]
    assert files[:2] == ["/etc/etcd-aws-cluster/agent.env", "-/etc/sysconfig/etcd-peers"]
    # etcd of a removed member ends with 0.
    assert "Restart=on-failure" in unit
    assert "TimeoutStartSec=2400" in unit


@pytest.mark.parametrize(
    ("instance_type", "architecture", "sha256"),
    [
        ("m7g.medium", "arm64", "95bf6918623a097c0385b96f139d90248614485e781ec9bee4768dbb6c79c53f"),
        ("m7i.large", "amd64", "adddda4b06718e68671ffabff2f8cee48488ba61ad82900e639d108f2148501c"),
    ],
)
def test_processor_image_archive_and_checksum_belong_together(
    instance_type: str, architecture: str, sha256: str
) -> None:
    template = synthesize({"etcd:instance_type": instance_type})
    script = user_data(template)
    assert f"etcd-v3.5.21-linux-{architecture}.tar.gz" in script
    assert sha256 in script
    processor = {"arm64": "arm64", "amd64": "x86_64"}[architecture]
    assert [p["Default"] for p in template["Parameters"].values() if "al2023" in p["Default"]] == [
        f"/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-6.1-{processor}"
    ]


def test_a_given_image_is_used_as_it_is() -> None:
    template = synthesize({"etcd:ami_id": "ami-0123456789abcdef0", "etcd:root_device_name": "/dev/sda1"})
    assert launch_data(template)["ImageId"] == "ami-0123456789abcdef0"
    assert launch_data(template)["BlockDeviceMappings"][0]["DeviceName"] == "/dev/sda1"


def test_a_given_checksum_goes_before_the_known_one() -> None:
    settings = Settings.from_context({"etcd:etcd_sha256": "c" * 64})
    script = render_user_data(settings, architecture="arm64", agent_url="s3://bucket/agent.pyz")
    assert f"echo '{'c' * 64}  '" in script
