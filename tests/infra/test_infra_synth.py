"""The whole template: determinism, cdk-nag, cfn-lint; and the bundling that needs no Docker."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import cdk_nag
import pytest

from infra.bundling import agent_asset, controller_code
from infra.controller import HANDLER
from infra.deployment import GUARD, ROLLOUT
from infra.etcd_cluster_stack import EtcdClusterStack
from infra.settings import Settings
from tests.infra.stacks import ENDPOINTS, ROOT, function, lint, make_stack, of_type, synthesize

Template = dict[str, Any]


def test_the_same_settings_give_the_same_template(template: Template) -> None:
    assert synthesize() == template


@pytest.mark.parametrize(
    "context",
    [
        {},
        ENDPOINTS,
        {"etcd:cluster_name": "orders", "etcd:size": 5},
        {"etcd:function_runtime": "python3.11"},
        {"etcd:alarm_email": "on-call@example.com"},
        {**ENDPOINTS, "etcd:dns_zone_name": "example.internal", "etcd:etcd_client_scheme": "https"},
    ],
    ids=[
        "default",
        "endpoints",
        "another name",
        "an older runtime",
        "alarms by e-mail",
        "endpoints, names and https",
    ],
)
def test_cdk_nag_has_nothing_left_to_say(context: dict[str, Any]) -> None:
    app = make_stack(context).node.root
    assert isinstance(app, cdk.App)
    cdk.Validations.of(app).add_plugins(cdk_nag.AwsSolutionsChecks(app))
    assert app.synth().stacks


@pytest.mark.parametrize("kind", ["template", "template_with_endpoints", "template_with_names"])
def test_cfn_lint_finds_nothing(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    lint(request.getfixturevalue(kind), tmp_path)


def test_nothing_but_guard_and_rollout_is_a_custom_resource_or_has_a_physical_name_but_the_group(
    template: Template,
) -> None:
    types = {body["Type"] for body in template["Resources"].values()}
    assert {kind for kind in types if kind.startswith(("Custom::", "AWS::CloudFormation::"))} == {GUARD, ROLLOUT}
    named = [
        name
        for name, body in template["Resources"].items()
        for key in body["Properties"]
        if key
        in (
            "QueueName",
            "FunctionName",
            "RoleName",
            "LogGroupName",
            "AlarmName",
            "DashboardName",
            "AutoScalingGroupName",
        )
        if isinstance(body["Properties"][key], str)
    ]
    assert named == list(of_type(template, "AWS::AutoScaling::AutoScalingGroup"))


def bundled(source: Path, out: Path) -> Template:
    """Synthesize with the real bundling of ``source`` as the function and of a made-up agent."""
    app = cdk.App(outdir=str(out))

    def build(path: Path) -> Path:
        path.write_bytes(b"agent")
        return path

    EtcdClusterStack(
        app,
        "Cluster",
        settings=Settings(),
        controller_code=controller_code(source, Settings().controller),
        agent=agent_asset(source, "agent.pyz", build),
    )
    template: Template = app.synth().get_stack_by_name("Cluster").template
    return template


def test_the_bundle_is_sources_and_requirements_named_by_what_they_are(tmp_path: Path) -> None:
    source = tmp_path / "src"
    package = source / "package"
    (package / "__pycache__").mkdir(parents=True)
    (source / "requirements.txt").write_text("", encoding="utf-8")
    (package / "__init__.py").write_text("", encoding="utf-8")
    (package / "__pycache__" / "stale.pyc").write_text("", encoding="utf-8")
    first = function(bundled(source, tmp_path / "one"), HANDLER)["Code"]["S3Key"]
    (folder,) = (tmp_path / "one").glob(f"asset.{first.removesuffix('.zip')}")
    assert sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*")) == [
        "package",
        "package/__init__.py",
    ]
    (agent,) = (tmp_path / "one").glob("asset.*.pyz")
    assert agent.read_bytes() == b"agent"

    (package / "__pycache__" / "another.pyc").write_text("", encoding="utf-8")
    assert function(bundled(source, tmp_path / "two"), HANDLER)["Code"]["S3Key"] == first
    (package / "__init__.py").write_text("changed = True", encoding="utf-8")
    assert function(bundled(source, tmp_path / "three"), HANDLER)["Code"]["S3Key"] != first


@pytest.mark.parametrize(
    ("context", "expected"),
    [
        ({"etcd:size": "4"}, "etcd:size: got '4', expected one of 1, 3, 5, 7, 9"),
        ({"etcd:vpc_id": "vpc-12345678"}, "etcd:vpc_id: got vpc-12345678, expected credentials of its account"),
    ],
)
def test_the_app_says_what_is_wrong_and_makes_nothing(tmp_path: Path, context: dict[str, str], expected: str) -> None:
    unknown = dict.fromkeys(("CDK_DEFAULT_ACCOUNT", "CDK_DEFAULT_REGION"), "")
    done = subprocess.run(
        [sys.executable, "app.py"],
        cwd=ROOT,
        env={**os.environ, **unknown, "CDK_OUTDIR": str(tmp_path), "CDK_CONTEXT_JSON": json.dumps(context)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(expected)
    assert not list(tmp_path.iterdir())
