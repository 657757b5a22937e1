"""The DNS names in the deployed stack: they follow the voters, and Route 53 holds up nothing."""

from __future__ import annotations

import ipaddress
from pathlib import Path

import pytest

from lab.paths import etcdctl_beside
from tests.end_to_end.conftest import SETTLE_S, Deployed
from tests.end_to_end.deployed_roles import DeployedRoles
from tests.end_to_end.resolver import Resolver, can_resolve

pytestmark = [pytest.mark.end_to_end, pytest.mark.real_etcd, pytest.mark.timeout(600)]
DOMAIN = "etcd.example.internal."


def expected(deployed: Deployed) -> dict[tuple[str, str], set[str]]:
    """Return the records of etcd's voters, as etcd and the hosts have them."""
    addresses = {each["instance_id"]: each["address"] for each in deployed.lab.hosts() if each["powered"]}
    voters = deployed.voters()
    return {
        (DOMAIN, "A"): {addresses[voter] for voter in voters},
        (DOMAIN, "TXT"): {'"etcd-aws-cluster arn:aws:autoscaling:us-east-1:000000000000:etcd"'},
        (f"_etcd-client-ssl._tcp.{DOMAIN}", "SRV"): {f"0 0 2379 {voter}.{DOMAIN}" for voter in voters},
        **{(f"{voter}.{DOMAIN}", "A"): {addresses[voter]} for voter in voters},
    }


def follow(deployed: Deployed) -> None:
    """Wait until the names are those of three voters."""
    deployed.lab.wait_for(
        lambda: deployed.tick() and deployed.is_settled(3) and deployed.names() == expected(deployed),
        SETTLE_S,
        "the names to be the voters'",
    )


def test_the_zone_holds_the_voters_and_nothing_else(deployed: Deployed) -> None:
    deployed.tick()
    assert deployed.names() == expected(deployed)


@pytest.mark.skipif(not can_resolve(), reason="needs to mount, and port 53: root, or CAP_SYS_ADMIN")
def test_a_client_that_knows_nothing_but_the_domain_writes_and_reads(deployed: Deployed, tmp_path: Path) -> None:
    lab = deployed.lab
    follow(deployed)
    resolver_of_the_vpc = str(ipaddress.ip_network(lab.state.cidr)[2])
    etcdctl = str(etcdctl_beside(Path(lab.state.etcd)))
    with Resolver(resolver_of_the_vpc, deployed.names, tmp_path) as resolver:
        files = lab.tls.ready()
        certificates = (f"--cacert={files.ca}", f"--cert={files.certificate}", f"--key={files.key}")
        by_name = ["env", "ETCDCTL_API=3", etcdctl, *certificates, f"--discovery-srv={DOMAIN.removesuffix('.')}"]
        written = resolver.run(*by_name, "put", "by", "name")
        read = resolver.run(*by_name, "get", "by", "--print-value-only")
        lost = resolver.run(*by_name[:-1], "--discovery-srv=nobody.example.internal", "get", "by")
    assert (written.stdout, read.stdout) == ("OK\n", "name\n"), written.stderr + read.stderr
    assert "no such host" in lost.stderr


def test_a_settled_cluster_asks_route_53_nothing(deployed: Deployed) -> None:
    deployed.tick()
    before = deployed.calls()
    deployed.tick()
    assert not [name for name in deployed.calls() - before if name.startswith("route53:")]


def test_the_names_follow_a_replacement(deployed: Deployed) -> None:
    before = deployed.names()
    victim = min(deployed.lab.instances())
    deployed.lab.kill(victim)
    deployed.lab.wait_for(lambda: victim not in deployed.lab.instances(), SETTLE_S, "the dead host to be gone")
    follow(deployed)
    assert (f"{victim}.{DOMAIN}", "A") in before
    assert (f"{victim}.{DOMAIN}", "A") not in deployed.names()


@pytest.mark.parametrize(
    ("action", "is_new"),
    [
        pytest.param("ChangeResourceRecordSets", False, id="change-tried-again-after-a-pause"),
        pytest.param("ListResourceRecordSets", True, id="list-tried-by-a-new-environment"),
    ],
)
def test_a_route_53_that_fails_holds_up_nothing_and_the_names_come_later(
    deployed: Deployed, action: str, *, is_new: bool
) -> None:
    lab = deployed.lab
    stale = deployed.names()
    lab.control.tell("/faults", action=f"route53:{action}", count=1000, code="Throttling")
    victim = max(lab.instances())
    lab.kill(victim)
    lab.wait_for(lambda: victim not in lab.instances(), SETTLE_S, "the dead host to be gone")
    deployed.settle(3)
    assert "Throttling" in str(deployed.logged("DNS did not work")[-1])
    lab.control.tell("/faults/clear")
    assert deployed.names() == stale
    if is_new:
        lab.kill_function()
    follow(deployed)
    assert deployed.names() != stale


def test_names_deleted_by_hand_come_back_though_the_call_that_brings_them_seems_to_fail(deployed: Deployed) -> None:
    lab = deployed.lab
    route53 = lab.client("route53")
    (zone,) = route53.list_hosted_zones_by_name(DNSName="example.internal")["HostedZones"]
    found = route53.list_resource_record_sets(HostedZoneId=zone["Id"])["ResourceRecordSets"]
    services = [r for r in found if r["Type"] == "SRV"]
    batch = {"Changes": [{"Action": "DELETE", "ResourceRecordSet": r} for r in services]}
    route53.change_resource_record_sets(HostedZoneId=zone["Id"], ChangeBatch=batch)
    assert (f"_etcd-client-ssl._tcp.{DOMAIN}", "SRV") not in deployed.names()
    lab.control.tell("/faults", action="route53:ChangeResourceRecordSets", code="ServiceUnavailable", after=True)
    lab.kill_function()  # the next environment believes nothing
    deployed.tick()
    assert deployed.names() == expected(deployed)
    assert "ServiceUnavailable" in str(deployed.logged("DNS did not work")[-1])


def test_no_call_that_the_names_take_was_refused(deployed: Deployed) -> None:
    calls = [call for call in DeployedRoles(deployed.lab).calls() if call["action"].startswith("route53:")]
    assert {call["action"] for call in calls} == {"route53:ChangeResourceRecordSets", "route53:ListResourceRecordSets"}
    assert all(call["allowed"] for call in calls)
