"""The text of the peers file."""

from __future__ import annotations

from typing import Any

import pytest

from etcd_aws_agent.identity import Identity
from etcd_aws_agent.record import Record, parse_record
from etcd_aws_agent.render import initial_cluster, member_file, proxy_file
from etcd_aws_agent.settings import Settings
from tests.unit.agent.fake_aws import ADDRESS, INSTANCE
from tests.unit.agent.records import a_record, an_entry, two_others

ME = Identity(instance_id=INSTANCE, private_ip=ADDRESS, region="us-east-1")


def settings(**environ: str) -> Settings:
    return Settings.from_environ({"CLUSTER_NAME": "etcd", **environ})


def record_of(*entries: dict[str, Any]) -> Record:
    return parse_record(a_record(*entries), parameter="p")


def cluster_of(*entries: dict[str, Any]) -> str:
    record = record_of(*entries)
    return initial_cluster(record.members, own=record.entry_of(INSTANCE), own_name=INSTANCE)


def test_a_members_file_begins_with_the_seeds_keys_and_needs_nothing_else() -> None:
    record = record_of(an_entry(), *two_others())

    assert member_file(record, record.members[0], "new", ME, settings()) == (
        "ETCD_INITIAL_CLUSTER_STATE=new\n"
        "ETCD_NAME=i-0a1b2c3d\n"
        'ETCD_INITIAL_CLUSTER="i-0a1b2c3d=http://10.0.0.4:2380,'
        'i-0000000b=http://10.0.1.4:2380,i-0000000c=http://10.0.2.4:2380"\n'
        "ETCD_PROXY=off\n"
        "ETCD_INITIAL_CLUSTER_TOKEN=etcd-1a2b3c4d-g1\n"
        "ETCD_LISTEN_PEER_URLS=http://10.0.0.4:2380\n"
        "ETCD_LISTEN_CLIENT_URLS=http://10.0.0.4:2379,http://127.0.0.1:2379\n"
        "ETCD_INITIAL_ADVERTISE_PEER_URLS=http://10.0.0.4:2380\n"
        "ETCD_ADVERTISE_CLIENT_URLS=http://10.0.0.4:2379\n"
    )


def test_schemes_ports_and_loopback_are_the_settings() -> None:
    record = record_of({**an_entry(), "client_urls": []})
    chosen = settings(
        ETCD_PEER_SCHEME="https",
        ETCD_CLIENT_SCHEME="https",
        ETCD_CLIENT_PORT="4001",
        ETCD_SERVER_PORT="7001",
        ETCD_LISTEN_LOOPBACK="off",
    )

    lines = member_file(record, record.members[0], "existing", ME, chosen).splitlines()

    assert "ETCD_LISTEN_PEER_URLS=https://10.0.0.4:7001" in lines
    assert "ETCD_LISTEN_CLIENT_URLS=https://10.0.0.4:4001" in lines
    assert "ETCD_ADVERTISE_CLIENT_URLS=https://10.0.0.4:4001" in lines


TLS_KEYS = (
    "ETCD_CERT_FILE=/etc/etcd/pki/host.crt\n"
    "ETCD_KEY_FILE=/etc/etcd/pki/host.key\n"
    "ETCD_TRUSTED_CA_FILE=/etc/etcd/pki/ca.crt\n"
    "ETCD_CLIENT_CERT_AUTH=true\n"
    "ETCD_PEER_CERT_FILE=/etc/etcd/pki/host.crt\n"
    "ETCD_PEER_KEY_FILE=/etc/etcd/pki/host.key\n"
    "ETCD_PEER_TRUSTED_CA_FILE=/etc/etcd/pki/ca.crt\n"
    "ETCD_PEER_CLIENT_CERT_AUTH=true\n"
)


def test_with_certificates_the_file_ends_with_etcds_settings_for_them() -> None:
    record = record_of(an_entry())
    plain = member_file(record, record.members[0], "new", ME, settings())

    assert member_file(record, record.members[0], "new", ME, settings(ETCD_PKI="automatic")) == plain + TLS_KEYS
    assert member_file(record, record.members[0], "new", ME, settings(ETCD_PKI="own")) == plain


def test_where_peers_are_checked_etcd_is_told_what_the_controller_calls_them() -> None:
    record = record_of(an_entry())

    text = member_file(record, record.members[0], "new", ME, settings(ETCD_PKI="automatic", ETCD_PEER_CN_CHECK="on"))

    assert text.endswith(TLS_KEYS + "ETCD_PEER_CERT_ALLOWED_CN=etcd:member\n")


