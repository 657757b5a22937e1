"""A running lab, looked at."""

from __future__ import annotations

import json
import time
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from lab.client_tls import ClientTls
from lab.control import Control
from lab.deployment import aws_environment
from lab.etcdctl import Etcdctl
from lab.hosts.user_data import environment_file
from lab.paths import LabError
from lab.site import LabState

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_T = TypeVar("_T")
_POLL_S: Final = (0.05, 0.25)  # at first, at last: to look takes some 20 ms of a processor
_POLL_PART: Final = 20


class Observed:
    """What can be seen of a lab.

    Args:
        directory: keeps all files of the lab.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory.resolve()
        self._state: LabState | None = None
        self._clients: dict[tuple[str, int], Any] = {}

    @property
    def state(self) -> LabState:
        """Its ports, addresses and processes.

        Raises:
            LabError: it was not started.
        """
        if self._state is None:
            self._state = LabState.load(self.directory)
        return self._state

    # -- looking ------------------------------------------------------------------------------------------------------

    def client(self, service: str, *, role_arn: str = "", tries: int = 0) -> Any:  # noqa: ANN401  # made at run time
        """A boto3 client of the local AWS.

        Args:
            service: boto3's name of it.
            role_arn: the client acts as this role; default: as the account's root, who may do everything.
            tries: how often a call is made that fails; default: boto3's.
        """
        if role_arn:
            return self._new_client(service, role_arn, tries)
        if (service, tries) not in self._clients:  # making one takes longer than most calls
            self._clients[service, tries] = self._new_client(service, "", tries)
        return self._clients[service, tries]

    def _new_client(self, service: str, role_arn: str, tries: int) -> Any:  # noqa: ANN401
        import boto3  # noqa: PLC0415  # slow, and not every command needs it
        from botocore.config import Config  # noqa: PLC0415

        environment = aws_environment(self.state.aws_endpoint)
        keys = {
            "AccessKeyId": environment["AWS_ACCESS_KEY_ID"],
            "SecretAccessKey": environment["AWS_SECRET_ACCESS_KEY"],
        }
        if role_arn:
            assumed = self.client("sts").assume_role(RoleArn=role_arn, RoleSessionName="lab")
            keys = assumed["Credentials"]
        session: Any = boto3.session.Session(
            aws_access_key_id=keys["AccessKeyId"],
            aws_secret_access_key=keys["SecretAccessKey"],
            aws_session_token=keys.get("SessionToken"),
            region_name=environment["AWS_REGION"],
        )
        config = Config(proxies={}, retries={"total_max_attempts": tries} if tries else None)
        return session.client(service, endpoint_url=self.state.aws_endpoint, config=config)

    @property
    def autoscaling(self) -> Any:  # noqa: ANN401
        """A boto3 client of Auto Scaling."""
        return self.client("autoscaling")

    @property
    def sqs(self) -> Any:  # noqa: ANN401
        """A boto3 client of SQS."""
        return self.client("sqs")

    @property
    def ssm(self) -> Any:  # noqa: ANN401
        """A boto3 client of Systems Manager."""
        return self.client("ssm")

    @cached_property
    def control(self) -> Control:
        """The lab's own door: journal of transitions, calls, pace, faults, events."""
        return Control(self.state.control_url)

    @property
    def etcdctl(self) -> Etcdctl:
        """An etcdctl that knows the members' client URLs, and has a client's certificate if one is needed."""
        return Etcdctl(Path(self.state.etcd), self.client_urls(), self.tls)

    @property
    def tls(self) -> ClientTls:
        """The key and certificate of the lab's own client."""
        prefix = f"/etcd-aws-cluster/{self.state.cluster}"
        return ClientTls(lambda: self.ssm, prefix, self.directory / "client" / self.state.cluster)

    def client_urls(self) -> list[str]:
        """The client URLs of the cluster's hosts that are on, and know already that they are members."""
        hosts = [each for each in self.hosts() if each["group"] == self.state.cluster and each["powered"]]
        files = {each["address"]: environment_file(self.peers_file(each["instance_id"])) for each in hosts}
        # A file that is the seed's has no URLs: its unit sets them.
        advertised = [
            file.get("ETCD_ADVERTISE_CLIENT_URLS", f"http://{address}:2379") for address, file in files.items() if file
        ]
        return [url.split(",")[0] for url in advertised]

    def group(self, name: str | None = None) -> dict[str, Any]:
        """A group (default: the cluster's) as DescribeAutoScalingGroups shows it.

        Raises:
            LabError: there is none.
        """
        wanted = name or self.state.cluster
        found = self.autoscaling.describe_auto_scaling_groups(AutoScalingGroupNames=[wanted])["AutoScalingGroups"]
        if not found:
            raise LabError(f"no Auto Scaling group {wanted}: deploy first")
        shown: dict[str, Any] = found[0]
        return shown

    def instances(self, name: str | None = None) -> dict[str, str]:
        """Lifecycle states of a group's instances by instance id."""
        return {each["InstanceId"]: each["LifecycleState"] for each in self.group(name)["Instances"]}

    def hosts(self) -> list[dict[str, Any]]:
        """All hosts ever started: ``instance_id``, ``address``, ``zone``, ``group``, ``state``, ``powered``."""
        listed: list[dict[str, Any]] = self.control.instances()["instances"]
        return listed

    def queue_url(self, *, dead_letters: bool = False) -> str:
        """The URL of the controller's queue, or of its dead-letter queue."""
        urls: list[str] = self.sqs.list_queues()["QueueUrls"]
        attributes = {
            url: self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"] for url in urls
        }
        return next(url for url in urls if ("RedrivePolicy" in attributes[url]) is not dead_letters)

    def record(self) -> dict[str, Any] | None:
        """The cluster's record, or None."""
        name = f"/etcd-aws-cluster/{self.state.cluster}/record"
        found = self.ssm.get_parameters(Names=[name])["Parameters"]
        if not found:
            return None
        record: dict[str, Any] = json.loads(found[0]["Value"])
        return record

    def transitions(self, *, after: int = 0, wait_s: float = 0.0) -> list[dict[str, Any]]:
        """The journal: ``seq``, ``at`` (this machine's monotonic seconds), ``kind``, ``instance``, ``to`` and more.

        ``kind`` is ``lifecycle`` (``from``, ``to``, ``cause``) or ``host`` (``to`` is booted, agent-started,
        agent-done, etcd-started, etcd-ended).
        """
        return self.control.transitions(after=after, wait_s=wait_s)

    def newest_transition(self) -> int:
        """The ``seq`` of the journal's last line; 0 if there is none yet."""
        return max((int(each["seq"]) for each in self.transitions()), default=0)

    def folder(self, instance_id: str) -> Path:
        """The root folder of an instance's host, with ``agent.log`` and ``etcd.log``."""
        return self.directory / "instances" / instance_id

    def peers_file(self, instance_id: str) -> str:
        """The file that the agent wrote there; empty if there is none."""
        path = self.folder(instance_id) / "etc" / "sysconfig" / "etcd-peers"
        return path.read_text(encoding="utf-8") if path.exists() else ""

    def function_log(self, *, since_ms: int = 0) -> list[str]:
        """What the controller's runs logged, oldest first.

        Args:
            since_ms: nothing older than this (epoch milliseconds).
        """
        logs, lines = self.client("logs"), []
        for group in logs.describe_log_groups()["logGroups"]:
            for page in logs.get_paginator("filter_log_events").paginate(
                logGroupName=group["logGroupName"], startTime=since_ms
            ):
                lines += [(event["timestamp"], event["message"].rstrip()) for event in page["events"]]
        return [message for _, message in sorted(lines, key=lambda line: line[0])]

    def run_for(self, message_id: str, *, since_ms: int = 0) -> dict[str, Any]:
        """How the first run ended that had taken a message, as it was logged; empty if none has.

        Runs that were under way when the message came, or came of others, are not taken for it.

        Args:
            message_id: the message's.
            since_ms: it was sent after this (epoch milliseconds).
        """
        was_taken = False
        for line in self.function_log(since_ms=since_ms):
            entry = json.loads(line) if line.startswith("{") else {}
            was_taken |= entry.get("message_id") == message_id
            if was_taken and entry.get("message") == "run":
                return dict(entry)
        return {}

    # -- waiting ------------------------------------------------------------------------------------------------------

    def wait_for(self, predicate: Callable[[], _T], timeout_s: float, description: str) -> _T:
        """Wait until the predicate is true, and return what it returned.

        Raises:
            LabError: it was not within the time; the message says what was waited for, and how things stood.
        """
        began = time.monotonic()
        while True:
            value = predicate()
            if value:
                return value
            waited_s = time.monotonic() - began
            if waited_s >= timeout_s:
                raise LabError(f"waited {timeout_s:g} s for {description}; now {self._how_things_stand()}")
            time.sleep(min(max(waited_s / _POLL_PART, _POLL_S[0]), _POLL_S[1]))

    def wait_in_service(self, count: int, timeout_s: float, name: str | None = None) -> None:
        """Wait until the group has exactly so many instances, all of them in service.

        Raises:
            LabError: it had not within the time.
        """

        def settled() -> bool:
            states = list(self.instances(name).values())
            return states == ["InService"] * count

        self.wait_for(
            settled, timeout_s, f"{count} instances of {name or self.state.cluster} to be InService, no other"
        )

    def _how_things_stand(self) -> str:
        try:
            return f"{self.instances()}; the controller's last decision: {last_decision(self.function_log())}"
        except Exception as error:  # noqa: BLE001  # only words for a message that is raised anyway
            return f"nothing can be said ({error})"


def last_decision(log: Sequence[str]) -> str:
    """What the controller decided last and why, and what it could not read, for a message."""
    for line in reversed(log):
        if line.startswith("{") and (entry := json.loads(line)).get("message") == "decision":
            said = " ".join(str(entry.get(name, "")) for name in ("timestamp", "kind", "reason", "detail"))
            problems = entry.get("problems")
            return f"{said}; it could not read {problems}" if problems else said
    return "none"
