"""The agent's OCI image: its Dockerfile built on a plain Debian root, and run as the seed's was."""

from __future__ import annotations

import os
import shlex
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from bootstrap_agent.build import build
from infra.settings import Settings
from infra.user_data import host_files
from tests.images import engine as engines
from tests.images.cloud import ADDRESS, Cloud, CloudServer
from tests.images.conftest import ALONE
from tests.images.engine import IMAGE, Engine
from tests.images.machine import Machine
from tests.infra.stacks import HTTP, ROOT, TOOLS
from tests.unit.agent.fake_aws import INSTANCE

pytestmark = pytest.mark.debian_root

DOCKERFILE = ROOT / "bootstrap_agent" / "Dockerfile"
FLATCAR = {
    "etcd:operating_system": "flatcar",
    "etcd:ami_id": "ami-01234567",
    "etcd:agent_image": "s3://assets/agent-image.tar",
}
# What a container here is told and one in EC2 is not.
_ENDPOINT = ("--env", f"AWS_ENDPOINT_URL=http://{ADDRESS}")


@pytest.fixture(scope="module")
def engine(possible: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """An engine with the image."""
    if reason := engines.why_not():
        pytest.skip(reason)
    # Podman takes no long path.
    made = Engine(Path(tempfile.mkdtemp(prefix="engine-")))
    context = tmp_path_factory.mktemp("context")
    build(context / "etcd-aws-agent.pyz")
    made.build(DOCKERFILE, context)
    yield made
    made.close()


@dataclass
class Host:
    """Folders of a host, and the network in which its containers run."""

    root: Path
    network: str
    cloud: Cloud

    @property
    def peers(self) -> str:
        """The file."""
        return (self.root / "etc/sysconfig/etcd-peers").read_text()


@pytest.fixture
def host(assembled: Callable[..., Machine], tmp_path: Path) -> Iterator[Host]:
    """A host with the network and the AWS of a machine that is off."""
    machine = assembled()
    cloud = Cloud(ssm=[ALONE])
    server = CloudServer(cloud, machine.in_its_network)
    root = tmp_path / "host"
    for folder in ("etc/sysconfig", "etc/etcd", "etc/etcd-aws-cluster", "var/lib/etcd"):
        (root / folder).mkdir(parents=True)
    yield Host(root, machine.network, cloud)
    server.close()


def test_the_dockerfile_passes_hadolint() -> None:
    done = subprocess.run([TOOLS / "hadolint", DOCKERFILE], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_seeds_command_does_what_the_seeds_did(engine: Engine, host: Host) -> None:
    done = engine.run(
        *("-v", f"{host.root}/etc/sysconfig/:/etc/sysconfig/", "-e", "CLUSTER_NAME=etcd"),
        *_ENDPOINT,
        IMAGE,
        network=host.network,
    )
    assert done.returncode == 0, done.stderr
    assert host.peers.splitlines()[:3] == [
        "ETCD_INITIAL_CLUSTER_STATE=new",
        f"ETCD_NAME={INSTANCE}",
        f'ETCD_INITIAL_CLUSTER="{INSTANCE}=http://10.0.0.4:2380"',
    ]


def test_it_needs_no_root_where_the_folders_are_the_users(engine: Engine, host: Host) -> None:
    for folder in (host.root / "etc/sysconfig", host.root / "var/lib/etcd"):
        os.chown(folder, 1234, 1234)
    done = engine.run(
        *("--user=1234:1234", "--cap-drop=ALL", "--read-only", "-e", "CLUSTER_NAME=etcd"),
        *("-e", "ETCD_DATA_DIR=/var/lib/etcd/data"),
        *("-v", f"{host.root}/etc/sysconfig/:/etc/sysconfig/", "-v", f"{host.root}/var/lib/etcd/:/var/lib/etcd/"),
        *_ENDPOINT,
        IMAGE,
        network=host.network,
    )
    assert done.returncode == 0, done.stderr
    assert (host.root / "etc/sysconfig/etcd-peers").stat().st_uid == 1234


def test_it_ends_when_it_is_told_to(engine: Engine, host: Host) -> None:
    name = f"waits-{os.getpid()}"
    host.cloud.ssm = Cloud().ssm
    started = engine.run(
        *("--detach", f"--name={name}", "-e", "CLUSTER_NAME=etcd", *_ENDPOINT, IMAGE), network=host.network
    )
    assert started.returncode == 0, started.stderr

    # The engine's patience ends it by SIGKILL, and then it says 137.
    assert engine.do("stop", "--time=60", name).returncode == 0

    assert engine.do("wait", name).stdout.strip() == str(128 + 15)


def test_flatcars_unit_has_all_that_the_agent_needs_and_no_more_rights(engine: Engine, host: Host) -> None:
    files = {file.path: file.text for file in host_files(Settings.from_context(FLATCAR | HTTP), architecture="amd64")}
    environment = files["/etc/etcd-aws-cluster/agent.env"].replace("__REGION__", "us-east-1")
    (host.root / "etc/etcd-aws-cluster/agent.env").write_text(environment)
    # Data of another life, and a data directory that is closed to everybody but etcd.
    log = host.root / "var/lib/etcd/data/member/wal/0000000000000000-0000000000000000.wal"
    log.parent.mkdir(parents=True)
    log.write_text("precious")
    for path in (host.root / "var/lib/etcd", *(host.root / "var/lib/etcd").rglob("*")):
        os.chown(path, 232, 232)
        path.chmod(0o700)
    unit = files["/etc/systemd/system/etcd.service"]
    (command,) = (line for line in unit.splitlines() if line.startswith("ExecStartPre=+/usr/bin/docker "))
    words = shlex.split(command.removeprefix("ExecStartPre=+/usr/bin/docker run"))
    assert words[-1] == "etcd-aws-agent:installed"
    own = ("/etc/sysconfig", "/etc/etcd", "/var/lib/etcd")
    rooted = [f"{host.root}{word}" if word.startswith(own) else word for word in words[:-1]]

    done = engine.run(*rooted, *_ENDPOINT, IMAGE, network=host.network)

    assert done.returncode == 0, done.stderr
    assert f"ETCD_NAME={INSTANCE}" in host.peers
    assert not log.exists()
    assert [path.read_text() for path in (host.root / "var/lib/etcd").rglob("*.wal")] == ["precious"]
