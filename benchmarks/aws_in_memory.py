"""AWS in memory behind real boto3 clients: the shipped adapters make their real calls, and each is counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import boto3.session
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders

from etcd_aws_cluster.core.model import InstanceId, Result, Transition
from etcd_aws_cluster.wiring import CLIENT_CONFIG
from tests.fakes.fake_clock import FakeClock
from tests.fakes.fake_group import FakeGroup

HOOKS: Final = {Transition.LAUNCHING: "etcd-launch", Transition.TERMINATING: "etcd-terminate"}
_TRANSITIONS: Final = {name: transition for transition, name in HOOKS.items()}
_PAGE: Final = 10
"""Most parameters that one GetParametersByPath returns:
https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetParametersByPath.html"""

Answer = Mapping[str, Any]


@dataclass(frozen=True)
class Call:
    """One call, and when: seconds since the world began."""

    at: float
    name: str


class AwsError(Exception):
    """What AWS refuses; the text is its code."""


class AwsInMemory:
    """Auto Scaling, EC2, Parameter Store, Secrets Manager and Route 53 of one cluster.

    Args:
        clock: Of the world.
        group: What Auto Scaling and EC2 tell and change.
        parameters: What Parameter Store has, by the name without ``prefix``.
        prefix: Of the cluster's parameters.

    Attributes:
        calls: Every call of the controller.
        of_hosts: Every call of the hosts, which have no client here.
        on_request: Called when a request for a certificate was written.
    """

    def __init__(
        self, clock: FakeClock, group: FakeGroup, parameters: MutableMapping[str, str], *, prefix: str
    ) -> None:
        self.calls: list[Call] = []
        self.of_hosts: list[Call] = []
        self.on_request: Callable[[], None] = lambda: None
        self._clock = clock
        self._group = group
        self._parameters = parameters
        self._prefix = f"{prefix}/"
        self._writers: dict[str, str] = {}
        self._versions: Counter[str] = Counter()
        self._secrets: dict[str, str] = {}
        self._record_sets: list[dict[str, Any]] = []
        self._session = boto3.session.Session(
            aws_access_key_id="none",
            aws_secret_access_key="none",  # noqa: S106 - nothing is sent
            region_name="us-east-1",
        )

    def client(self, service: str) -> Any:  # noqa: ANN401 - any of boto3's clients
        """Return a real client; its calls end here, after botocore has checked and serialised them."""
        client: Any = self._session.client(service, config=CLIENT_CONFIG)  # type: ignore[call-overload]  # one of its names

        def note(params: Mapping[str, Any], context: dict[str, Any], **_: object) -> None:
            context["asked"] = params

        def answer(model: Any, context: Mapping[str, Any], **_: object) -> tuple[AWSResponse, Answer]:  # noqa: ANN401
            self.calls.append(Call(self._clock.monotonic(), f"{service}:{model.name}"))
            try:
                return _response(200), getattr(self, f"_{service}_{model.name}")(context["asked"])
            except AwsError as refusal:
                return _response(400), {"Error": {"Code": str(refusal), "Message": str(refusal)}}

        client.meta.events.register("before-parameter-build", note)
        client.meta.events.register("before-call", answer)
        return client

    # What hosts do

    def host_reads(self, name: str) -> str | None:
        """Have a host read a parameter of the cluster."""
        self.of_hosts.append(Call(self._clock.monotonic(), "ssm:GetParameter"))
        return self._parameters.get(name)

    def host_asks(self, instance_id: str, request: str, *, writer: str) -> None:
        """Have a host ask for a certificate."""
        self.of_hosts.append(Call(self._clock.monotonic(), "ssm:PutParameter"))
        name = f"certificate-requests/{instance_id}"
        self._put(name, request)
        self._writers[name] = writer
        self.on_request()

    # The calls, named by service and operation; botocore has checked what is asked

    def _autoscaling_DescribeAutoScalingGroups(self, _: Answer) -> Answer:  # noqa: N802 - AWS's names
        group = self._group.read(())
        instances = [
            {"InstanceId": i.instance_id, "LifecycleState": i.lifecycle_raw, "HealthStatus": "Healthy"}
            for i in group.instances
        ]
        return {
            "AutoScalingGroups": [
                {"AutoScalingGroupARN": group.arn, "DesiredCapacity": group.desired, "Instances": instances}
            ]
        }

    def _autoscaling_CompleteLifecycleAction(self, asked: Answer) -> Answer:  # noqa: N802
        self._group.complete(*_action(asked), Result(asked["LifecycleActionResult"]))
        return {}

    def _autoscaling_RecordLifecycleActionHeartbeat(self, asked: Answer) -> Answer:  # noqa: N802
        self._group.heartbeat(*_action(asked))
        return {}

    def _ec2_DescribeInstances(self, asked: Answer) -> Answer:  # noqa: N802
        ((wanted,),) = ((each["Values"] for each in asked["Filters"]),)
        instances = [
            {
                "InstanceId": i.instance_id,
                "State": {"Name": i.ec2_state.value},
                "PrivateIpAddress": i.private_ip,
                "LaunchTime": datetime.fromtimestamp(i.launched_at, UTC),
            }
            for i in self._group.instances.values()
            if i.instance_id in wanted
        ]
        return {"Reservations": [{"Instances": instances}]}

    def _ssm_GetParameters(self, asked: Answer) -> Answer:  # noqa: N802
        names = [self._own(name) for name in asked["Names"]]
        return {"Parameters": [self._shown(name) for name in names if name in self._parameters]}

    def _ssm_GetParameter(self, asked: Answer) -> Answer:  # noqa: N802
        name = self._own(asked["Name"])
        if name not in self._parameters:
            raise AwsError("ParameterNotFound")
        return {"Parameter": self._shown(name)}

    def _ssm_GetParametersByPath(self, asked: Answer) -> Answer:  # noqa: N802
        path, start = f"{self._own(asked['Path'])}/", int(asked.get("NextToken", 0))
        below = [n for n in sorted(self._parameters) if n.startswith(path) and "/" not in n.removeprefix(path)]
        more = {"NextToken": str(start + _PAGE)} if len(below) > start + _PAGE else {}
        return {"Parameters": [self._shown(name) for name in below[start : start + _PAGE]], **more}

    def _ssm_GetParameterHistory(self, asked: Answer) -> Answer:  # noqa: N802
        name = self._own(asked["Name"])
        return {"Parameters": [{**self._shown(name), "LastModifiedUser": self._writers[name]}]}

    def _ssm_PutParameter(self, asked: Answer) -> Answer:  # noqa: N802
        name = self._own(asked["Name"])
        if not asked["Overwrite"] and name in self._parameters:
            raise AwsError("ParameterAlreadyExists")
        self._put(name, asked["Value"])
        return {"Version": self._versions[name]}

    def _ssm_DeleteParameter(self, asked: Answer) -> Answer:  # noqa: N802
        if self._parameters.pop(self._own(asked["Name"]), None) is None:
            raise AwsError("ParameterNotFound")
        return {}

    def _secretsmanager_GetSecretValue(self, asked: Answer) -> Answer:  # noqa: N802
        if asked["VersionId"] not in self._secrets:
            raise AwsError("ResourceNotFoundException")
        return {"SecretString": self._secrets[asked["VersionId"]]}

    def _secretsmanager_PutSecretValue(self, asked: Answer) -> Answer:  # noqa: N802
        self._secrets[asked["ClientRequestToken"]] = asked["SecretString"]
        return {}

    def _route53_ListResourceRecordSets(self, _: Answer) -> Answer:  # noqa: N802
        return {"ResourceRecordSets": list(self._record_sets), "IsTruncated": False}

    def _route53_ChangeResourceRecordSets(self, asked: Answer) -> Answer:  # noqa: N802
        for change in asked["ChangeBatch"]["Changes"]:
            new = change["ResourceRecordSet"]
            self._record_sets = [r for r in self._record_sets if (r["Name"], r["Type"]) != (new["Name"], new["Type"])]
            if change["Action"] != "DELETE":
                self._record_sets.append(new)
        return {}

    def _own(self, name: str) -> str:
        return name.removeprefix(self._prefix)

    def _put(self, name: str, value: str) -> None:
        self._parameters[name] = value
        self._versions[name] += 1

    def _shown(self, name: str) -> dict[str, Any]:
        return {"Name": self._prefix + name, "Value": self._parameters[name], "Version": self._versions[name]}


def _action(asked: Answer) -> tuple[InstanceId, Transition]:
    return InstanceId(asked["InstanceId"]), _TRANSITIONS[asked["LifecycleHookName"]]


def _response(status: int) -> AWSResponse:
    return AWSResponse("memory://", status, HTTPHeaders(), None)
