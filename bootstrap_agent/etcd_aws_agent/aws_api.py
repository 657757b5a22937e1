"""The AWS calls of the agent: its record, the group that has a Name tag, and what certificates need.

They are signed by botocore and sent without its service models: docs/decisions/0002-agent-runtime.md.
"""

from __future__ import annotations

import json
import os
import pkgutil
import re
import xml.etree.ElementTree as ET
from functools import cached_property
from typing import Any
from urllib.parse import urlencode

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.utils import get_environ_proxies

from etcd_aws_agent.credentials import CredentialChain
from etcd_aws_agent.errors import DeniedError, GroupLookupError, ThrottledError, UnavailableError
from etcd_aws_agent.transport import Answer, Transport

HTTP_OK = 200
HTTP_SERVER_ERROR = 500
_THROTTLED = 429
_NO_SUCH_THING = ("ParameterNotFound", "ResourceNotFoundException")
_TOO_MANY = re.compile(r"Throttl|TooManyRequests|RequestLimitExceeded")
_TEMPORARY = re.compile(r"ServiceUnavailable|InternalFailure|InternalServer")


class SignedService:
    """One AWS service in one region."""

    def __init__(self, name: str, *, endpoint: str | None, region: str, credentials: CredentialChain) -> None:
        self._name = name
        self._endpoint = endpoint
        self._region = region
        self._credentials = credentials

    # Both are made when something is asked: most hosts ask one service only.
    @cached_property
    def _url(self) -> str:
        return f"{self._endpoint or f'https://{self._name}.{self._region}.{dns_suffix(self._region)}'}/"

    @cached_property
    def _transport(self) -> Transport:
        return Transport(verify=os.environ.get("AWS_CA_BUNDLE") or True, proxies=get_environ_proxies(self._url))

    def post(self, body: str, headers: dict[str, str]) -> Answer:
        """Send a signed POST.

        Raises:
            UnavailableError: no answer, or no credentials.
        """
        request = AWSRequest("POST", self._url, headers=headers, data=body.encode())
        keys = self._credentials.current()
        SigV4Auth(keys, self._name, self._region).add_auth(request)  # type: ignore[arg-type]  # it needs these three
        return self._transport.send(request)

    def failure(self, answer: Answer, code: str, message: str, *, action: str, subject: str) -> Exception:
        """Return the error that an answer stands for: worth another attempt soon, or a refusal."""
        what = f"{action} {subject}: {answer.status} {code} {message}".strip()
        if answer.status == _THROTTLED or _TOO_MANY.search(code):
            return ThrottledError(what)
        if answer.status >= HTTP_SERVER_ERROR or _TEMPORARY.search(code):
            return UnavailableError(what)
        # Expired or not yet known keys look like this too.
        self._credentials.forget()
        return DeniedError(what)

    def call(self, target: str, request: dict[str, Any], *, action: str, subject: str) -> dict[str, Any] | str:
        """Make a call of a service that speaks JSON; return its answer, or the code with which it says no such thing.

        Raises:
            UnavailableError: no answer to rely on.
            DeniedError: names the action and its subject.
        """
        headers = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": target}
        answer = self.post(json.dumps(request), headers)
        document = _json_object(answer, action)
        if answer.status == HTTP_OK:
            return document
        code = str(document.get("__type", "")).rpartition("#")[2]
        if code in _NO_SUCH_THING:
            return code
        message = str(document.get("message") or document.get("Message") or "")
        raise self.failure(answer, code, message, action=action, subject=subject)


class ParameterStore:
    """Parameters of AWS Systems Manager."""

    def __init__(self, service: SignedService) -> None:
        self._service = service

    def get(self, name: str, *, decrypted: bool = False) -> str | None:
        """Return a parameter's value, or None when Parameter Store says that there is no such parameter.

        Raises:
            UnavailableError: no answer to rely on.
            DeniedError: names the action and the parameter.
        """
        found = self.newest(name, decrypted=decrypted)
        return found[0] if found else None

    def newest(self, name: str, *, decrypted: bool = False) -> tuple[str, int] | None:
        """Return a parameter's value and which version of it that is, or None; raises as `get` does."""
        request = {"Name": name, "WithDecryption": True} if decrypted else {"Name": name}
        document = self._service.call("AmazonSSM.GetParameter", request, action="ssm:GetParameter", subject=name)
        if isinstance(document, str):
            return None
        parameter = document.get("Parameter") or {}
        value, version = parameter.get("Value"), parameter.get("Version")
        if not isinstance(value, str):
            raise UnavailableError(f"ssm:GetParameter {name}: the answer has no Parameter.Value")
        return value, version if isinstance(version, int) else 0

    def put(self, name: str, value: str) -> None:
        """Create or overwrite a parameter of type String.

        Raises:
            UnavailableError: no answer to rely on; it may have been done.
            DeniedError: names the action and the parameter.
        """
        request = {"Name": name, "Value": value, "Type": "String", "Overwrite": True}
        self._service.call("AmazonSSM.PutParameter", request, action="ssm:PutParameter", subject=name)


