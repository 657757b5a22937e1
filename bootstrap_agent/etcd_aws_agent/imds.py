"""The instance metadata service, version 2 only: a token first, then the identity document."""

from __future__ import annotations

import ipaddress
import json
import re
from typing import Any

from botocore.awsrequest import AWSRequest

from etcd_aws_agent.errors import ExitCode, MetadataError, UnavailableError
from etcd_aws_agent.identity import Identity
from etcd_aws_agent.record import INSTANCE_ID
from etcd_aws_agent.transport import Answer, Transport

HTTP_OK = 200
_TOKEN = re.compile(r"[!-~]{1,1024}", re.ASCII)
_REGION = re.compile(r"[a-z]{2,}(-[a-z0-9]+)+", re.ASCII)


class MetadataService:
    """Reads who this instance is; one document has all of it.

    https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instance-identity-documents.html
    """

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint
        self._transport = Transport()  # link-local: never through a proxy

    def identity(self, *, region: str | None) -> Identity:
        """Return who this instance is; a given `region` is taken over the service's.

        Raises:
            MetadataError: the service does not answer, or a field is missing or malformed.
        """
        token = self._request("PUT", "/latest/api/token", {"X-aws-ec2-metadata-token-ttl-seconds": "60"})
        if not _TOKEN.fullmatch(token):
            raise self._unavailable("the token has characters that no token has")
        text = self._request("GET", "/latest/dynamic/instance-identity/document", {"X-aws-ec2-metadata-token": token})
        try:
            document = json.loads(text)
        except ValueError as error:
            raise self._unavailable("the identity document is not JSON") from error
        if not isinstance(document, dict):
            raise self._unavailable("the identity document is not an object")
        return Identity(
            region=region or _field(document, "region", _REGION, ExitCode.REGION_UNKNOWN),
            instance_id=_field(document, "instanceId", INSTANCE_ID, ExitCode.INSTANCE_ID_UNKNOWN),
            private_ip=_address(document),
        )

    def _request(self, method: str, path: str, headers: dict[str, str]) -> str:
        try:
            answer: Answer = self._transport.send(AWSRequest(method, self._endpoint + path, headers=headers))
        except UnavailableError as error:
            raise self._unavailable(str(error)) from error
        if answer.status != HTTP_OK:
            raise self._unavailable(f"{method} {path} answered {answer.status}")
        return answer.body.decode("utf-8", "replace")

    def _unavailable(self, problem: str) -> MetadataError:
        return MetadataError(f"IMDSv2 at {self._endpoint}: {problem}", ExitCode.METADATA_UNAVAILABLE)


def _field(document: dict[str, Any], key: str, pattern: re.Pattern[str], exit_code: ExitCode) -> str:
    value = document.get(key)
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise MetadataError(f"identity document: {key} is {value!r}; expected {pattern.pattern}", exit_code)
    return value


def _address(document: dict[str, Any]) -> str:
    value = document.get("privateIp")
    try:
        return str(ipaddress.IPv4Address(value if isinstance(value, str) else ""))
    except ValueError as error:
        message = f"identity document: privateIp is {value!r}; expected an IPv4 address"
        raise MetadataError(message, ExitCode.PRIVATE_IP_UNKNOWN) from error
