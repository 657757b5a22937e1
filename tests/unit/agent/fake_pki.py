"""An AWS with parameters that stay, a secret, and a controller that answers certificate requests."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from tests.unit.agent.authority import Authority
from tests.unit.agent.fake_aws import INSTANCE, FakeAws, Scripted, parameter, ssm_error
from tests.unit.agent.records import a_record, an_entry, two_others

PREFIX = "/etcd-aws-cluster/etcd"
RECORD = f"{PREFIX}/record"
BUNDLE = f"{PREFIX}/ca-bundle"
REQUEST = f"{PREFIX}/certificate-requests/{INSTANCE}"
ANSWER = f"{PREFIX}/certificates/{INSTANCE}"


@dataclass
class PkiAws(FakeAws):
    """Parameter Store with state.

    Attributes:
        ca: signs; None: the controller is not well, and answers nothing.
        life: of what is issued, as `Authority.issue` takes it.
        troubles: answers that are given before all others, each once; `down` is given for ever.
    """

    ca: Authority | None = field(default_factory=Authority)
    parameters: dict[str, str] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    life: dict[str, float] = field(default_factory=dict)
    troubles: list[Scripted] = field(default_factory=list)
    down: Scripted | None = None
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.parameters.setdefault(RECORD, a_record(an_entry(), *two_others()))
        if self.ca:
            self.parameters[BUNDLE] = self.ca.pem

    def answer(self, method: str, path: str, headers: dict[str, str], body: str) -> Scripted:
        if "x-amz-target" not in headers:
            return super().answer(method, path, headers, body)
        self.requests.append((method, path, headers, body))
        action, request = headers["x-amz-target"].rpartition(".")[2], json.loads(body)
        self.calls.append((action, request))
        if self.troubles:
            return self.troubles.pop(0)
        return self.down or getattr(self, f"_{action}")(request)

    def puts(self) -> list[dict[str, Any]]:
        return [request for action, request in self.calls if action == "PutParameter"]

    def _GetParameter(self, request: dict[str, Any]) -> Scripted:  # noqa: N802 - AWS's name
        value = self.parameters.get(request["Name"])
        return ssm_error("ParameterNotFound") if value is None else parameter(value)

    def _PutParameter(self, request: dict[str, Any]) -> Scripted:  # noqa: N802 - AWS's name
        assert (request["Type"], request["Overwrite"]) == ("String", True)
        self.parameters[request["Name"]] = request["Value"]
        if self.ca:
            answer = request["Name"].replace("/certificate-requests/", "/certificates/")
            addresses = (self.document["privateIp"], "127.0.0.1")
            self.parameters[answer] = self.ca.answer(request["Value"], addresses, **self.life)
        return Scripted(200, b'{"Version": 1}')

    def _GetSecretValue(self, request: dict[str, Any]) -> Scripted:  # noqa: N802 - AWS's name
        value = self.secrets.get(request["SecretId"])
        if value is None:
            return ssm_error("ResourceNotFoundException")
        return Scripted(200, json.dumps({"ARN": request["SecretId"], "SecretString": value}).encode())
