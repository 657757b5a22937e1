"""What MiniStack's check of IAM policies needs beside itself, where the lab is told to enforce them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from ministack import app
from ministack.core import iam_actions, iam_evaluator

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def install(group_of: Callable[[str], str]) -> None:
    """Let plain HTTP on loopback count as TLS, and name resources that MiniStack cannot.

    Without the one, policies that refuse plain HTTP refuse everything; without the other, a role that may read certain
    parameters, or set the health of a certain group's instances, could do neither.

    Args:
        group_of: the name of an instance's Auto Scaling group; empty if it has none.
    """
    pin, name_resource = iam_evaluator.pin_request_origin, iam_actions.extract_resource_arn

    def pin_as_tls(source_ip: str, secure_transport: bool) -> None:  # noqa: ARG001, FBT001  # MiniStack's signature
        pin(source_ip, True)  # noqa: FBT003

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
        if service == "ssm" and headers.get("x-amz-target", "").endswith(".GetParameters"):
            # AWS checks each of the names; one stands here for all, since the function asks for its own only.
            names = json.loads(body).get("Names") or [""]
            return f"arn:aws:ssm:{region}:{account}:parameter/{names[0].removeprefix('/')}"
        if service == "ssm" and headers.get("x-amz-target", "").endswith(".GetParametersByPath"):
            # AWS checks the path as it was given; MiniStack knows only names.
            return f"arn:aws:ssm:{region}:{account}:parameter/{json.loads(body).get('Path', '/').removeprefix('/')}"
        if service == "autoscaling" and b"AutoScalingGroupName" not in body:
            # SetInstanceHealth and the like name an instance; AWS checks its group.
            group = group_of(parse_qs(body.decode()).get("InstanceId", [""])[0])
            if group:
                return f"arn:aws:autoscaling:{region}:{account}:autoScalingGroup:*:autoScalingGroupName/{group}"
        return str(name_resource(service, method, path, headers, body, query, region, account))

    iam_evaluator.pin_request_origin = pin_as_tls
    app.pin_request_origin = pin_as_tls
    iam_actions.extract_resource_arn = resource
    pin("127.0.0.1", True)  # noqa: FBT003
