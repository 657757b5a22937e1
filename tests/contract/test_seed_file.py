"""The file under /etc/sysconfig: a stock etcd unit needs nothing else, and the seed's readers still understand it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from lab.processes import free_ports
from tests.unit.agent.conftest import Host
from tests.unit.agent.fake_aws import FakeAws, Server, parameter
from tests.unit.agent.records import INITIAL_CLUSTER_TOKEN, a_record, an_entry

ADDRESS = "127.77.0.4"
INSTANCE = "i-0a1b2c3d"
READY_WITHIN_S = 60.0

Lists = Callable[..., None]


def as_systemd_reads_it(path: Path) -> dict[str, str]:
    """Read an EnvironmentFile as systemd.exec(5) says, as far as the agent's files go: anything else is an error."""
    values = {}
    for line in path.read_text().splitlines():
        match = re.fullmatch(r'(?P<key>[A-Z_]+)=(?:"(?P<quoted>[^"\\$`]*)"|(?P<plain>[^\s"\'\\$`#;]+))', line)
        assert match, f"systemd and the shell might not agree about {line!r}"
        values[match["key"]] = match["quoted"] if match["quoted"] is not None else match["plain"]
    return values


@pytest.fixture
def aws() -> Iterator[FakeAws]:
    fake = FakeAws(document={"instanceId": INSTANCE, "privateIp": ADDRESS, "region": "us-east-1"})
    server = Server(fake)
    yield fake
    server.close()


@pytest.fixture
def host(tmp_path: Path, aws: FakeAws) -> Host:
    client_port, peer_port = map(str, free_ports(2))
    env = {
        "CLUSTER_NAME": "etcd",
        "ETCD_DATA_DIR": str(tmp_path / "lib" / "etcd"),
        "ETCD_PEERS_FILE": str(tmp_path / "sysconfig" / "etcd-peers"),
        "ETCD_CLIENT_PORT": client_port,
        "ETCD_SERVER_PORT": peer_port,
        "AGENT_DEADLINE_S": "60",
        "AWS_ENDPOINT_URL": aws.url,
        "AWS_EC2_METADATA_SERVICE_ENDPOINT": aws.url,
    }
    (tmp_path / "lib").mkdir()
    return Host(tmp_path, env)


@pytest.fixture
def lists(host: Host, aws: FakeAws) -> Lists:
    """Publish a record with this host in it."""

    def publish(*, state: str, started: bool) -> None:
        entry = an_entry(INSTANCE, started=started, peer_urls=[f"http://{ADDRESS}:{host.env['ETCD_SERVER_PORT']}"])
        entry["client_urls"] = [f"http://{ADDRESS}:{host.env['ETCD_CLIENT_PORT']}"]
        aws.ssm = [parameter(a_record(entry, state=state))]

    return publish


def test_the_seeds_keys_come_first_in_its_order_and_with_its_quotes(host: Host, lists: Lists) -> None:
    lists(state="new", started=False)

    assert host.run() == 0

    seed = host.peers_file.read_text().splitlines()[:4]
    assert seed == [
        "ETCD_INITIAL_CLUSTER_STATE=new",
        f"ETCD_NAME={INSTANCE}",
        f'ETCD_INITIAL_CLUSTER="{INSTANCE}=http://{ADDRESS}:{host.env["ETCD_SERVER_PORT"]}"',
        "ETCD_PROXY=off",
    ]


def test_systemd_and_the_shell_read_the_same_values(host: Host, lists: Lists) -> None:
    lists(state="new", started=False)
    host.run()

    command = ["sh", "-c", 'set -a; . "$1"; exec /usr/bin/env', "sh", str(host.peers_file)]
    shell = subprocess.run(command, env={}, capture_output=True, text=True, check=True)

    sourced = dict(line.split("=", 1) for line in shell.stdout.splitlines() if line.startswith("ETCD_"))
    assert sourced == as_systemd_reads_it(host.peers_file)


