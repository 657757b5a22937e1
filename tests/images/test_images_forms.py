"""Each kind of user data, judged by the systems' own tools in a plain Debian root; and Flatcar's, done there."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

from infra.user_data import HostFile, Unknown, render_user_data
from tests.images.conftest import Instance, etcd_serves
from tests.images.machine import Machine, eventually
from tests.infra.hosts import KINDS, SYSTEMS, UNKNOWN, read_files, settings_of
from tests.unit.agent.fake_aws import INSTANCE

pytestmark = pytest.mark.debian_root

# Docker's command line, as far as the host's programs use it; what it runs is the agent with the root's own Python.
_DOCKER = """#!/bin/sh
set -eu
echo "$1" >>/var/log/docker.calls
case "$1" in
  load) tar -xf "$4" -C /opt && echo 'Loaded image: localhost/etcd-aws-agent:7' ;;
  tag) [ "$2 $3" = 'localhost/etcd-aws-agent:7 etcd-aws-agent:installed' ] && touch /opt/tagged ;;
  image) [ -e /opt/tagged ] ;;
  run) exec python3 /opt/agent.pyz ;;
  *) exit 64 ;;
esac
"""


@pytest.fixture(scope="module")
def judge(possible: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A machine with the tools, that is on."""
    machine = Machine(tmp_path_factory.mktemp("judge") / "machine")
    machine.assemble()
    (machine.root / "etc/cloud/cloud-init.disabled").touch()
    machine.power_on()
    yield machine
    machine.scrap()


def write(root: Path, files: Iterable[HostFile]) -> None:
    """Put files where they belong."""
    for file in files:
        path = root / file.path[1:]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(file.text)
        path.chmod(0o755 if file.is_program else 0o644)


def rendered(kind: tuple[str, str, str]) -> str:
    """The user data of a kind."""
    return render_user_data(settings_of(*kind), architecture="arm64", unknown=UNKNOWN)


@pytest.mark.parametrize("kind", KINDS, ids="-".join)
def test_its_form_is_right(judge: Machine, kind: tuple[str, str, str]) -> None:
    (judge.root / "user-data").write_text(rendered(kind))
    if kind[0] == "flatcar":
        done = judge.run("ignition-validate", "/user-data")
        assert (done.returncode, done.stdout + done.stderr) == (0, "")
    else:
        done = judge.run("cloud-init", "schema", "--config-file", "/user-data")
        assert done.returncode == 0, done.stdout + done.stderr
        assert "Valid cloud-config" in done.stdout


def test_the_schema_and_the_validator_do_find_what_is_wrong(judge: Machine) -> None:
    (judge.root / "user-data").write_text("#cloud-config\nwrite_files:\n- path: 7\n  contents: x\n")
    assert judge.run("cloud-init", "schema", "--config-file", "/user-data").returncode == 1
    (judge.root / "user-data").write_text('{"ignition":{"version":"3.3.0"},"storage":{"files":[{"path":"x"}]}}')
    assert judge.run("ignition-validate", "/user-data").returncode == 1


# What Ubuntu is told is what Amazon Linux is (tests/infra).
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind[0] != "ubuntu"], ids="-".join)
def test_systemd_has_nothing_to_say_about_its_units(
    assembled: Callable[..., Machine], kind: tuple[str, str, str]
) -> None:
    machine: Machine = assembled()
    files = read_files(rendered(kind))
    write(machine.root, files.values())
    (machine.root / "etc/cloud/cloud-init.disabled").touch()
    for program in ("usr/local/bin/etcd", "opt/bin/etcd", "usr/bin/docker"):
        path = machine.root / program
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(0o755)
    machine.power_on()
    units = [file.path for file in files.values() if file.unit]
    assert len(units) >= 2

    done = machine.run("systemd-analyze", "verify", "--man=no", *units)

    assert (done.returncode, done.stdout + done.stderr) == (0, "")
    # The scale is systemd's: 0 is closed, 10 is open.
    open_to = machine.run(
        "systemd-analyze", "security", "--offline=true", "--threshold=20", "/etc/systemd/system/etcd.service"
    )
    assert open_to.returncode == 0, open_to.stdout


def test_flatcars_files_and_units_do_their_work(instance: Instance) -> None:
    """With its Ignition config laid down by us, and a docker that runs the agent as it is: neither is Flatcar's."""
    machine, agent = instance.machine, instance.cloud.objects["assets/agent.pyz"]
    instance.cloud.objects["assets/agent-image.tar"] = _tar_of(agent)
    told = {key.removeprefix("etcd:"): value for key, value in SYSTEMS["flatcar"].items()}
    unknown = Unknown(region="us-east-1", url_suffix="amazonaws.com", agent_url="s3://assets/not-asked-for")
    text = render_user_data(instance.settings(**told), architecture="amd64", unknown=unknown)
    instance.has_endpoint()
    files = read_files(text)
    write(machine.root, files.values())
    docker = HostFile(path="/usr/bin/docker", text=_DOCKER, is_program=True)
    write(machine.root, [docker])
    wanted = machine.root / "etc/systemd/system/multi-user.target.wants"
    wanted.mkdir(parents=True, exist_ok=True)
    for file in files.values():
        if file.is_started:
            (wanted / file.unit).symlink_to(file.path)
    (machine.root / "etc/cloud/cloud-init.disabled").touch()

    machine.power_on()

    etcd_serves(machine, "/opt/bin/etcdctl")
    assert f"ETCD_NAME={INSTANCE}" in (machine.root / "etc/sysconfig/etcd-peers").read_text()
    assert instance.cloud.downloads() == ["archives/etcd.tar.gz", "assets/agent-image.tar"]
    machine.run("systemctl", "restart", "etcd.service")
    eventually(lambda: machine.unit_is("etcd.service", "active"), "etcd")
    assert len(instance.cloud.downloads()) == 2
    calls = (machine.root / "var/log/docker.calls").read_text().split()
    assert calls == ["load", "tag", "run", "image", "run"]


def _tar_of(agent: bytes) -> bytes:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        entry = tarfile.TarInfo("agent.pyz")
        entry.size = len(agent)
        tar.addfile(entry, io.BytesIO(agent))
    return archive.getvalue()
