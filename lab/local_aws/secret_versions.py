"""Secrets Manager where MiniStack differs from AWS: versions that never change, empty secrets, keys that are asked."""

# ruff: noqa: SLF001  # MiniStack has no other door; names.py checks these names at start

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any, Final

from ministack.core.iam_actions import access_denied_response

# MiniStack's own, before the lab writes down what roles are granted: here it is the key's policy that grants.
from ministack.core.iam_evaluator import enforce
from ministack.core.responses import error_response_json, get_account_id, get_region, json_response
from ministack.core.router import extract_access_key_id
from ministack.services import kms, secretsmanager
from ministack.services.cloudformation import provisioners

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .faults import Handler, Response

Created = tuple[str, dict[str, Any]]
_SECRET: Final = "AWS::SecretsManager::Secret"  # noqa: S105  # a resource type
_VALUES: Final = ("SecretString", "SecretBinary")
_CURRENT: Final = "AWSCURRENT"
# https://docs.aws.amazon.com/secretsmanager/latest/userguide/security-encryption.html
_KEY_USES: Final[dict[str, tuple[str, ...]]] = {
    "GetSecretValue": ("kms:Decrypt",),
    "PutSecretValue": ("kms:GenerateDataKey", "kms:Decrypt"),
    "UpdateSecret": ("kms:GenerateDataKey", "kms:Decrypt"),
}


def install() -> None:
    """Put AWS's rules for versions and for CloudFormation's resource into MiniStack."""
    secretsmanager._put_secret_value = _once(secretsmanager._put_secret_value)
    secretsmanager._create_secret = _with_token(secretsmanager._create_secret)
    provisioners._RESOURCE_HANDLERS[_SECRET] = _resource(provisioners._RESOURCE_HANDLERS[_SECRET])


def _resource(handlers: dict[str, Any]) -> dict[str, Any]:
    """The resource with its ARN as its id, which is what Ref gives, and without a version where it has no value."""

    def create(logical_id: str, props: dict[str, Any], stack_name: str) -> Created:
        name, attributes = handlers["create"](logical_id, props, stack_name)
        if not props.keys() & {"SecretString", "GenerateSecretString"}:
            secretsmanager._secrets[name]["Versions"].clear()
        return attributes["Arn"], attributes

    def update(physical_id: str, *rest: Any, **named: Any) -> Created:  # noqa: ANN401  # MiniStack's own
        _, attributes = handlers["update"](_name(physical_id), *rest, **named)
        return attributes["Arn"], attributes

    def delete(physical_id: str, props: dict[str, Any]) -> None:
        handlers["delete"](_name(physical_id), props)

    return {**handlers, "create": create, "update": update, "delete": delete}


def _name(arn: str) -> str:
    return str(secretsmanager._resolve(arn)[0])


def wrap(handler: Handler, *, enforced: bool) -> Handler:
    """A handler of MiniStack's that asks the secret's own KMS key whether its caller may.

    Args:
        handler: answers the service's requests.
        enforced: whether policies are checked at all.
    """

    async def wrapped(
        method: str, path: str, headers: Mapping[str, str], body: bytes, query: Mapping[str, Any]
    ) -> Response:
        denied = _denied(headers, body) if enforced else None
        return denied or await handler(method, path, headers, body, query)

    return wrapped


def _denied(headers: Mapping[str, str], body: bytes) -> Response | None:
    """The refusal of a caller that may use the secret and not its key, through Secrets Manager."""
    request = json.loads(body or b"{}")
    _, secret = secretsmanager._resolve(request.get("SecretId"))
    key = kms._resolve_key(secret["KmsKeyId"]) if secret and secret.get("KmsKeyId") else None
    if secret is None or key is None:
        return None
    context = {
        "kms:ViaService": f"secretsmanager.{get_region()}.amazonaws.com",
        "kms:CallerAccount": get_account_id(),
        "kms:EncryptionContext:SecretARN": secret["ARN"],
    }
    for use in _KEY_USES.get(headers.get("x-amz-target", "").rpartition(".")[2], ()):
        caller = extract_access_key_id(dict(headers), {})
        refused = enforce(caller, use, "kms", get_region(), resource_arn=key["Arn"], service_context=context)
        if refused:
            principal = getattr(refused, "principal_arn", "")
            answer: Response = access_denied_response(
                "secretsmanager", use, principal, str(uuid.uuid4()), resource_arn=key["Arn"]
            )
            return answer
    return None


def _once(put: Callable[[dict[str, Any]], Response]) -> Callable[[dict[str, Any]], Response]:
    """PutSecretValue: a version's content never changes, and a version stays when its last label goes.

    https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_PutSecretValue.html
    """

    def wrapped(request: dict[str, Any]) -> Response:
        _, secret = secretsmanager._resolve(request.get("SecretId"))
        if secret is None or secret.get("DeletedDate"):
            return put(request)
        before = dict(secret["Versions"])
        known = before.get(request.get("ClientRequestToken"))
        if known is not None:
            return _again(secret, request, known)
        for version in before.values():
            version["Stages"] = [each for each in version["Stages"] if each not in _labels(request) - {_CURRENT}]
        status, headers, answer = put(request)
        for name, version in before.items():
            secret["Versions"].setdefault(name, version)
        if not before:
            (first,) = secret["Versions"].values()
            first["Stages"] = sorted({*first["Stages"], _CURRENT})
        return status, headers, answer

    return wrapped


def _labels(request: dict[str, Any]) -> set[str]:
    return set(request.get("VersionStages") or [_CURRENT])


def _again(secret: dict[str, Any], request: dict[str, Any], known: dict[str, Any]) -> Response:
    token = request["ClientRequestToken"]
    if any(request.get(name) != known.get(name) for name in _VALUES):
        text = f"You can't modify the value of the version {token}; you can only create new versions."
        refusal: Response = error_response_json("ResourceExistsException", text, 400)
        return refusal
    told = {"ARN": secret["ARN"], "Name": secret["Name"], "VersionId": token, "VersionStages": known["Stages"]}
    answer: Response = json_response(told)
    return answer


def _with_token(create: Callable[[dict[str, Any]], Response]) -> Callable[[dict[str, Any]], Response]:
    """CreateSecret: the token names the first version; without a value there is none.

    https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_CreateSecret.html
    """

    def wrapped(request: dict[str, Any]) -> Response:
        status, headers, answer = create(request)
        told = json.loads(answer)
        if "VersionId" not in told:
            return status, headers, answer
        versions = secretsmanager._secrets[told["Name"]]["Versions"]
        made = versions.pop(told.pop("VersionId"))
        if any(request.get(name) is not None for name in _VALUES):
            told["VersionId"] = request.get("ClientRequestToken") or str(uuid.uuid4())
            versions[told["VersionId"]] = made
        return status, headers, json.dumps(told).encode()

    return wrapped
