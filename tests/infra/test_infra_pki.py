"""Certificates in the stack: the CA's key, who may do what, and requests that are heard."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import cdk_nag
import pytest

from etcd_aws_cluster.settings import Settings as FunctionSettings
from infra.controller import HANDLER
from infra.deployment import HANDLER as DEPLOYMENT
from infra.names import (
    ca_bundle_parameter,
    certificate_requests,
    certificates,
    client_certificate_requests,
    client_certificates,
)
from tests.infra.stacks import ENDPOINTS, ROOT, TOOLS, function, make_stack, needed_by, of_type, only, synthesize, text
from tests.infra.test_infra_members import allowed

Template = dict[str, Any]

HTTP = {"etcd:etcd_client_scheme": "http", "etcd:etcd_peer_scheme": "http"}
HTTPS = {"etcd:etcd_client_scheme": "https", "etcd:etcd_peer_scheme": "https"}
USER = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:etcd-user-AbCdEf"
OWN = HTTPS | {
    "etcd:pki": "own",
    "etcd:controller_tls_source": "ssm:/tls/controller",
    "etcd:host_tls_source": "arn:aws:secretsmanager:eu-west-1:111122223333:secret:tls/{instance_id}",
}
CONTROLLER, HOSTS = "lambda.amazonaws.com", "ec2.amazonaws.com"
PREFIX = "arn:aws:ssm:eu-west-1:111122223333:parameter"


@pytest.fixture(scope="module")
def secured() -> Template:
    """The template of a cluster whose certificates the controller makes."""
    return synthesize(HTTPS | {"etcd:etcd_user_secret_arn": USER})


@pytest.fixture(scope="module")
def own() -> Template:
    """The template of a cluster with certificates of the operator's."""
    return synthesize(OWN)


def variables(template: Template) -> dict[str, str]:
    """The function's environment."""
    found = function(template, HANDLER)["Environment"]["Variables"]
    return {name: text(value) for name, value in found.items()}


def may(template: Template, who: str, action: str) -> set[str]:
    """The resources on which a role may do something."""
    return {resource for resource, actions in allowed(template, who).items() if action in actions}


def test_without_https_there_is_no_secret_no_key_and_no_right_to_any() -> None:
    template = synthesize(HTTP)
    assert variables(template)["ETCD_PKI"] == "off"
    assert not of_type(template, "AWS::SecretsManager::Secret")
    assert not of_type(template, "AWS::KMS::Key")
    actions = set().union(*allowed(template, CONTROLLER).values())
    assert not {a for a in actions if a.startswith("secretsmanager:")}
    assert "ssm:DeleteParameter" not in actions


@pytest.mark.parametrize("context", [{"etcd:tls_transition": "true"}, {"etcd:etcd_peer_scheme": "https"}])
def test_certificates_are_made_as_soon_as_any_port_needs_them(context: dict[str, str]) -> None:
    template = synthesize(HTTP | context)
    assert len(of_type(template, "AWS::SecretsManager::Secret")) == 1
    assert variables(template)["ETCD_PKI"] == "automatic"


def test_the_cas_secret_is_deployed_without_a_value_under_a_key_of_its_own(secured: Template) -> None:
    (key,) = of_type(secured, "AWS::KMS::Key")
    secret = only(secured, "AWS::SecretsManager::Secret")
    assert secret["KmsKeyId"] == {"Fn::GetAtt": [key, "Arn"]}
    assert not secret.keys() & {"SecretString", "GenerateSecretString", "Name"}