@contextmanager
def etcd_running(host: Host, *flags: str) -> Iterator[Path]:
    """Run a real etcd with the file's variables, its data directory and, if any, flags; gives its log."""
    binary = shutil.which("etcd", path=str(Path(sys.prefix) / "bin")) or shutil.which("etcd")
    if binary is None:
        pytest.skip("not run: no etcd, see requirements-dev.txt")
    environment = {**as_systemd_reads_it(host.peers_file), "ETCD_DATA_DIR": str(host.data_dir)}
    log = host.root / "etcd.log"
    with log.open("ab") as output:
        process = subprocess.Popen([binary, *flags], env=environment, stdout=output, stderr=output)
        try:
            yield log
        finally:
            process.terminate()
            process.wait(timeout=60)


def ask(host: Host, path: str, body: dict[str, Any]) -> dict[str, Any]:
    """Ask etcd on its private address, waiting until it serves."""
    url = f"http://{ADDRESS}:{host.env['ETCD_CLIENT_PORT']}{path}"
    until = time.monotonic() + READY_WITHIN_S
    while True:
        try:
            with urllib.request.urlopen(url, data=json.dumps(body).encode(), timeout=30) as answer:
                return dict(json.load(answer))
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            if time.monotonic() > until:
                raise
            time.sleep(0.05)


@pytest.mark.real_etcd
def test_a_stock_etcd_forms_a_cluster_from_nothing_but_the_file(host: Host, lists: Lists) -> None:
    lists(state="new", started=False)
    assert host.run() == 0

    with etcd_running(host) as log:
        ask(host, "/v3/kv/put", {"key": "YQ==", "value": "Yg=="})
        (member,) = ask(host, "/v3/cluster/member/list", {})["members"]

    assert member["name"] == INSTANCE
    assert member["peerURLs"] == [f"http://{ADDRESS}:{host.env['ETCD_SERVER_PORT']}"]
    assert member["clientURLs"] == [f"http://{ADDRESS}:{host.env['ETCD_CLIENT_PORT']}"]
    said = log.read_text()
    assert INITIAL_CLUSTER_TOKEN in said
    assert "unrecognized environment variable" not in said


@pytest.mark.real_etcd
def test_etcd_restarted_comes_back_with_its_data_before_and_after_the_record_knows_it(host: Host, lists: Lists) -> None:
    lists(state="new", started=False)
    assert host.run() == 0
    with etcd_running(host):
        ask(host, "/v3/kv/put", {"key": "YQ==", "value": "Yg=="})

    for state, started in (("new", False), ("existing", True)):
        lists(state=state, started=started)
        assert host.run() == 0
        assert host.values()["ETCD_INITIAL_CLUSTER_STATE"] == state
        with etcd_running(host):
            assert ask(host, "/v3/kv/range", {"key": "YQ=="})["kvs"][0]["value"] == "Yg=="


@pytest.mark.real_etcd
def test_data_of_another_life_does_not_keep_a_new_member_from_starting(host: Host, lists: Lists) -> None:
    lists(state="new", started=False)
    assert host.run() == 0
    with etcd_running(host):
        ask(host, "/v3/kv/put", {"key": "YQ==", "value": "Yg=="})
    host.has_marker(life="g0")

    assert host.run() == 0

    with etcd_running(host):
        assert "kvs" not in ask(host, "/v3/kv/range", {"key": "YQ=="})
    assert len(host.precious()) == 2


@pytest.mark.real_etcd
def test_a_unit_of_the_seed_that_sets_urls_by_flags_works_with_the_seeds_keys(host: Host, lists: Lists) -> None:
    host.env["ETCD_PEERS_KEYS"] = "seed"
    lists(state="new", started=False)
    assert host.run() == 0
    client, peer = (f"http://{ADDRESS}:{host.env[port]}" for port in ("ETCD_CLIENT_PORT", "ETCD_SERVER_PORT"))
    client_flags = (f"--listen-client-urls={client}", f"--advertise-client-urls={client}")
    peer_flags = (f"--listen-peer-urls={peer}", f"--initial-advertise-peer-urls={peer}")

    # With all keys etcd would end here: "conflicting environment variable is shadowed by corresponding flag".
    with etcd_running(host, *client_flags, *peer_flags):
        (member,) = ask(host, "/v3/cluster/member/list", {})["members"]

    assert (member["name"], member["peerURLs"]) == (INSTANCE, [peer])
