"""Makes templates of the real stack, with a function and an agent that need no bundling."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import aws_cdk as cdk
from aws_cdk import assertions
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_s3_assets as s3_assets

from infra.etcd_cluster_stack import EtcdClusterStack
from infra.settings import Settings

ROOT = Path(__file__).parents[2]
TOOLS = Path(sys.executable).parent
"""Where the command-line tools of requirements-dev.txt are."""
ENDPOINTS = {"etcd:egress": "endpoints", "etcd:etcd_url": "s3://archives/etcd/etcd.tar.gz"}
# What is told where a test is not about certificates, which the default brings.
HTTP = {"etcd:etcd_client_scheme": "http", "etcd:etcd_peer_scheme": "http"}
ATTACHED: dict[str, Any] = {
    **HTTP,
    "etcd:attach": True,
    "etcd:cluster_name": "legacy_etcd.prod",
    "etcd:vpc_id": "vpc-0123456789abcdef0",
    "etcd:members_security_group_id": "sg-0123456789abcdef0",
}
SOMEWHERE = cdk.Environment(account="111122223333", region="eu-west-1")
# What the CDK CLI would have found out about the VPC of ATTACHED; CDK's own stand-in has ids that are none.
_LOOKED_UP = (
    f"vpc-provider:account={SOMEWHERE.account}:filter.vpc-id={ATTACHED['etcd:vpc_id']}"
    f":region={SOMEWHERE.region}:returnAsymmetricSubnets=true"
)
_SUBNET = {
    "subnetId": "subnet-0123456789abcdef0",
    "cidr": "10.0.0.0/24",
    "availabilityZone": "eu-west-1a",
    "routeTableId": "rtb-0123456789abcdef0",
}
ATTACHED[_LOOKED_UP] = {
    "vpcId": "vpc-0123456789abcdef0",
    "vpcCidrBlock": "10.0.0.0/16",
    "ownerAccountId": "111122223333",
    "availabilityZones": [],
    "subnetGroups": [{"name": "Members", "type": "Private", "subnets": [_SUBNET]}],
}
# 5 MB for each of hundreds of apps, so they go with the process.
APPS = tempfile.TemporaryDirectory(prefix="infra-test-")
PSEUDO = {
    "AWS::Partition": "aws",
    "AWS::Region": "eu-west-1",
    "AWS::AccountId": "111122223333",
    "AWS::URLSuffix": "amazonaws.com",
}


def make_stack(context: Mapping[str, Any] | None = None, *, env: cdk.Environment | None = None) -> EtcdClusterStack:
    """The stack of an app whose context is that of cdk.json and ``context``; http unless that says https."""
    context = HTTP | dict(context or {})
    app = cdk.App(context=context, outdir=tempfile.mkdtemp(dir=APPS.name))
    agent = Path(app.outdir) / "agent.pyz"
    agent.write_text("print('agent')\n", encoding="utf-8")
    return EtcdClusterStack(
        app,
        "Cluster",
        settings=Settings.from_context(context),
        controller_code=lambda_.Code.from_inline("def handle(event, context): ..."),
        agent=partial(s3_assets.Asset, path=str(agent)),
        env=env,
    )


def synthesize(context: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The template of :func:`make_stack`, as plain data."""
    return dict(assertions.Template.from_stack(make_stack(context)).to_json())


def of_type(template: Mapping[str, Any], resource_type: str) -> dict[str, dict[str, Any]]:
    """The resources of one type, by logical id."""
    return {name: body for name, body in template["Resources"].items() if body["Type"] == resource_type}


def only(template: Mapping[str, Any], resource_type: str) -> dict[str, Any]:
    """The properties of the one resource of a type."""
    ((_, body),) = of_type(template, resource_type).items()
    properties: dict[str, Any] = body["Properties"]
    return properties


def function(template: Mapping[str, Any], handler: str) -> dict[str, Any]:
    """The properties of the one function with that handler."""
    found = (body["Properties"] for body in of_type(template, "AWS::Lambda::Function").values())
    (properties,) = (each for each in found if each["Handler"] == handler)
    return dict(properties)


def text(value: Any) -> str:  # noqa: ANN401 - a template holds anything
    """What a joined, substituted or encoded text comes to, with made-up values for what only a deploy knows."""
    if isinstance(value, str):
        return value
    ((function, argument),) = value.items()
    match function:
        case "Fn::Join":
            return str(argument[0]).join(text(part) for part in argument[1])
        case "Fn::Base64":
            return text(argument)
        case "Fn::Sub":
            for name, stand_in in PSEUDO.items():
                argument = argument.replace(f"${{{name}}}", stand_in)
            return str(argument)
        case "Ref":
            return PSEUDO.get(argument, f"<{argument}>")
        case "Fn::GetAtt":
            return f"<{argument[0]}.{argument[1]}>"
    raise AssertionError(f"cannot read {function}")


def lint(template: Mapping[str, Any], directory: Path) -> None:
    """Assert that cfn-lint has nothing to say of a template, which is written to ``directory``."""
    path = directory / "template.json"
    path.write_text(json.dumps(template), encoding="utf-8")
    done = subprocess.run(
        [TOOLS / "cfn-lint", "--config-file", ROOT / ".cfnlintrc", "--", path],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def needed_by(template: Mapping[str, Any], logical_id: str) -> set[str]:
    """Every resource that CloudFormation makes before ``logical_id``, and deletes after it."""
    found: set[str] = set()
    waiting = [logical_id]
    while waiting:
        body = template["Resources"][waiting.pop()]
        depends = body.get("DependsOn", [])
        direct = {*([depends] if isinstance(depends, str) else depends), *_references(body.get("Properties", {}))}
        fresh = (direct & template["Resources"].keys()) - found
        found |= fresh
        waiting += fresh
    return found


def _references(value: Any) -> Iterator[str]:  # noqa: ANN401 - a template holds anything
    if isinstance(value, dict):
        if set(value) == {"Ref"}:
            yield value["Ref"]
        elif set(value) == {"Fn::GetAtt"}:
            yield value["Fn::GetAtt"][0]
        else:
            for part in value.values():
                yield from _references(part)
    elif isinstance(value, list):
        for part in value:
            yield from _references(part)
