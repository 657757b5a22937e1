"""A cluster with certificates that somebody else makes."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterator

import pytest

from lab import Lab
from lab.client_tls import ClientFiles
from tests.end_to_end.conftest import SETTINGS, SETTLE_S
from tests.end_to_end.tls import CLIENT_PORT, PEER_PORT, OwnPki, addresses, answers, served

pytestmark = [pytest.mark.end_to_end, pytest.mark.real_etcd, pytest.mark.timeout(600)]

HOSTS = "/own-pki/hosts"


@pytest.fixture(scope="module")
def pki() -> OwnPki:
    return OwnPki()


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory, pki: OwnPki) -> Iterator[Lab]:
    """Three instances in service; each finds its certificate under its address, the controller's is in a secret."""
    with Lab(tmp_path_factory.mktemp("lab")) as started:
        for subnet in ipaddress.IPv4Network(started.state.cidr).subnets(new_prefix=18):
            for host in list(subnet.hosts())[3:6]:
                material = json.dumps(pki.host(str(host)))
                started.ssm.put_parameter(Name=f"{HOSTS}/{host}", Value=material, Type="SecureString", Tier="Advanced")
        controller = started.client("secretsmanager").create_secret(
            Name="own-pki/controller", SecretString=json.dumps(pki.material("controller"))
        )
        started.deploy(
            {
                **SETTINGS,
                "etcd:etcd_client_scheme": "https",
                "etcd:etcd_peer_scheme": "https",
                "etcd:pki": "own",
                "etcd:controller_tls_source": controller["ARN"],
                "etcd:host_tls_source": f"ssm:{HOSTS}/{{private_ip}}",
            }
        )
        _write(started.tls.files, pki.material("lab"))
        started.wait_in_service(3, SETTLE_S)
        yield started


def _write(files: ClientFiles, material: dict[str, str]) -> None:
    files.ca.parent.mkdir(parents=True, exist_ok=True)
    for path, name in ((files.ca, "ca"), (files.certificate, "cert"), (files.key, "key")):
        path.write_text(material[name], encoding="ascii")


def test_each_host_serves_the_certificate_made_for_its_address(lab: Lab) -> None:
    for address in addresses(lab).values():
        for port in (CLIENT_PORT, PEER_PORT):
            assert served(lab, address, port).subject.rfc4514_string() == f"CN=host {address}"
            assert answers(address, port, lab=lab)
            assert not answers(address, port, lab=None)


def test_a_lost_host_is_replaced_by_one_with_a_certificate_of_its_own(lab: Lab) -> None:
    victim = min(lab.instances())
    lab.kill(victim)
    lab.wait_for(lambda: victim not in lab.instances(), SETTLE_S, "the dead host to be gone")
    lab.wait_in_service(3, SETTLE_S)
    assert lab.etcdctl.voters() == set(lab.instances())


def test_the_controller_made_no_ca(lab: Lab) -> None:
    prefix = f"/etcd-aws-cluster/{lab.state.cluster}"
    found = lab.ssm.get_parameters_by_path(Path=prefix, Recursive=True)["Parameters"]
    assert f"{prefix}/record" in {each["Name"] for each in found}
    assert not [each["Name"] for each in found if "certificate" in each["Name"] or each["Name"].endswith("ca-bundle")]
