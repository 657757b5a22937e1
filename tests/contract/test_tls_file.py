"""Certificates and the file under /etc/sysconfig, with real etcd: mTLS, both ways on one port, certificates unused."""

from __future__ import annotations

import itertools
import json
import socket
import ssl
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID

from lab.processes import free_ports
from tests.contract.test_seed_file import as_systemd_reads_it
from tests.real_etcd import NotAtHandError, _free_address, _version_of, eventually, find_binary
from tests.unit.agent.authority import Authority, key_pem, new_key
from tests.unit.agent.conftest import Host
from tests.unit.agent.fake_aws import Server
from tests.unit.agent.fake_pki import RECORD, PkiAws
from tests.unit.agent.records import a_record, an_entry

_T = TypeVar("_T")

pytestmark = pytest.mark.real_etcd

BUILT_35 = Path(__file__).parents[2] / ".cache" / "etcd-3.5" / "etcd"
"""Upstream's 3.5.21; `make test` builds only the newest 3.5."""
SECRET = "arn:aws:secretsmanager:us-east-1:123456789012:secret:etcd-{instance_id}-AbCdEf"
BEFORE_15495 = {*(f"3.4.{patch}" for patch in range(25)), *(f"3.5.{patch}" for patch in range(8))}
"""Versions in which serving http and https on one port fails for gRPC over http in some starts."""

HTTPS = {"ETCD_CLIENT_SCHEME": "https", "ETCD_PEER_SCHEME": "https"}
ANSWER_S = 30.0
UNANSWERED = (urllib.error.URLError, ConnectionError, TimeoutError, ssl.SSLError)


@dataclass
class Member:
    """One host, with its AWS and its etcd."""

    instance: str
    address: str
    host: Host
    aws: PkiAws
    shown: str = "host"

    def context(self, *, with_certificate: bool = True) -> ssl.SSLContext:
        pki = Path(self.host.env["ETCD_PKI_DIR"])
        context = ssl.create_default_context(cafile=str(pki / "ca.crt"))
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        if with_certificate:
            context.load_cert_chain(pki / f"{self.shown}.crt", pki / f"{self.shown}.key")
        return context

    def show_as_client(self, ca: Authority) -> None:
        """From here on, show a client's certificate to it."""
        key, pki = new_key(), Path(self.host.env["ETCD_PKI_DIR"])
        (pki / "client.key").write_text(key_pem(key))
        usages = (ExtendedKeyUsageOID.CLIENT_AUTH,)
        (pki / "client.crt").write_text(ca.issue(key.public_key(), "app", (), usages=usages))
        self.shown = "client"

    def knock(self, port: int) -> int:
        """Return the status that etcd answers with on one of its ports."""
        with urllib.request.urlopen(
            f"https://{self.address}:{port}/version", timeout=ANSWER_S, context=self.context()
        ) as answer:
            return int(answer.status)

    @property
    def port(self) -> int:
        return int(self.host.env["ETCD_CLIENT_PORT"])

    def ask(
        self, path: str, body: dict[str, Any], *, scheme: str = "https", at: str = "", with_certificate: bool = True
    ) -> dict[str, Any]:
        url = f"{scheme}://{at or self.address}:{self.port}{path}"
        context = self.context(with_certificate=with_certificate) if scheme == "https" else None
        request = urllib.request.Request(url, json.dumps(body).encode())  # noqa: S310 - our own host's
        with urllib.request.urlopen(request, timeout=ANSWER_S, context=context) as answer:  # noqa: S310 - as above
            return dict(json.load(answer))

    def put(self, *, scheme: str = "https") -> dict[str, Any]:
        return self.ask("/v3/kv/put", {"key": "YQ==", "value": "Yg=="}, scheme=scheme)

    def read(self, *, scheme: str = "https", at: str = "", with_certificate: bool = True) -> str:
        asked = {"key": "YQ=="}
        answer = self.ask("/v3/kv/range", asked, scheme=scheme, at=at, with_certificate=with_certificate)
        return str(answer["kvs"][0]["value"])


