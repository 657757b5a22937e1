"""One cluster from http to https under writes, its certificates renewed, its CA rotated, its users switched on."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from cryptography import x509

from lab import Lab
from lab.paths import LabError, default_etcd, durable_etcd, etcd_version
from lab.writer import Writer
from tests.end_to_end.conftest import SETTINGS, SETTLE_S
from tests.end_to_end.tls import CLIENT_PORT, PEER_PORT, addresses, answers, answers_in_the_clear, served

pytestmark = [pytest.mark.end_to_end, pytest.mark.real_etcd, pytest.mark.timeout(900)]

HTTP = {"etcd:etcd_client_scheme": "http", "etcd:etcd_peer_scheme": "http"}
HTTPS = {"etcd:etcd_client_scheme": "https", "etcd:etcd_peer_scheme": "https"}
TRANSITION = {"etcd:tls_transition": "true"}
USER, PASSWORD = "root", "of-this-test"
# Certificates begin 5 min ago and last 168 h: this part of it is over 15 s after one was made.
SOON, SOON_S = "0.00052", 316


class Live:
    """A cluster that is led from one setting to the next."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        # The steps are the tests' own: deploy, look, replace the instances, look.
        self._always = {"etcd:rollout": "manual"}

    def deploy(self, *changes: dict[str, str]) -> None:
        """Deploy with these settings, and no other of earlier deployments."""
        self.lab.deploy({**SETTINGS, **self._always, **{key: value for each in changes for key, value in each.items()}})
        self.lab.tick()  # the changed function publishes its CAs at its first look

    def refresh(self) -> None:
        """Replace all instances."""
        lab, before = self.lab, set(self.lab.instances())
        lab.refresh()
        lab.wait_for(lambda: lab.refresh_status()[0] != "InProgress", SETTLE_S, "the instance refresh")
        assert lab.refresh_status()[0] == "Successful"
        lab.wait_in_service(3, SETTLE_S)
        assert not before & set(lab.instances())

    def user_secret(self) -> None:
        """From now on tell the controller where its user's password is."""
        secret = self.lab.client("secretsmanager").create_secret(
            Name="etcd-user", SecretString=json.dumps({"username": USER, "password": PASSWORD})
        )
        self._always["etcd:etcd_user_secret_arn"] = secret["ARN"]

    def urls(self) -> list[str]:
        """Where a client tries its luck that knows nothing of schemes: each member with https, then with http."""
        return [
            f"{scheme}://{each}:{CLIENT_PORT}" for each in addresses(self.lab).values() for scheme in ("https", "http")
        ]

    def schemes(self) -> tuple[set[str], set[str]]:
        """The schemes of all client URLs and of all peer URLs."""
        members = self.lab.etcdctl.members()
        return tuple(
            {url.split(":")[0] for each in members for url in each[kind]} for kind in ("clientURLs", "peerURLs")
        )  # type: ignore[return-value]

    def issuers(self) -> set[str]:
        """The names of the CAs of which certificates are served now, on both ports."""
        return {
            served(self.lab, address, port).issuer.rfc4514_string()
            for address, port in itertools.product(addresses(self.lab).values(), (CLIENT_PORT, PEER_PORT))
        }

    def bundle(self) -> list[str]:
        """The names of the CAs in the published bundle, the signing one first."""
        text = self.lab.ssm.get_parameter(Name=f"/etcd-aws-cluster/{self.lab.state.cluster}/ca-bundle")
        found = x509.load_pem_x509_certificates(text["Parameter"]["Value"].encode())
        return [each.subject.rfc4514_string() for each in found]

    def renewed(self, before: Sequence[int]) -> bool:
        """Whether no certificate with one of these serial numbers is served any more."""
        return not set(before) & set(self.serials())

    def serials(self) -> list[int]:
        """The serial numbers of the certificates served now, on both ports."""
        hosts = addresses(self.lab).values()
        return [
            served(self.lab, each, port).serial_number
            for each, port in itertools.product(hosts, (CLIENT_PORT, PEER_PORT))
        ]

    def ages_s(self) -> list[float]:
        """How many seconds ago the certificates began that are served to clients now."""
        begins = (served(self.lab, each, CLIENT_PORT).not_valid_before_utc for each in addresses(self.lab).values())
        return [time.time() - each.timestamp() for each in begins]

    def etcd_pids(self) -> dict[str, str]:
        """The process ids of the etcds, by instance id."""
        return {each: (self.lab.folder(each) / "etcd.pid").read_text().split()[0] for each in self.lab.instances()}


def serves_both_ways(lab: Lab) -> bool:
    """Whether JSON is answered with and without TLS on one port; by the etcd of the wheel, 3.5.1, only by luck."""
    return Path(lab.state.etcd) != default_etcd().resolve()


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """Three instances in service; by http, if their etcd can serve both ways later."""
    with Lab(tmp_path_factory.mktemp("lab"), etcd=durable_etcd()) as lab:
        made = Live(lab)
        made.user_secret()
        made.deploy(HTTP if serves_both_ways(lab) else HTTPS)
        lab.wait_in_service(3, SETTLE_S)
        yield made


