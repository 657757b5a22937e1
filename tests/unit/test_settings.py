"""What the function's environment may say."""

from __future__ import annotations

from datetime import timedelta

import pytest

from etcd_aws_cluster.core.dns import Domain
from etcd_aws_cluster.core.errors import SettingError
from etcd_aws_cluster.core.policy import Policy
from etcd_aws_cluster.core.telemetry import Metric
from etcd_aws_cluster.settings import Settings

REQUIRED = {
    "CLUSTER_NAME": "etcd",
    "PARAMETER_PREFIX": "/etcd-aws-cluster/etcd",
    "LAUNCH_HOOK_NAME": "etcd-launch",
    "TERMINATE_HOOK_NAME": "etcd-terminate",
    "DEAD_LETTER_QUEUE_URL": "https://sqs.eu-west-1.amazonaws.com/123456789012/etcd-dead.fifo",
}


def test_what_is_required_is_enough() -> None:
    settings = Settings.from_environ(REQUIRED)

    assert settings.cluster_name == "etcd"
    assert settings.policy == Policy()  # the core's own defaults are the documented ones
    assert settings.etcd_connect_timeout == timedelta(seconds=1)
    assert settings.etcd_read_timeout == timedelta(seconds=2)
    assert settings.etcd_poll_interval == timedelta(milliseconds=100)
    assert settings.aws_poll_interval == timedelta(seconds=2)
    assert settings.etcd_quota_bytes == 2 * 1024**3  # etcd's own
    assert settings.run_reserve == timedelta(seconds=10)
    assert not settings.group_is_attached


def test_every_setting_is_read_in_its_unit() -> None:
    settings = Settings.from_environ(
        REQUIRED
        | {
            "GATHER_WINDOW_S": "1",
            "FORMATION_TIMEOUT_S": "2",
            "JOIN_TIMEOUT_S": "3",
            "REPLACEMENT_WAIT_S": "4",
            "UNRESPONSIVE_GRACE_S": "5.5",
            "ETCD_CLIENT_SCHEME": "https",
            "ETCD_PEER_SCHEME": "https",
            "ETCD_CLIENT_PORT": "4001",
            "ETCD_SERVER_PORT": "7001",
            "ETCD_CONNECT_TIMEOUT_S": "0.5",
            "ETCD_READ_TIMEOUT_S": "6",
            "ETCD_POLL_INTERVAL_MS": "50",
            "AWS_POLL_INTERVAL_S": "7",
            "ETCD_QUOTA_BACKEND_BYTES": "16777216",
            "RUN_RESERVE_S": "8",
            "GROUP_IS_ATTACHED": "true",
        }
    )
    assert settings.group_is_attached

    assert settings.policy == Policy(
        gather_window=timedelta(seconds=1),
        formation_timeout=timedelta(seconds=2),
        join_timeout=timedelta(seconds=3),
        replacement_wait=timedelta(seconds=4),
        unresponsive_grace=timedelta(seconds=5.5),
        client_scheme="https",
        peer_scheme="https",
        client_port=4001,
        peer_port=7001,
    )
    assert settings.etcd_connect_timeout == timedelta(milliseconds=500)
    assert settings.etcd_read_timeout == timedelta(seconds=6)
    assert settings.etcd_poll_interval == timedelta(milliseconds=50)
    assert settings.aws_poll_interval == timedelta(seconds=7)
    assert settings.etcd_quota_bytes == 16 * 1024**2
    assert settings.run_reserve == timedelta(seconds=8)


