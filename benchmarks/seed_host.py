"""A local AWS for one host that boots, as the seed's script asks it and as the agent does, and what each would run."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from benchmarks.seed_way import aws_program
from tests.unit.agent.fake_aws import ADDRESS, INSTANCE, Scripted, form
from tests.unit.agent.fake_pki import RECORD, PkiAws
from tests.unit.agent.records import a_record, an_entry

SCRIPT: Final = Path(__file__).with_name("seed_host.sh")
TOOLS: Final = ("bash", "jq", "curl")
PAUSE_S: Final = 3.0
OTHERS: Final = {f"i-0000000{number}": f"127.0.0.{number}" for number in (1, 2, 3)}
"""Three hosts that run a cluster; their etcds are played on loopback."""

_GROUPS: Final = "http://autoscaling.amazonaws.com/doc/2011-01-01/"
_EC2: Final = "http://ec2.amazonaws.com/doc/2016-11-15/"


@dataclass(frozen=True)
class Scenario:
    """What a host boots into.

    Attributes:
        is_proxy: it is one, and in no group.
        others: hosts of the group besides, by instance id.
    """

    name: str
    is_proxy: bool = False
    others: dict[str, str] = field(default_factory=dict, hash=False)

    @property
    def group(self) -> dict[str, str]:
        """The group's instances: id and address."""
        return dict(self.others) if self.is_proxy else {**self.others, INSTANCE: ADDRESS}

    def record(self) -> str:
        """Return what the controller has published."""
        started = bool(self.others)
        others = [
            an_entry(each, address=address, member_id=each[-1], started=True) for each, address in self.others.items()
        ]
        own = [] if self.is_proxy else [an_entry()]
        return a_record(*others, *own, state="existing" if started else "new")


SCENARIOS: Final = (
    Scenario("joins three", others=OTHERS),
    Scenario("a proxy of three", is_proxy=True, others=OTHERS),
    Scenario("the first of a new cluster"),
)


class OneHostsAws(PkiAws):
    """Also instance metadata of version 1, which the seed asks, the two services that it asks, and its peers' etcd."""

    scenario: Scenario = SCENARIOS[0]

    def play(self, scenario: Scenario) -> None:
        """Be as it is when a host boots into this."""
        self.scenario = scenario
        self.parameters = {name: value for name, value in self.parameters.items() if name.endswith("/ca-bundle")}
        self.parameters[RECORD] = scenario.record()
        self.requests.clear()
        self.calls.clear()

    def answer(self, method: str, path: str, headers: dict[str, str], body: str) -> Scripted:
        """Answer one request."""
        if path == "/v2/members":
            return Scripted(200, self._members()) if method == "GET" else Scripted(201, b"{}")
        if path.startswith("/latest/") and method == "GET" and "x-aws-ec2-metadata-token" not in headers:
            return self._version_1(path)
        action = form(body).get("Action", "") if "x-amz-target" not in headers else ""
        if action == "DescribeAutoScalingGroups":
            return Scripted(200, self._groups())
        if action == "DescribeInstances":
            return Scripted(200, self._instances())
        return super().answer(method, path, headers, body)

    def _version_1(self, path: str) -> Scripted:
        told = {"instance-id": self.document["instanceId"], "local-ipv4": self.document["privateIp"]}
        if path.startswith("/latest/dynamic/"):
            return Scripted(200, json.dumps(self.document).encode())
        return Scripted(200, told[path.rpartition("/")[2]].encode())

    def _members(self) -> bytes:
        members: list[dict[str, Any]] = [
            {"id": f"a{each[-1]}", "name": each, "peerURLs": [f"http://{address}:2380"], "clientURLs": []}
            for each, address in self.scenario.others.items()
        ]
        return json.dumps({"members": members}).encode()

    def _groups(self) -> bytes:
        instances = "".join(
            f"<member><InstanceId>{each}</InstanceId><AvailabilityZone>us-east-1a</AvailabilityZone>"
            "<LifecycleState>InService</LifecycleState><HealthStatus>Healthy</HealthStatus></member>"
            for each in self.scenario.group
        )
        return (
            f'<DescribeAutoScalingGroupsResponse xmlns="{_GROUPS}"><DescribeAutoScalingGroupsResult><AutoScalingGroups>'
            f"<member><AutoScalingGroupName>etcd</AutoScalingGroupName><Instances>{instances}</Instances></member>"
            "</AutoScalingGroups></DescribeAutoScalingGroupsResult></DescribeAutoScalingGroupsResponse>"
        ).encode()

    def _instances(self) -> bytes:
        items = "".join(
            f"<item><instanceId>{each}</instanceId><privateIpAddress>{address}</privateIpAddress><networkInterfaceSet>"
            f"<item><privateIpAddress>{address}</privateIpAddress></item></networkInterfaceSet></item>"
            for each, address in self.scenario.group.items()
        )
        return (
            f'<DescribeInstancesResponse xmlns="{_EC2}"><reservationSet><item><instancesSet>{items}</instancesSet>'
            "</item></reservationSet></DescribeInstancesResponse>"
        ).encode()


def missing_tools() -> list[str]:
    """Return what of the seed's tools this machine does not have."""
    return [tool for tool in TOOLS if shutil.which(tool) is None]


def seed_command() -> Sequence[str]:
    """Return the command that does as the seed does."""
    return [shutil.which("bash") or "bash", str(SCRIPT)]


def seed_environment(scenario: Scenario, url: str, folder: Path, *, pause_s: float) -> dict[str, str]:
    """Return the environment of :func:`seed_command`.

    Args:
        scenario: what the host boots into.
        url: of the AWS.
        folder: the peers file goes there.
        pause_s: after each removal and addition of a member.
    """
    env = {
        "PATH": f"{aws_program().parent}:{os.environ['PATH']}",
        "HOME": str(folder),
        "METADATA": url,
        "AWS_ENDPOINT_URL": url,
        "AWS_EC2_METADATA_SERVICE_ENDPOINT": url,
        "PEERS_FILE": str(folder / "seed-peers"),
        "ETCD_CLIENT_PORT": str(urlsplit(url).port),
        "PAUSE_S": f"{pause_s:g}",
    }
    return env | ({"PROXY_ASG": "etcd"} if scenario.is_proxy else {})


def agent_environment(scenario: Scenario, url: str, folder: Path, *, is_https: bool) -> dict[str, str]:
    """Return the environment of the agent.

    Args:
        scenario: what the host boots into.
        url: of the AWS.
        folder: files go there.
        is_https: the agent has a certificate made, which the seed does not.
    """
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "ETCD_DATA_DIR": str(folder / "etcd"),
        "ETCD_PEERS_FILE": str(folder / "etcd-peers"),
        "ETCD_PKI_DIR": str(folder / "pki"),
        "AWS_ENDPOINT_URL": url,
        "AWS_EC2_METADATA_SERVICE_ENDPOINT": url,
    }
    env |= {"PROXY_ASG" if scenario.is_proxy else "CLUSTER_NAME": "etcd"}
    return env | ({"ETCD_PKI": "automatic"} if is_https else {})
