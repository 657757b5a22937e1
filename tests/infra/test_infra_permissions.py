"""Least privilege as far as a template shows it; what runs show is in tests/end_to_end."""

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import cdk_nag
import pytest

from infra.etcd_cluster_stack import EtcdClusterStack
from tests.infra.stacks import ENDPOINTS, ROOT, make_stack, of_type, synthesize, text
from tests.permissions import NO_RESOURCE_LEVEL, UNSEEN, Grant, grants_of, render_tables, unused

Template = dict[str, Any]
TLS = {"etcd:etcd_client_scheme": "https", "etcd:etcd_peer_scheme": "https"}
SECRET = "arn:aws:secretsmanager:eu-west-1:111122223333:secret"
VARIANTS: dict[str, dict[str, str]] = {
    "default": {},
    "https, names": {**TLS, "etcd:dns_zone_name": "example.internal"},
    "own certificates": {
        **TLS,
        "etcd:pki": "own",
        "etcd:controller_tls_source": f"{SECRET}:controller",
        "etcd:host_tls_source": f"{SECRET}:hosts/{{instance_id}}",
        "etcd:etcd_user_secret_arn": f"{SECRET}:root",
    },
    "endpoints, older runtime": {**ENDPOINTS, "etcd:function_runtime": "python3.11"},
}


@pytest.fixture(scope="module")
def templates() -> dict[str, Template]:
    return {name: synthesize(context) for name, context in VARIANTS.items()}


def resolved(value: Any) -> Any:  # noqa: ANN401 - a template holds anything
    """Return a document's values with all that only a deploy knows made up."""
    if isinstance(value, list):
        return [resolved(each) for each in value]
    if isinstance(value, dict) and not any(key == "Ref" or key.startswith("Fn::") for key in value):
        return {key: resolved(each) for key, each in value.items()}
    return value if isinstance(value, str) else text(value)


def granted(template: Template) -> Iterator[Grant]:
    """Yield what each role of a template is granted, wherever it is written."""
    for name, role in of_type(template, "AWS::IAM::Role").items():
        for policy in role["Properties"].get("Policies", []):
            yield from grants_of(name, resolved(policy["PolicyDocument"]))
    for policy in of_type(template, "AWS::IAM::Policy").values():
        for role in policy["Properties"]["Roles"]:
            yield from grants_of(role["Ref"], resolved(policy["Properties"]["PolicyDocument"]))


@pytest.mark.parametrize("variant", VARIANTS)
def test_no_role_has_a_policy_that_others_write_or_an_action_with_a_star(
    templates: dict[str, Template], variant: str
) -> None:
    for role in of_type(templates[variant], "AWS::IAM::Role").values():
        assert "ManagedPolicyArns" not in role["Properties"]
    assert not of_type(templates[variant], "AWS::IAM::ManagedPolicy")
    assert not [g for g in granted(templates[variant]) if "*" in g.action]


@pytest.mark.parametrize("variant", VARIANTS)
def test_an_action_is_granted_on_everything_only_where_aws_knows_no_resource_for_it(
    templates: dict[str, Template], variant: str
) -> None:
    found = {g.action for g in granted(templates[variant]) if g.resource == "*"}
    assert not found - NO_RESOURCE_LEVEL.keys(), "scope it, or add it with the page of AWS's reference"


def test_what_is_said_of_an_action_is_said_of_one_that_is_granted(templates: dict[str, Template]) -> None:
    actions = {g.action for template in templates.values() for g in granted(template)}
    assert not (NO_RESOURCE_LEVEL.keys() | UNSEEN.keys()) - actions


def test_the_documentation_shows_both_tables() -> None:
    document = (ROOT / "docs/security.md").read_text(encoding="utf-8")
    assert render_tables() in document, "run: python -m tests.permissions"


def test_a_grant_that_no_call_used_is_told() -> None:
    one = Grant("Role", "ssm:PutParameter", "arn:aws:ssm:eu-west-1:1:parameter/a/*")
    call = {"role": "Role", "action": "ssm:PutParameter", "resource": "arn:aws:ssm:eu-west-1:1:parameter/a/b"}
    assert unused([one], [{**call, "allowed": True}]) == []
    assert unused([one], [{**call, "allowed": False}]) == [one]
    assert unused([one], [{**call, "allowed": True, "role": "Another"}]) == [one]
    assert unused([one], [{**call, "allowed": True, "resource": "arn:aws:ssm:eu-west-1:1:parameter/b"}]) == [one]


@dataclasses.dataclass(frozen=True)
class Acknowledgement:
    """A finding of cdk-nag that was accepted.

    Attributes:
        at: path of the construct that the acknowledgement was put on.
        of: paths of the resources that have the finding.
    """

    rule: str
    reason: str
    at: str
    of: tuple[str, ...]


@pytest.fixture(scope="module")
def acknowledgements() -> dict[str, list[Acknowledgement]]:
    """What cdk-nag has found and was told to accept, by variant."""
    return {name: list(accepted(make_stack(context))) for name, context in VARIANTS.items()}


def accepted(stack: EtcdClusterStack) -> Iterator[Acknowledgement]:
    app = stack.node.root
    assert isinstance(app, cdk.App)
    cdk.Validations.of(app).add_plugins(cdk_nag.AwsSolutionsChecks(app))
    report = json.loads((Path(app.synth().directory) / "validation-report.json").read_text(encoding="utf-8"))
    (nag,) = (each for each in report["pluginReports"] if each["pluginName"] == "AwsSolutions")
    assert nag["violations"] == []
    for found in nag["suppressedViolations"]:
        paths = tuple(each["constructPath"] for each in found["violatingConstructs"])
        yield Acknowledgement(found["acknowledgedId"], found["reason"], found["acknowledgedAt"], paths)


@pytest.mark.parametrize("variant", VARIANTS)
def test_each_acknowledgement_is_on_the_one_resource_that_has_the_finding(
    acknowledgements: dict[str, list[Acknowledgement]], variant: str
) -> None:
    assert acknowledgements[variant]
    for each in acknowledgements[variant]:
        assert each.of == (each.at,), each


@pytest.mark.parametrize("variant", VARIANTS)
def test_each_acknowledgement_has_a_reason_of_its_own(
    acknowledgements: dict[str, list[Acknowledgement]], variant: str
) -> None:
    found = acknowledgements[variant]
    for each in found:
        assert len(each.reason.split()) >= 7, f"{each.rule}: {each.reason!r} is no reason"
        assert each.reason.endswith("."), each.reason
    for reason in {each.reason for each in found}:
        assert len({each.rule for each in found if each.reason == reason}) == 1, f"one reason for all: {reason}"


@pytest.mark.parametrize("variant", VARIANTS)
def test_nothing_is_acknowledged_that_is_not_found(
    acknowledgements: dict[str, list[Acknowledgement]], variant: str
) -> None:
    given = {
        (rule, construct.node.path)
        for construct in make_stack(VARIANTS[variant]).node.root.node.find_all()
        for entry in construct.node.metadata
        if entry.type == "aws:cdk:acknowledged-rules"
        for rule in entry.data
        if rule.startswith("AwsSolutions::")
    }
    assert given == {(each.rule, each.at) for each in acknowledgements[variant]}