def test_a_proxy_with_own_certificates_has_the_same_keys() -> None:
    text = proxy_file(record_of(an_entry()), ME, settings(ETCD_PKI="own", HOST_TLS_SOURCE="ssm:/tls", PROXY_ASG="etcd"))

    assert text.endswith(TLS_KEYS)


def test_in_transition_clients_are_served_both_ways_and_told_one() -> None:
    record = record_of({**an_entry(), "client_urls": []})
    chosen = settings(
        ETCD_PKI="automatic", ETCD_TLS_TRANSITION="on", ETCD_CLIENT_SCHEME="https", ETCD_PEER_SCHEME="https"
    )

    lines = member_file(record, record.members[0], "existing", ME, chosen).splitlines()

    urls = "http://10.0.0.4:2379,https://10.0.0.4:2379,http://127.0.0.1:2379,https://127.0.0.1:2379"
    assert f"ETCD_LISTEN_CLIENT_URLS={urls}" in lines
    assert "ETCD_ADVERTISE_CLIENT_URLS=https://10.0.0.4:2379" in lines
    assert "ETCD_LISTEN_PEER_URLS=https://10.0.0.4:2380" in lines


def test_the_seeds_keys_alone_on_request() -> None:
    record = record_of(an_entry())
    chosen = settings(ETCD_PEERS_KEYS="seed", ETCD_PKI="own", HOST_TLS_SOURCE="ssm:/tls")

    member = member_file(record, record.members[0], "new", ME, chosen)
    proxy = proxy_file(record, ME, chosen)

    keys = ["ETCD_INITIAL_CLUSTER_STATE", "ETCD_NAME", "ETCD_INITIAL_CLUSTER", "ETCD_PROXY"]
    assert [line.split("=")[0] for line in member.splitlines()] == keys
    assert [line.split("=")[0] for line in proxy.splitlines()] == keys


def test_a_proxys_file_lists_voters_and_never_says_new() -> None:
    record = record_of(*two_others(), an_entry("i-0000000d", address="10.0.3.4", learner=True))

    assert proxy_file(record, ME, settings()) == (
        "ETCD_INITIAL_CLUSTER_STATE=existing\n"
        "ETCD_NAME=i-0a1b2c3d\n"
        'ETCD_INITIAL_CLUSTER="i-0000000b=http://10.0.1.4:2380,i-0000000c=http://10.0.2.4:2380"\n'
        "ETCD_PROXY=on\n"
        "ETCD_LISTEN_CLIENT_URLS=http://10.0.0.4:2379,http://127.0.0.1:2379\n"
    )


@pytest.mark.parametrize(
    ("sentence", "entry", "expected"),
    [
        ("a started other has etcd's name", an_entry("i-b", name="n1", started=True), "n1"),
        ("an unstarted other has its instance id", an_entry("i-b", name=""), "i-b"),
        ("one without instance and name has its hex id", an_entry(None, member_id="9f", name=""), "9f"),
        ("a name that would break the list is not used", an_entry("i-b", name="a=b,c", started=True), "i-b"),
        ("nobody else has this instance's name", an_entry("i-b", member_id="9f", name=INSTANCE, started=True), "9f"),
    ],
)
def test_names_of_others(sentence: str, entry: dict[str, Any], expected: str) -> None:
    entry["peer_urls"] = ["http://10.0.1.4:2380"]

    assert cluster_of(an_entry(), entry).endswith(f",{expected}=http://10.0.1.4:2380"), sentence


def test_two_members_of_one_name_stay_two_members() -> None:
    others = [an_entry(None, member_id=id_, name="default", started=True, address=f"10.0.{id_}.4") for id_ in "12"]

    assert cluster_of(an_entry(), *others) == (
        f"{INSTANCE}=http://10.0.0.4:2380,1=http://10.0.1.4:2380,2=http://10.0.2.4:2380"
    )


def test_every_peer_url_of_a_member_is_listed_under_its_one_name() -> None:
    mine = an_entry(peer_urls=["http://10.0.0.4:2380", "http://10.0.9.4:2380"])

    assert cluster_of(mine) == f"{INSTANCE}=http://10.0.0.4:2380,{INSTANCE}=http://10.0.9.4:2380"


def test_own_entry_has_the_instance_id_whatever_etcd_calls_it() -> None:
    assert cluster_of(an_entry(name="old-name", started=True)) == f"{INSTANCE}=http://10.0.0.4:2380"