def test_the_key_is_used_by_controller_and_guard_through_secrets_manager_and_by_nobody_else(secured: Template) -> None:
    key = only(secured, "AWS::KMS::Key")
    assert key["EnableKeyRotation"] is True
    administration, reading, writing = key["KeyPolicy"]["Statement"]
    controller, guard = (function(secured, handler)["Role"] for handler in (HANDLER, DEPLOYMENT))
    assert (reading["Principal"], reading["Action"]) == ({"AWS": [controller, guard]}, "kms:Decrypt")
    assert (writing["Principal"], writing["Action"]) == ({"AWS": controller}, "kms:GenerateDataKey")
    for use in (reading, writing):
        conditions = use["Condition"]["StringEquals"]
        assert text(conditions["kms:ViaService"]) == "secretsmanager.eu-west-1.amazonaws.com"
        assert text(conditions["kms:CallerAccount"]) == "111122223333"
    assert text(administration["Principal"]["AWS"]) == "arn:aws:iam::111122223333:root"
    using = {"kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey", "kms:ReEncryptFrom", "kms:CreateGrant", "kms:Sign"}
    patterns = [action.rstrip("*") for action in administration["Action"]]
    assert not [a for a in using for p in patterns if a.startswith(p)]


def test_the_function_is_told_what_it_needs_and_reads_it(secured: Template) -> None:
    told = variables(secured)
    (secret,) = of_type(secured, "AWS::SecretsManager::Secret")
    assert {name: told[name] for name in ("ETCD_PKI", "CERTIFICATE_HOURS", "CA_SIGNING", "CA_TRUSTED")} == {
        "ETCD_PKI": "automatic",
        "CERTIFICATE_HOURS": "168",
        "CA_SIGNING": "1",
        "CA_TRUSTED": "1",
    }
    assert told["CA_SECRET_ARN"] == f"<{secret}>"
    assert told["ETCD_USER_SECRET_ARN"] == USER
    only_role = only(secured, "AWS::IAM::InstanceProfile")["Roles"]
    assert [told["HOST_ROLE_NAME"]] == [text(role) for role in only_role]
    read = FunctionSettings.from_environ(
        told | {"CA_SECRET_ARN": USER, "HOST_ROLE_NAME": "role", "DEAD_LETTER_QUEUE_URL": "https://q"}
    )
    assert read.pki.generations == (1,)
    assert read.policy.peer_scheme == "https"


def test_a_rotation_of_the_ca_reaches_the_function() -> None:
    told = variables(synthesize(HTTPS | {"etcd:ca_signing": "2", "etcd:ca_trusted": "1,2"}))
    assert (told["CA_SIGNING"], told["CA_TRUSTED"]) == ("2", "2,1")


def test_the_controller_may_do_with_certificates_what_it_does_and_no_more(secured: Template) -> None:
    (secret,) = of_type(secured, "AWS::SecretsManager::Secret")
    requests, clients = certificate_requests("etcd"), client_certificate_requests("etcd")
    paths = [requests, clients, certificates("etcd"), client_certificates("etcd")]
    below = {f"{PREFIX}{path}/*" for path in paths}

    assert may(secured, CONTROLLER, "secretsmanager:PutSecretValue") == {f"<{secret}>"}
    assert may(secured, CONTROLLER, "secretsmanager:GetSecretValue") == {f"<{secret}>", USER, f"{USER}-??????"}
    assert may(secured, CONTROLLER, "ssm:GetParametersByPath") == below | {f"{PREFIX}{path}" for path in paths}
    assert may(secured, CONTROLLER, "ssm:DeleteParameter") == below
    assert may(secured, CONTROLLER, "ssm:GetParameterHistory") == {f"{PREFIX}{requests}/*"}
    assert may(secured, CONTROLLER, "ssm:GetParameter") == below | {f"{PREFIX}{ca_bundle_parameter('etcd')}"}


def test_a_host_may_ask_for_certificates_and_read_them_and_the_bundle(secured: Template) -> None:
    assert may(secured, HOSTS, "ssm:PutParameter") == {f"{PREFIX}{certificate_requests('etcd')}/*"}
    assert may(secured, HOSTS, "ssm:GetParameter") == {
        f"{PREFIX}/etcd-aws-cluster/etcd/record",
        f"{PREFIX}{certificates('etcd')}/*",
        f"{PREFIX}{ca_bundle_parameter('etcd')}",
    }
    assert not may(secured, HOSTS, "secretsmanager:GetSecretValue")


