"""A machine of EC2's, with the artifacts that it is told to fetch."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bootstrap_agent.build import build
from infra.settings import Settings
from infra.user_data import Unknown, render_user_data
from lab.paths import default_etcd
from tests.images.cloud import ADDRESS, Cloud, CloudServer
from tests.images.machine import Machine, eventually, why_not
from tests.infra.stacks import HTTP
from tests.unit.agent.fake_aws import INSTANCE, parameter
from tests.unit.agent.records import a_record, an_entry

ALONE = parameter(a_record(an_entry(), state="new"))
STARTED = parameter(a_record(an_entry(started=True)))
_ARCHIVE = "archives/etcd.tar.gz"
_AGENT = "assets/agent.pyz"
# What a machine here is told and one in EC2 is not: no service has a name in its network.
_ENDPOINT = f"[Service]\nEnvironment=AWS_ENDPOINT_URL=http://{ADDRESS}\n"


@dataclass
class Instance:
    """A machine and the AWS that it sees."""

    machine: Machine
    cloud: Cloud
    sha256: str

    def settings(self, **more: str) -> Settings:
        """Those of a cluster whose etcd comes from the machine's own S3; nobody is there to sign a certificate."""
        given = {"etcd_url": f"s3://{_ARCHIVE}", "etcd_sha256": self.sha256, **more}
        return Settings.from_context(HTTP | {f"etcd:{key}": value for key, value in given.items()})

    def has_user_data(self, **more: str) -> str:
        """Launch it with the user data of such a cluster, and return that."""
        unknown = Unknown(region="us-east-1", url_suffix="amazonaws.com", agent_url=f"s3://{_AGENT}")
        text = render_user_data(self.settings(**more), architecture="amd64", unknown=unknown)
        seed = self.machine.root / "var/lib/cloud/seed/nocloud"
        seed.mkdir(parents=True)
        (seed / "user-data").write_text(text)
        (seed / "meta-data").write_text("instance-id: i-0a1b2c3d\n")
        here = "datasource_list: [NoCloud]\nnetwork: {config: disabled}\nlocale: false\n"
        (self.machine.root / "etc/cloud/cloud.cfg.d/99-here.cfg").write_text(here)
        self.has_endpoint()
        return text

    def has_endpoint(self) -> None:
        """Let etcd's unit find the services."""
        drop_in = self.machine.root / "etc/systemd/system/etcd.service.d"
        drop_in.mkdir(parents=True)
        (drop_in / "endpoint.conf").write_text(_ENDPOINT)


def etcd_serves(machine: Machine, etcdctl: str = "etcdctl") -> None:
    """Wait for etcd's readiness, which it tells systemd, and for a linearizable read."""
    eventually(lambda: machine.unit_is("etcd.service", "active"), "etcd", lambda: machine.journal("etcd.service"))
    healthy = machine.run(etcdctl, "endpoint", "health")
    assert healthy.returncode == 0, healthy.stderr


def member_id(machine: Machine) -> int:
    """The id of the only member."""
    (member,) = json.loads(machine.run("etcdctl", "member", "list", "--write-out=json").stdout)["members"]
    assert member["name"] == INSTANCE
    return int(member["ID"])


@pytest.fixture(scope="session")
def artifacts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The agent as it is built, and etcd in an archive laid out as upstream's."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz", compresslevel=1) as tar:
        for name in ("etcd", "etcdctl"):
            tar.add(default_etcd().with_name(name), arcname=f"etcd-v3.5.1-linux-amd64/{name}")
    agent = build(tmp_path_factory.mktemp("agent") / "agent.pyz")
    return {_ARCHIVE: archive.getvalue(), _AGENT: agent.read_bytes()}


@pytest.fixture(scope="session")
def possible() -> None:
    """Skip, saying why, where no machine can be booted."""
    if reason := why_not():
        pytest.skip(reason)


@pytest.fixture
def assembled(possible: None, tmp_path: Path) -> Iterator[Callable[..., Machine]]:
    """Make machines."""
    made: list[Machine] = []

    def assemble(**more: Any) -> Machine:  # noqa: ANN401 - handed on as it is
        machine = Machine(tmp_path / f"machine-{len(made)}", **more)
        made.append(machine)
        machine.assemble()
        return machine

    yield assemble
    for machine in made:
        machine.scrap()


@pytest.fixture
def instance(assembled: Callable[..., Machine], artifacts: dict[str, bytes]) -> Iterator[Instance]:
    """An instance that is off and has no user data yet; the record has it alone, to form a cluster."""
    machine = assembled()
    cloud = Cloud(ssm=[ALONE], objects=dict(artifacts))
    server = CloudServer(cloud, machine.in_its_network)
    yield Instance(machine, cloud, hashlib.sha256(artifacts[_ARCHIVE]).hexdigest())
    server.close()