class Secrets:
    """Secrets of AWS Secrets Manager."""

    def __init__(self, service: SignedService) -> None:
        self._service = service

    def get(self, arn: str) -> str | None:
        """Return a secret's current text, or None when there is no such secret.

        Raises:
            UnavailableError: no answer to rely on.
            DeniedError: names the action and the secret.
        """
        action = "secretsmanager:GetSecretValue"
        document = self._service.call("secretsmanager.GetSecretValue", {"SecretId": arn}, action=action, subject=arn)
        if isinstance(document, str):
            return None
        value = document.get("SecretString")
        if not isinstance(value, str):
            raise UnavailableError(f"{action} {arn}: the answer has no SecretString")
        return value


class GroupTags:
    """Finds an Auto Scaling group by its Name tag."""

    def __init__(self, service: SignedService) -> None:
        self._service = service

    def group_named(self, tag_value: str) -> str:
        """Return the name of the one group whose tag `Name` is exactly `tag_value`.

        Raises:
            GroupLookupError: none or several have it.
            UnavailableError: no answer to rely on.
            DeniedError: names the action.
        """
        groups: set[str] = set()
        next_token = ""
        while True:
            page, next_token = self._page(tag_value, next_token)
            groups |= page
            if not next_token or len(groups) > 1:
                break
        if len(groups) == 1:
            return groups.pop()
        found = f"groups {', '.join(sorted(groups))}" if groups else "no group"
        raise GroupLookupError(
            f"PROXY_ASG={tag_value!r} with ASG_BY_TAG: {found} found; expected one with this Name tag"
        )

    def _page(self, tag_value: str, next_token: str) -> tuple[set[str], str]:
        query = {
            "Action": "DescribeTags",
            "Version": "2011-01-01",
            "Filters.member.1.Name": "key",
            "Filters.member.1.Values.member.1": "Name",
            "Filters.member.2.Name": "value",
            "Filters.member.2.Values.member.1": tag_value,
        }
        if next_token:
            query["NextToken"] = next_token
        answer = self._service.post(
            urlencode(query), {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
        )
        try:
            root = ET.fromstring(answer.body)  # noqa: S314 - AWS's own, over TLS and bounded in size
        except ET.ParseError as error:
            raise UnavailableError(f"autoscaling:DescribeTags: {answer.status}, and no XML: {error}") from error
        if answer.status != HTTP_OK:
            code, message = (root.findtext(f".//{{*}}{tag}", "") for tag in ("Code", "Message"))
            raise self._service.failure(answer, code, message, action="autoscaling:DescribeTags", subject=tag_value)
        # The filters above are exact on AWS; looked at again here, for a wrong group is a wrong cluster.
        groups = {
            tag.findtext("{*}ResourceId", "")
            for tag in root.iterfind(".//{*}Tags/{*}member")
            if (tag.findtext("{*}Key"), tag.findtext("{*}Value")) == ("Name", tag_value)
        }
        return groups, root.findtext(".//{*}NextToken", "")


def dns_suffix(region: str) -> str:
    """Return the domain of a region's endpoints, from botocore's list of partitions."""
    partitions = json.loads(pkgutil.get_data("botocore", "data/partitions.json") or b"{}")["partitions"]
    known = (p["outputs"]["dnsSuffix"] for p in partitions if re.match(p["regionRegex"], region))
    return str(next(known, "amazonaws.com"))


def _json_object(answer: Answer, action: str) -> dict[str, Any]:
    try:
        document = json.loads(answer.body)
    except (ValueError, RecursionError):
        document = None
    if isinstance(document, dict):
        return document
    raise UnavailableError(f"{action}: {answer.status}, and no JSON object")
