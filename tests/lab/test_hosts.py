"""What surrounds an instance: metadata service, user data, processes, faults."""

import asyncio
import base64
import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import processes
from lab.hosts.user_data import agent_environment, environment_file, old_unit_environment
from lab.local_aws.faults import Fault, Faults
from lab.local_aws.imds import MetadataService, answers
from tests.real_etcd import eventually

FACTS = {
    "instance_id": "i-0abc",
    "address": "127.0.0.9",
    "zone": "us-east-1a",
    "region": "us-east-1",
    "account": "000000000000",
    "image_id": "ami-1",
    "instance_type": "t4g.micro",
    "role": "etcd-role",
    "lifecycle": "InService",
}
TOKEN = "X-aws-ec2-metadata-token"
TTL = "X-aws-ec2-metadata-token-ttl-seconds"


@pytest.fixture
def metadata() -> Iterator[str]:
    service = MetadataService("127.0.0.1", 0, answers(lambda: FACTS, lambda: {"AccessKeyId": "ASIA1"}))
    yield f"http://127.0.0.1:{service.port}"
    service.close()


def ask(url: str, method: str = "GET", **headers: str) -> tuple[int, str]:
    """Status and text of an answer."""
    request = urllib.request.Request(url, method=method, headers=headers)  # noqa: S310  # of this test's own
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=60) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def token(metadata: str) -> str:
    """A session token."""
    return ask(f"{metadata}/latest/api/token", "PUT", **{TTL: "60"})[1]


@pytest.mark.parametrize("headers", [{}, {TOKEN: "made-up"}])
def test_the_metadata_service_answers_401_without_a_token_of_its_own(metadata: str, headers: dict[str, str]) -> None:
    assert ask(f"{metadata}/latest/meta-data/instance-id", **headers)[0] == 401


@pytest.mark.parametrize("ttl", [{}, {TTL: "0"}, {TTL: "21601"}, {TTL: "soon"}])
def test_a_token_without_a_lifetime_of_1_to_21600_seconds_is_refused(metadata: str, ttl: dict[str, str]) -> None:
    assert ask(f"{metadata}/latest/api/token", "PUT", **ttl)[0] == 400


def test_a_token_is_not_given_through_a_proxy(metadata: str) -> None:
    assert ask(f"{metadata}/latest/api/token", "PUT", **{TTL: "60", "X-Forwarded-For": "10.0.0.1"})[0] == 403


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("meta-data/instance-id", "i-0abc"),
        ("meta-data/local-ipv4", "127.0.0.9"),
        ("meta-data/placement/region", "us-east-1"),
        ("meta-data/placement/availability-zone", "us-east-1a"),
        ("meta-data/autoscaling/target-lifecycle-state", "InService"),
        ("meta-data/iam/security-credentials/", "etcd-role"),
    ],
)
def test_with_a_token_the_instance_is_told(metadata: str, path: str, value: str) -> None:
    assert ask(f"{metadata}/latest/{path}", **{TOKEN: token(metadata)}) == (200, value)


def test_the_identity_document_names_the_instance_and_its_address(metadata: str) -> None:
    _, text = ask(f"{metadata}/latest/dynamic/instance-identity/document", **{TOKEN: token(metadata)})
    document = json.loads(text)
    assert (document["instanceId"], document["privateIp"], document["region"]) == ("i-0abc", "127.0.0.9", "us-east-1")


def test_the_roles_credentials_are_given_and_unknown_paths_are_not(metadata: str) -> None:
    base = f"{metadata}/latest/meta-data/iam/security-credentials"
    assert json.loads(ask(f"{base}/etcd-role", **{TOKEN: token(metadata)})[1]) == {"AccessKeyId": "ASIA1"}
    assert ask(f"{base}/other", **{TOKEN: token(metadata)})[0] == 404