def test_a_request_makes_the_controller_look(secured: Template) -> None:
    (rule,) = (
        body["Properties"]
        for body in of_type(secured, "AWS::Events::Rule").values()
        if body["Properties"].get("EventPattern", {}).get("source") == ["aws.ssm"]
    )
    assert rule["EventPattern"] == {
        "source": ["aws.ssm"],
        "detail-type": ["Parameter Store Change"],
        "detail": {
            "operation": ["Create", "Update"],
            "name": [
                {"prefix": f"{certificate_requests('etcd')}/"},
                {"prefix": f"{client_certificate_requests('etcd')}/"},
            ],
        },
    }
    (target,) = rule["Targets"]
    assert target["SqsParameters"] == {"MessageGroupId": "etcd"}


def test_the_first_instance_finds_everything_in_place(secured: Template) -> None:
    (group,) = of_type(secured, "AWS::AutoScaling::AutoScalingGroup")
    needed = needed_by(secured, group)
    assert needed >= of_type(secured, "AWS::SecretsManager::Secret").keys()
    assert needed >= of_type(secured, "AWS::Events::Rule").keys()
    assert needed >= of_type(secured, "AWS::IAM::Policy").keys()


def test_ones_own_certificates_need_no_secret_of_the_stacks_and_are_read_by_whom_they_are_for(own: Template) -> None:
    assert not of_type(own, "AWS::SecretsManager::Secret")
    assert not of_type(own, "AWS::KMS::Key")
    assert variables(own)["ETCD_PKI"] == "own"
    assert variables(own)["CONTROLLER_TLS_SOURCE"] == "ssm:/tls/controller"
    assert may(own, CONTROLLER, "ssm:GetParameter") == {f"{PREFIX}/tls/controller"}
    assert not may(own, CONTROLLER, "secretsmanager:GetSecretValue")
    secret = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:tls/*"
    assert may(own, HOSTS, "secretsmanager:GetSecretValue") == {secret, f"{secret}-??????"}
    assert not may(own, HOSTS, "ssm:PutParameter")


def services(template: Template) -> set[str]:
    endpoints = of_type(template, "AWS::EC2::VPCEndpoint").values()
    return {text(e["Properties"]["ServiceName"]).rpartition(".")[2] for e in endpoints}


def test_a_vpc_without_internet_has_an_endpoint_of_secrets_manager_where_one_is_needed() -> None:
    assert "secretsmanager" not in services(synthesize(ENDPOINTS | HTTP))
    assert "secretsmanager" in services(synthesize(ENDPOINTS | HTTPS))
    assert "secretsmanager" in services(synthesize(ENDPOINTS | HTTP | {"etcd:etcd_user_secret_arn": USER}))
    assert "secretsmanager" not in services(synthesize(ENDPOINTS | OWN | {"etcd:host_tls_source": "ssm:/tls/host"}))


@pytest.mark.parametrize("context", [HTTPS | {"etcd:etcd_user_secret_arn": USER}, OWN], ids=["automatic", "own"])
def test_cdk_nag_has_nothing_left_to_say(context: dict[str, Any]) -> None:
    app = make_stack(context).node.root
    assert isinstance(app, cdk.App)
    cdk.Validations.of(app).add_plugins(cdk_nag.AwsSolutionsChecks(app))
    assert app.synth().stacks


@pytest.mark.parametrize("kind", ["secured", "own"])
def test_cfn_lint_finds_nothing(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    path = tmp_path / "template.json"
    path.write_text(json.dumps(request.getfixturevalue(kind)), encoding="utf-8")
    command = [str(TOOLS / "cfn-lint"), "--config-file", str(ROOT / ".cfnlintrc"), "--", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