@pytest.mark.parametrize("name", sorted(REQUIRED))
def test_a_missing_setting_is_named(name: str) -> None:
    with pytest.raises(SettingError, match=f"^{name} is not set, expected text"):
        Settings.from_environ({k: v for k, v in REQUIRED.items() if k != name})


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("CLUSTER_NAME", "two words", "text that matches"),
        ("CLUSTER_NAME", "etcd\n", "text that matches"),
        ("CLUSTER_NAME", "", "text that matches"),
        ("PARAMETER_PREFIX", "no-slash", "text that matches"),
        ("PARAMETER_PREFIX", "/ends-in/", "text that matches"),
        ("DEAD_LETTER_QUEUE_URL", "etcd-dead.fifo", "text that matches"),
        ("GATHER_WINDOW_S", "-1", "a number of seconds from 0 to 7200"),
        ("GATHER_WINDOW_S", "five minutes", "a number of seconds from 0 to 7200"),
        ("GATHER_WINDOW_S", "", "a number of seconds from 0 to 7200"),
        ("GATHER_WINDOW_S", "nan", "a number of seconds from 0 to 7200"),
        ("GATHER_WINDOW_S", "inf", "a number of seconds from 0 to 7200"),
        ("ETCD_POLL_INTERVAL_MS", "1", "a number of milliseconds from 10 to 10000"),
        ("ETCD_CLIENT_SCHEME", "ftp", "text that matches https?"),
        ("ETCD_CLIENT_PORT", "0", "a port from 1 to 65535"),
        ("ETCD_CLIENT_PORT", "65536", "a port from 1 to 65535"),
        ("ETCD_CLIENT_PORT", "23.5", "a port from 1 to 65535"),
        ("ETCD_CLIENT_PORT", "²", "a port from 1 to 65535"),
        ("ETCD_QUOTA_BACKEND_BYTES", "1000", "a whole number from 1048576 to 1099511627776"),
        ("ETCD_QUOTA_BACKEND_BYTES", "2GiB", "a whole number from 1048576 to 1099511627776"),
        ("ETCD_SERVER_PORT", "2379", "another port than ETCD_CLIENT_PORT"),
    ],
)
def test_a_wrong_setting_is_told_with_its_value_and_what_was_expected(name: str, value: str, expected: str) -> None:
    with pytest.raises(SettingError) as raised:
        Settings.from_environ(REQUIRED | {name: value})

    assert str(raised.value).startswith(f"{name} is {value!r}, expected {expected}")


def test_all_problems_are_told_at_once() -> None:
    with pytest.raises(SettingError) as raised:
        Settings.from_environ({"RUN_RESERVE_S": "0", "ETCD_CLIENT_PORT": "x"})

    for name in (*REQUIRED, "RUN_RESERVE_S", "ETCD_CLIENT_PORT"):
        assert f"{name} is " in str(raised.value)


ARN = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:etcd-ca-AbCdEf"
AUTOMATIC = REQUIRED | {"ETCD_PKI": "automatic", "CA_SECRET_ARN": ARN, "HOST_ROLE_NAME": "etcd-MembersRole-1X"}


def test_without_tls_nothing_of_it_is_needed() -> None:
    settings = Settings.from_environ(REQUIRED)
    assert settings.pki.kind == "off"
    assert settings.etcd_user_secret == ""


def test_the_settings_of_automatic_certificates_are_read() -> None:
    more = {"CERTIFICATE_HOURS": "48", "CA_SIGNING": "2", "CA_TRUSTED": "1,2", "CERTIFICATE_DNS_NAMES": "a.b,c.d"}
    pki = Settings.from_environ(AUTOMATIC | more).pki

    assert (pki.kind, pki.ca_secret, pki.host_role) == ("automatic", ARN, "etcd-MembersRole-1X")
    assert pki.generations == (2, 1)
    assert pki.certificate_life == timedelta(hours=48)
    assert pki.cluster_names == ("a.b", "c.d")


def test_the_defaults_of_automatic_certificates_are_one_generation_and_a_week() -> None:
    pki = Settings.from_environ(AUTOMATIC).pki
    assert pki.generations == (1,)
    assert pki.certificate_life == timedelta(days=7)
    assert pki.cluster_names == ()


