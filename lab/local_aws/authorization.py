"""What MiniStack's check of IAM policies needs beside itself, where the lab is told to enforce them."""

from __future__ import annotations

import json
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs
from xml.etree import ElementTree as ET

from ministack import app
from ministack.core import iam_actions, iam_evaluator
from ministack.core.responses import get_account_id

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from .recorder import Recorder

_SSM_OF_MANY: Final = (".GetParameters", ".DeleteParameters")
_ROUTE53: Final = "{https://route53.amazonaws.com/doc/2013-04-01/}"
_others: ContextVar[tuple[str, ...]] = ContextVar("resources beside the first", default=())


def install(group_of: Callable[[str], str], recorder: Recorder) -> None:
    """Let plain HTTP on loopback count as TLS, name resources and conditions that MiniStack does not, and take notes.

    Without the first, policies that refuse plain HTTP refuse everything; without the second, a role that may set the
    health of a certain group's instances, or change certain records, could do neither.

    Args:
        group_of: the name of an instance's Auto Scaling group; empty if it has none.
        recorder: is told of each call that was checked.
    """
    pin = iam_evaluator.pin_request_origin

    def pin_as_tls(source_ip: str, secure_transport: bool) -> None:  # noqa: ARG001, FBT001  # MiniStack's signature
        pin(source_ip, True)  # noqa: FBT003

    iam_evaluator.pin_request_origin = pin_as_tls
    app.pin_request_origin = pin_as_tls
    iam_actions.extract_resource_arn = _naming(iam_actions.extract_resource_arn, group_of)
    iam_actions.request_tag_context = _with_conditions(iam_actions.request_tag_context)
    iam_evaluator.enforce = _checking_each(iam_evaluator.enforce, recorder)
    pin("127.0.0.1", True)  # noqa: FBT003


def _naming(name_resource: Callable[..., str], group_of: Callable[[str], str]) -> Callable[..., str]:
    def resource(  # noqa: PLR0917  # MiniStack's signature
        service: str,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes,
        query: Mapping[str, Any],
        region: str,
        account: str,
    ) -> str:
        _others.set(())
        if service == "ssm" and headers.get("x-amz-target", "").endswith(_SSM_OF_MANY):
            # AWS checks each of the names.
            names = json.loads(body).get("Names") or [""]
            first, *others = (f"arn:aws:ssm:{region}:{account}:parameter/{name.removeprefix('/')}" for name in names)
            _others.set(tuple(others))
            return first
        if service == "ssm" and headers.get("x-amz-target", "").endswith(".GetParametersByPath"):
            # AWS checks the path as it was given; MiniStack knows only names.
            return f"arn:aws:ssm:{region}:{account}:parameter/{json.loads(body).get('Path', '/').removeprefix('/')}"
        if service == "autoscaling" and b"AutoScalingGroupName" not in body:
            # SetInstanceHealth and the like name an instance; AWS checks its group.
            group = group_of(parse_qs(body.decode()).get("InstanceId", [""])[0])
            if group:
                return f"arn:aws:autoscaling:{region}:{account}:autoScalingGroup:*:autoScalingGroupName/{group}"
        return str(name_resource(service, method, path, headers, body, query, region, account))

    return resource


def _with_conditions(context: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    def conditions(service: str, action: str, body: bytes, query: Mapping[str, Any]) -> dict[str, Any]:
        found = dict(context(service, action, body, query))
        if action == "route53:ChangeResourceRecordSets":
            for values in _changes(body):
                for key, value in values.items():
                    found.setdefault(f"{action}{key}", []).append(value)
        return found

    return conditions


def _changes(body: bytes) -> Iterator[dict[str, str]]:
    """What each change says, by the last part of the condition's key; names lower case, without the last dot."""
    for change in ET.fromstring(body).iter(f"{_ROUTE53}Change"):  # noqa: S314  # of this lab's own processes
        record = f"{_ROUTE53}ResourceRecordSet/{_ROUTE53}"
        yield {
            "Actions": change.findtext(f"{_ROUTE53}Action", ""),
            "NormalizedRecordNames": change.findtext(f"{record}Name", "").removesuffix(".").lower(),
            "RecordTypes": change.findtext(f"{record}Type", ""),
        }


def _checking_each(enforce: Callable[..., Any], recorder: Recorder) -> Callable[..., Any]:
    def check(  # noqa: PLR0917  # MiniStack's signature
        access_key_id: str,
        iam_action: str,
        service: str,
        region: str,
        resource_arn: str = "*",
        service_context: dict[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401  # MiniStack's denial
        principal = iam_evaluator.resolve_principal(access_key_id or "", get_account_id())
        for resource in (resource_arn, *_others.get()):
            denied = enforce(access_key_id, iam_action, service, region, resource, service_context)
            if not isinstance(denied, iam_evaluator.AuthError):  # a wrong signature is no matter of the policies
                recorder.note(getattr(principal, "arn", ""), iam_action, resource, allowed=denied is None)
            if denied:
                return denied
        return None

    return check