@pytest.fixture
def writer(live: Live) -> Iterator[Writer]:
    """A client that writes all the time, whatever the scheme; at the end nothing that was acknowledged is lost."""
    with Writer(live.urls, live.lab.tls) as writing:
        yield writing
    verdict = writing.verify()
    assert verdict.acknowledged > 0
    assert verdict.lost == []


@pytest.mark.usefixtures("writer")
def test_a_cluster_goes_from_http_to_https_under_writes(live: Live) -> None:
    if not serves_both_ways(live.lab):
        pytest.skip(
            f"not run: etcd {etcd_version(Path(live.lab.state.etcd))} is not reliable on a port with http and https"
        )
    assert live.schemes() == ({"http"}, {"http"})
    live.deploy(HTTP, TRANSITION)
    live.refresh()
    assert live.schemes() == ({"http"}, {"http"})
    for address in addresses(live.lab).values():
        assert answers(address, CLIENT_PORT, lab=live.lab)
        assert not answers(address, CLIENT_PORT, lab=None)
        assert answers_in_the_clear(address, CLIENT_PORT)
    live.deploy(HTTPS, TRANSITION)
    live.refresh()
    assert live.schemes() == ({"https"}, {"https"})
    live.deploy(HTTPS)
    live.refresh()
    assert live.schemes() == ({"https"}, {"https"})
    for address, port in itertools.product(addresses(live.lab).values(), (CLIENT_PORT, PEER_PORT)):
        assert answers(address, port, lab=live.lab) is (port == CLIENT_PORT)  # a client is no peer
        assert not answers(address, port, lab=None)
        assert not answers_in_the_clear(address, port)


@pytest.mark.usefixtures("writer")
def test_certificates_are_renewed_while_the_same_etcd_serves(live: Live) -> None:
    lab = live.lab
    lab.wait_for(lambda: min(live.ages_s()) > SOON_S, SETTLE_S, "certificates that are due")
    pids, before = live.etcd_pids(), live.serials()
    # The controller makes none anew that is as young as that, unless it is gone.
    gone = [f"/etcd-aws-cluster/{lab.state.cluster}/certificates/{each}" for each in lab.instances()]
    lab.ssm.delete_parameters(Names=gone)
    lab.renew_certificates(SOON)
    lab.wait_for(lambda: live.renewed(before), SETTLE_S, "new certificates to be served")
    assert live.etcd_pids() == pids
    for address in addresses(live.lab).values():
        assert answers(address, CLIENT_PORT, lab=live.lab)


@pytest.mark.usefixtures("writer")
def test_the_ca_is_rotated_by_overlapping_bundles_under_writes(live: Live) -> None:
    (first,) = live.bundle()
    assert live.issuers() == {first}
    live.deploy(HTTPS, {"etcd:ca_trusted": "1,2"})
    live.lab.wait_for(lambda: len(live.bundle()) == 2, SETTLE_S, "two CAs in the bundle")
    live.refresh()
    assert live.bundle()[0] == first
    assert live.issuers() == {first}

    live.deploy(HTTPS, {"etcd:ca_trusted": "1,2", "etcd:ca_signing": "2"})
    live.lab.wait_for(lambda: live.bundle()[0] != first, SETTLE_S, "the second CA to sign")
    second = live.bundle()[0]
    pids = live.etcd_pids()
    live.lab.renew_certificates()
    live.lab.wait_for(lambda: live.issuers() == {second}, SETTLE_S, "certificates of the second CA to be served")
    assert live.etcd_pids() == pids

    live.lab.tls.renew()
    live.refresh()  # the guard of deployments goes by what instances were launched with
    live.deploy(HTTPS, {"etcd:ca_trusted": "2", "etcd:ca_signing": "2"})
    live.lab.wait_for(lambda: live.bundle() == [second], SETTLE_S, "the second CA alone in the bundle")
    live.refresh()
    assert live.issuers() == {second}


def test_with_users_the_controller_logs_in_and_a_refresh_goes_on(live: Live) -> None:
    etcdctl, login = live.lab.etcdctl, ("--user", f"{USER}:{PASSWORD}")
    etcdctl.run("put", "before", "users")
    etcdctl.run("user", "add", f"{USER}:{PASSWORD}")
    etcdctl.run("user", "grant-role", USER, "root")
    etcdctl.run("auth", "enable")
    with pytest.raises(LabError, match=r"user name|permission|invalid auth"):
        live.lab.etcdctl.run("get", "before")
    live.refresh()
    assert live.lab.etcdctl.run(*login, "get", "before", "--print-value-only").strip() == "users"
    assert live.lab.etcdctl.voters() == set(live.lab.instances())