@pytest.mark.parametrize("source", [ARN, "ssm:/tls/controller"])
def test_ones_own_certificates_need_a_source(source: str) -> None:
    assert Settings.from_environ(REQUIRED | {"ETCD_PKI": "own", "CONTROLLER_TLS_SOURCE": source}).pki.source == source


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"ETCD_PKI": "manual"}, "ETCD_PKI is 'manual'"),
        ({"CA_SECRET_ARN": ""}, "CA_SECRET_ARN is ''"),
        ({"CA_SECRET_ARN": "etcd-ca"}, "CA_SECRET_ARN is 'etcd-ca'"),
        ({"HOST_ROLE_NAME": ""}, "HOST_ROLE_NAME is ''"),
        ({"CA_SIGNING": "0"}, "CA_SIGNING is '0'"),
        ({"CA_SIGNING": "3", "CA_TRUSTED": "1,2"}, "CA_TRUSTED is '1,2', expected CA_SIGNING among them, which is 3"),
        ({"CA_TRUSTED": "1,x"}, "CA_TRUSTED is '1,x'"),
        ({"CERTIFICATE_HOURS": "0"}, "CERTIFICATE_HOURS is '0', expected a number of hours from 1 to 8760"),
        ({"CERTIFICATE_DNS_NAMES": "a b"}, "CERTIFICATE_DNS_NAMES is 'a b'"),
        ({"ETCD_PKI": "own"}, "CONTROLLER_TLS_SOURCE is ''"),
        ({"ETCD_PKI": "own", "CONTROLLER_TLS_SOURCE": "/tls"}, "CONTROLLER_TLS_SOURCE is '/tls'"),
        ({"ETCD_USER_SECRET_ARN": "root"}, "ETCD_USER_SECRET_ARN is 'root'"),
    ],
)
def test_a_wrong_setting_of_tls_is_named(changed: dict[str, str], problem: str) -> None:
    with pytest.raises(SettingError) as error:
        Settings.from_environ(AUTOMATIC | changed)
    assert problem in str(error.value)


DNS = {"DNS_ZONE_ID": "Z0123456789ABC", "DNS_ZONE_NAME": "example.internal"}


def test_a_zone_gives_the_cluster_a_domain_of_its_own() -> None:
    settings = Settings.from_environ(REQUIRED | DNS | {"CLUSTER_NAME": "Orders", "ETCD_CLIENT_PORT": "4001"})
    assert settings.dns_zone_id == "Z0123456789ABC"
    assert settings.domain == Domain(name="orders.example.internal", ttl_s=30, schemes=("http",), client_port=4001)


def test_how_clients_come_and_for_how_long_names_hold_is_told() -> None:
    settings = Settings.from_environ(REQUIRED | DNS | {"DNS_CLIENT_SCHEMES": "http,https", "DNS_TTL_S": "5"})
    assert settings.domain
    assert (settings.domain.schemes, settings.domain.ttl_s) == (("http", "https"), 5)


def test_without_a_zone_there_are_no_names() -> None:
    assert Settings.from_environ(REQUIRED).domain is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DNS_ZONE_ID", "zone"),
        ("DNS_ZONE_NAME", "internal"),
        ("DNS_ZONE_NAME", "Example.internal"),
        ("DNS_ZONE_NAME", "example.internal."),
        ("DNS_TTL_S", "0"),
        ("DNS_CLIENT_SCHEMES", "ftp"),
    ],
)
def test_a_zone_that_cannot_be_one_is_refused(name: str, value: str) -> None:
    with pytest.raises(SettingError, match=f"{name} is {value!r}"):
        Settings.from_environ(REQUIRED | DNS | {name: value})


def test_a_zone_has_both_an_id_and_a_name() -> None:
    with pytest.raises(SettingError, match="DNS_ZONE_ID is ''"):
        Settings.from_environ(REQUIRED | {"DNS_ZONE_NAME": "example.internal"})


def test_all_metrics_are_published_unless_some_are_named() -> None:
    assert Settings.from_environ(REQUIRED).published_metrics == set(Metric)
    named = Settings.from_environ(REQUIRED | {"PUBLISHED_METRICS": "QuorumLost,Tick"}).published_metrics
    assert named == {Metric.TICK, Metric.QUORUM_LOST}


@pytest.mark.parametrize("names", ["Ticks", "Tick,", "Tick Voters"])
def test_metrics_that_there_are_not_are_refused(names: str) -> None:
    with pytest.raises(SettingError, match="PUBLISHED_METRICS is "):
        Settings.from_environ(REQUIRED | {"PUBLISHED_METRICS": names})