class Hosts:
    """Hosts that share a CA and a record."""

    def __init__(self, directory: Path, binary: Path) -> None:
        self.ca = Authority()
        self.version = _version_of(str(binary))
        self._directory = directory
        self._binary = binary
        self._resources = ExitStack()
        self._parameters: dict[str, str] = {}
        self._numbers = itertools.count(1)

    def add(self, **env: str) -> Member:
        instance, address = f"i-0000000{next(self._numbers)}", _free_address()
        document = {"instanceId": instance, "privateIp": address, "region": "us-east-1"}
        aws = PkiAws(document=document, ca=self.ca, parameters=self._parameters)
        self._resources.callback(Server(aws).close)
        root = self._directory / instance
        (root / "lib").mkdir(parents=True)
        env = {
            "CLUSTER_NAME": "etcd",
            "ETCD_PKI": "automatic",
            "ETCD_PKI_DIR": str(root / "pki"),
            "ETCD_DATA_DIR": str(root / "lib" / "etcd"),
            "ETCD_PEERS_FILE": str(root / "sysconfig" / "etcd-peers"),
            "ETCD_LISTEN_LOOPBACK": "off",
            "ETCD_CLIENT_PORT": "2379",
            "AGENT_DEADLINE_S": "60",
            "AWS_ENDPOINT_URL": aws.url,
            "AWS_EC2_METADATA_SERVICE_ENDPOINT": aws.url,
            **env,
        }
        return Member(instance, address, Host(root, env), aws)

    def publish(self, members: list[Member], *, peer: str, client: str) -> None:
        entries = [an_entry(m.instance, address=m.address, peer_urls=[f"{peer}://{m.address}:2380"]) for m in members]
        for member, entry in zip(members, entries, strict=True):
            entry["client_urls"] = [f"{client}://{member.address}:{member.port}"]
        self._parameters[RECORD] = a_record(*entries, state="new")

    def start(self, member: Member) -> None:
        env = {**as_systemd_reads_it(member.host.peers_file), "ETCD_DATA_DIR": str(member.host.data_dir)}
        log = self._resources.enter_context((member.host.root / "etcd.log").open("ab"))
        command = [str(self._binary), "--heartbeat-interval=50", "--election-timeout=500"]
        process = subprocess.Popen(command, env=env, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        self._resources.callback(process.wait, 60)
        self._resources.callback(process.kill)

    def close(self) -> None:
        self._resources.close()


@pytest.fixture(params=["3.4", "3.5", *(["3.5.21"] if BUILT_35.exists() else []), "3.5.35", "3.6"])
def hosts(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Hosts]:
    try:
        binary = BUILT_35 if request.param == "3.5.21" else find_binary(request.param)
    except NotAtHandError as why:
        pytest.skip(str(why))
    hosts = Hosts(tmp_path, binary)
    yield hosts
    hosts.close()


def answered(ask: Callable[[], _T]) -> _T:
    """Return the first answer; etcd needs a moment to start."""

    def attempt() -> _T | None:
        try:
            return ask()
        except UNANSWERED:
            return None

    answer = eventually(attempt)
    assert answer is not None
    return answer


def test_three_hosts_form_a_cluster_where_nobody_gets_in_without_a_certificate(hosts: Hosts) -> None:
    members = [hosts.add(**HTTPS, ETCD_PEER_CN_CHECK="on") for _ in range(3)]
    hosts.publish(members, peer="https", client="https")

    assert [member.host.run() for member in members] == [0, 0, 0]
    for member in members:
        hosts.start(member)

    answered(members[0].put)
    assert [answered(m.read) for m in members] == ["Yg=="] * 3
    listed = members[1].ask("/v3/cluster/member/list", {})["members"]
    assert {m["name"] for m in listed} == {m.instance for m in members}
    with pytest.raises(UNANSWERED):
        members[0].read(with_certificate=False)
    with pytest.raises(UNANSWERED):
        members[0].read(scheme="http")
    assert members[0].knock(2380) == 200
    members[0].show_as_client(hosts.ca)
    assert members[0].knock(2379) == 200
    with pytest.raises(UNANSWERED):
        members[0].knock(2380)


def test_hosts_that_check_their_peers_form_a_cluster_with_one_that_is_named_and_does_not(hosts: Hosts) -> None:
    """On the way there, in a rollout; the next step is the other way round."""
    members = [hosts.add(**HTTPS, ETCD_PEER_CN_CHECK=check) for check in ("off", "on", "on")]
    hosts.publish(members, peer="https", client="https")
    for member in members:
        assert member.host.run() == 0
        hosts.start(member)

    answered(members[0].put)

    assert [answered(m.read) for m in members] == ["Yg=="] * 3
    members[0].show_as_client(hosts.ca)
    assert members[0].knock(2380) == 200  # which is what the check is against


def test_etcd_takes_a_renewed_certificate_without_a_restart(hosts: Hosts) -> None:
    member = hosts.add(ETCD_CLIENT_SCHEME="https", ETCD_PEER_SCHEME="https")
    hosts.publish([member], peer="https", client="https")
    assert member.host.run() == 0
    hosts.start(member)
    answered(member.put)
    member.host.env["CERTIFICATE_RENEW_AT"] = "0.05"
    member.aws.life = {"since_s": -1.0}

    assert member.host.run("--renew") == 0

    renewed = (Path(member.host.env["ETCD_PKI_DIR"]) / "host.crt").read_text()
    with (
        socket.create_connection((member.address, member.port), timeout=ANSWER_S) as plain,
        member.context().wrap_socket(plain, server_hostname=member.address) as served,
    ):
        assert served.getpeercert(binary_form=True) == ssl.PEM_cert_to_DER_cert(renewed)
    assert member.read() == "Yg=="


def test_on_the_way_to_https_clients_are_served_both_ways_on_one_port(hosts: Hosts) -> None:
    if hosts.version in BEFORE_15495:
        pytest.skip(f"not run: etcd {hosts.version} has https://github.com/etcd-io/etcd/issues/15495")
    (port,) = map(str, free_ports(1))
    member = hosts.add(
        ETCD_TLS_TRANSITION="on",
        ETCD_PEER_SCHEME="https",
        ETCD_PEER_CN_CHECK="on",
        ETCD_LISTEN_LOOPBACK="on",
        ETCD_CLIENT_PORT=port,
    )
    hosts.publish([member], peer="https", client="http")
    assert member.host.run() == 0
    hosts.start(member)

    answered(member.put)

    for at in (member.address, "127.0.0.1"):
        assert (member.read(at=at), member.read(at=at, scheme="http")) == ("Yg==", "Yg==")
        with pytest.raises(UNANSWERED):
            member.read(at=at, with_certificate=False)
    assert member.ask("/v3/cluster/member/list", {})["members"][0]["clientURLs"] == [
        f"http://{member.address}:{member.port}"
    ]


def test_where_urls_are_http_certificates_do_no_harm(hosts: Hosts) -> None:
    member = hosts.add(ETCD_PEER_CN_CHECK="on")
    hosts.publish([member], peer="http", client="http")
    assert member.host.run() == 0
    hosts.start(member)

    answered(lambda: member.put(scheme="http"))

    assert member.host.values()["ETCD_CLIENT_CERT_AUTH"] == "true"
    assert member.read(scheme="http") == "Yg=="
    with pytest.raises(UNANSWERED):
        member.read()


def test_a_proxy_with_own_certificates_reaches_a_cluster_that_asks_for_them(hosts: Hosts) -> None:
    own = {"ETCD_PKI": "own", "HOST_TLS_SOURCE": SECRET, "ETCD_CLIENT_SCHEME": "https", "ETCD_PEER_SCHEME": "https"}
    member, proxy = hosts.add(**own), hosts.add(**own, PROXY_ASG="etcd")
    for each in (member, proxy):
        key = new_key()
        certificate = hosts.ca.issue(key.public_key(), each.instance, (each.address, "127.0.0.1"))
        material = {"ca": hosts.ca.pem, "cert": certificate, "key": key_pem(key)}
        each.aws.secrets[SECRET.replace("{instance_id}", each.instance)] = json.dumps(material)
    hosts.publish([member], peer="https", client="https")
    assert (member.host.run(), proxy.host.run()) == (0, 0)
    assert proxy.host.values()["ETCD_PROXY"] == "on"
    if hosts.version.startswith("3.6."):
        pytest.skip("not run: etcd 3.6 has no proxy any more")
    hosts.start(member)
    answered(member.put)

    hosts.start(proxy)

    assert answered(proxy.read) == "Yg=="