def test_the_agents_environment_is_read_out_of_user_data() -> None:
    other = "- path: /etc/other\n  content: |\n    CLUSTER_NAME=no\n"
    ours = "- path: /etc/etcd-aws-cluster/agent.env\n  content: |\n    CLUSTER_NAME=etcd\n    A=b=c\n"
    text = f"#cloud-config\nwrite_files:\n{other}{ours}runcmd: []\n"
    assert agent_environment(base64.b64encode(text.encode()).decode()) == {"CLUSTER_NAME": "etcd", "A": "b=c"}


@pytest.mark.parametrize("text", ["#!/bin/sh\necho\n", "#cloud-config\nruncmd: []\n", "#cloud-config\n"])
def test_user_data_without_the_agents_environment_is_refused_with_its_beginning(text: str) -> None:
    with pytest.raises(ValueError, match=text.split("\n", maxsplit=1)[0]):
        agent_environment(base64.b64encode(text.encode()).decode())


def test_a_host_of_the_old_container_has_its_units_environment_with_its_own_address() -> None:
    unit = "cat > /etc/sysconfig/etcd <<EOF\nETCD_LISTEN_PEER_URLS=http://$private_ipv4:2380\nEOF\n"
    container = "docker run -v /etc/sysconfig/:/etc/sysconfig/ monsantoco/etcd-aws-cluster\n"
    encoded = base64.b64encode((unit + container).encode()).decode()
    found = old_unit_environment(encoded, private_ipv4="127.64.0.4")
    assert found == {"ETCD_LISTEN_PEER_URLS": "http://127.64.0.4:2380"}
    assert old_unit_environment(base64.b64encode(unit.encode()).decode(), private_ipv4="127.64.0.4") is None


def test_an_environment_file_may_quote_and_comment() -> None:
    assert environment_file('# no=1\nA="x=1,y=2"\n\nB=2\n') == {"A": "x=1,y=2", "B": "2"}


def test_a_stopped_process_takes_its_group_with_it(tmp_path: Path) -> None:
    child = "import subprocess,sys; p=subprocess.Popen(['sleep','60']); print(p.pid, flush=True); p.wait()"
    process, started = processes.start(
        [sys.executable, "-c", child], log=tmp_path / "log", environment=dict(os.environ), directory=tmp_path
    )
    while not (tmp_path / "log").read_text().strip():
        assert process.poll() is None
    grandchild = int((tmp_path / "log").read_text())
    processes.stop(started)
    assert not started.is_alive
    eventually(lambda: not processes.is_running(grandchild))  # it got its signal


def test_a_process_id_that_was_given_to_another_process_is_not_stopped(tmp_path: Path) -> None:
    with subprocess.Popen(["sleep", "60"], start_new_session=True) as other:
        processes.stop(processes.Started(other.pid, "1"))
        assert other.poll() is None
        other.send_signal(signal.SIGKILL)


class Counting:
    """A handler that counts how often it was reached."""

    def __init__(self) -> None:
        self.reached = 0

    async def __call__(self, *_: object) -> tuple[int, dict[str, str], bytes]:
        self.reached += 1
        return 200, {}, b"{}"


@pytest.mark.parametrize(("after", "reached"), [(False, 1), (True, 2)])
def test_a_fault_strikes_the_next_calls_before_or_after_they_take_effect(*, after: bool, reached: int) -> None:
    faults, handler = Faults(), Counting()
    faults.pending.append(Fault("ssm:PutParameter", after=after))
    call = faults.wrap("ssm", handler, lambda *_: "ssm:PutParameter")
    statuses = [asyncio.run(_status(call)) for _ in range(2)]
    assert (statuses, handler.reached, faults.calls) == ([400, 200], reached, {"ssm:PutParameter": 2})


def test_a_fault_leaves_other_actions_alone() -> None:
    faults, handler = Faults(), Counting()
    faults.pending.append(Fault("ssm:GetParameter"))
    call = faults.wrap("ssm", handler, lambda *_: "ssm:PutParameter")
    assert asyncio.run(_status(call)) == 200


async def _status(call: object) -> int:
    status, _, _ = await call("POST", "/", {"content-type": "application/x-amz-json-1.1"}, b"", {})  # type: ignore[operator]
    return int(status)
