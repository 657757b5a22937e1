"""Settings from the environment."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from etcd_aws_agent.__main__ import NO_FLAGS
from etcd_aws_agent.errors import ExitCode, SettingsError
from etcd_aws_agent.flags import parser
from etcd_aws_agent.settings import Settings, parameter_of


def test_defaults_are_the_seeds() -> None:
    settings = Settings.from_environ({"CLUSTER_NAME": "etcd"})

    assert (settings.client_scheme, settings.peer_scheme) == ("http", "http")
    assert (settings.client_port, settings.peer_port) == (2379, 2380)
    assert settings.peers_file == Path("/etc/sysconfig/etcd-peers")
    assert settings.data_dir == Path("/var/lib/etcd")
    assert settings.deadline_s == 3600
    assert not settings.is_proxy


def test_a_deadline_of_zero_is_none() -> None:
    assert Settings.from_environ({"CLUSTER_NAME": "etcd", "AGENT_DEADLINE_S": "0"}).deadline_s is None


def test_proxy_asg_is_a_groups_name_and_with_asg_by_tag_a_name_tag_with_blanks() -> None:
    by_name = Settings.from_environ({"PROXY_ASG": "etcd", "CLUSTER_NAME": "mine"})
    by_tag = Settings.from_environ({"PROXY_ASG": "the etcd", "ASG_BY_TAG": "true"})

    assert (by_name.is_proxy, by_name.cluster_name, by_name.group_tag) == (True, "etcd", None)
    assert (by_tag.is_proxy, by_tag.cluster_name, by_tag.group_tag) == (True, None, "the etcd")


def test_an_empty_variable_is_one_that_is_not_set() -> None:
    assert not Settings.from_environ({"CLUSTER_NAME": "etcd", "PROXY_ASG": "", "ETCD_CLIENT_PORT": " "}).is_proxy


def test_a_services_own_endpoint_wins_over_the_common_one() -> None:
    settings = Settings.from_environ(
        {"CLUSTER_NAME": "e", "AWS_ENDPOINT_URL": "http://127.0.0.1:1/", "AWS_ENDPOINT_URL_SSM": "http://127.0.0.1:2"}
    )

    assert (settings.ssm_endpoint, settings.autoscaling_endpoint) == ("http://127.0.0.1:2", "http://127.0.0.1:1")


def test_what_is_gone_is_known_by_name() -> None:
    settings = Settings.from_environ({"CLUSTER_NAME": "e", "RETRY_TIMES": "10", "ETCD_CURLOPTS": "-k"})

    assert settings.ignored == ("RETRY_TIMES", "ETCD_CURLOPTS")


def test_the_parameter_is_the_clusters() -> None:
    assert parameter_of("etcd") == "/etcd-aws-cluster/etcd/record"


SECRET = "arn:aws:secretsmanager:us-east-1:123456789012:secret:etcd-{instance_id}-AbCdEf"


def test_without_a_word_about_certificates_there_are_none() -> None:
    tls = Settings.from_environ({"CLUSTER_NAME": "etcd"}).tls

    assert (tls.pki, tls.source, tls.has_material, tls.is_transition) == ("off", None, False, False)
    assert (tls.directory, tls.user, tls.renew_at) == (Path("/etc/etcd/pki"), "etcd", 0.5)


@pytest.mark.parametrize(
    ("environ", "has_material"),
    [
        ({"ETCD_PKI": "automatic"}, True),
        ({"ETCD_PKI": "own", "HOST_TLS_SOURCE": SECRET}, True),
        ({"ETCD_PKI": "own", "HOST_TLS_SOURCE": "ssm:/tls/{private_ip}"}, True),
        ({"ETCD_PKI": "own", "HOST_TLS_SOURCE": SECRET, "PROXY_ASG": "etcd"}, True),
        ({"ETCD_PKI": "own"}, False),
        ({"ETCD_PKI": "off", "ETCD_CLIENT_SCHEME": "https"}, False),
    ],
)
def test_the_agent_puts_certificates_on_the_disk_where_it_is_told_where_from(
    environ: dict[str, str], *, has_material: bool
) -> None:
    assert Settings.from_environ({"CLUSTER_NAME": "etcd", **environ}).tls.has_material is has_material


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({"ETCD_PKI": "yes"}, "ETCD_PKI='yes'; expected off or automatic or own"),
        ({"ETCD_PKI": "own", "HOST_TLS_SOURCE": "arn:aws:s3:::bucket"}, "HOST_TLS_SOURCE='arn:aws:s3:::bucket'"),
        ({"ETCD_PKI": "own", "HOST_TLS_SOURCE": "ssm:/tls/{name}"}, "no other placeholders than {instance_id}"),
        ({"ETCD_PKI": "own", "HOST_TLS_SOURCE": "ssm:/tls/{"}, "no other placeholders"),
        ({"ETCD_PKI": "automatic", "HOST_TLS_SOURCE": SECRET}, "expected ETCD_PKI=own"),
        (
            {"ETCD_PKI": "automatic", "PROXY_ASG": "etcd"},
            "with PROXY_ASG: the controller makes certificates for its own",
        ),
        ({"ETCD_TLS_TRANSITION": "on"}, "ETCD_TLS_TRANSITION='on' with ETCD_PKI=off"),
        ({"ETCD_PEER_CN_CHECK": "on", "ETCD_PKI": "own"}, "ETCD_PEER_CN_CHECK='on' with ETCD_PKI=own"),
        ({"ETCD_PEER_CN_CHECK": "on", "ETCD_PKI": "automatic", "ETCD_PEERS_KEYS": "seed"}, "ETCD_PEERS_KEYS=seed"),
        ({"ETCD_TLS_TRANSITION": "1", "ETCD_PKI": "own"}, "ETCD_TLS_TRANSITION='1'; expected off or on"),
        ({"ETCD_TLS_TRANSITION": "on", "ETCD_PKI": "own", "ETCD_PEERS_KEYS": "seed"}, "expected ETCD_PEERS_KEYS=all"),
        ({"ETCD_PKI_DIR": "pki"}, "ETCD_PKI_DIR='pki'; expected an absolute path"),
        ({"ETCD_PKI_DIR": "/etc/etcd pki"}, "ETCD_PKI_DIR='/etc/etcd pki'; expected a path of"),
        ({"ETCD_USER": "a b"}, "ETCD_USER='a b'; expected a user's name or number"),
        ({"CERTIFICATE_RENEW_AT": "0"}, "CERTIFICATE_RENEW_AT='0'; expected a part of the life"),
        ({"CERTIFICATE_RENEW_AT": "1"}, "CERTIFICATE_RENEW_AT='1'"),
        ({"CERTIFICATE_RENEW_AT": "half"}, "CERTIFICATE_RENEW_AT='half'"),
        ({"CERTIFICATE_RENEW_AT": "-0.5"}, "CERTIFICATE_RENEW_AT='-0.5'"),
    ],
)
def test_what_cannot_be_right_about_certificates_is_refused(environ: dict[str, str], said: str) -> None:
    with pytest.raises(SettingsError, match=re.escape(said)) as caught:
        Settings.from_environ({"CLUSTER_NAME": "etcd", **environ})

    assert caught.value.exit_code is ExitCode.USAGE


@pytest.mark.parametrize(
    ("variable", "value", "exit_code"),
    [
        ("CLUSTER_NAME", "", ExitCode.GROUP_UNKNOWN),
        ("CLUSTER_NAME", "../other", ExitCode.USAGE),
        ("ETCD_CLIENT_SCHEME", "ftp", ExitCode.USAGE),
        ("ETCD_CLIENT_PORT", "0", ExitCode.USAGE),
        ("ETCD_SERVER_PORT", "65536", ExitCode.USAGE),
        ("ETCD_SERVER_PORT", "2380 ", None),
        ("ETCD_LISTEN_LOOPBACK", "yes", ExitCode.USAGE),
        ("ETCD_PEERS_KEYS", "some", ExitCode.USAGE),
        ("ETCD_DATA_DIR", "data", ExitCode.USAGE),
        ("AGENT_DEADLINE_S", "-1", ExitCode.USAGE),
        ("AGENT_DEADLINE_S", "nan", ExitCode.USAGE),
        ("AWS_REGION", "us east", ExitCode.REGION_UNKNOWN),
        ("AWS_ENDPOINT_URL_SSM", "127.0.0.1:1", ExitCode.USAGE),
    ],
)
def test_a_bad_value_is_refused_by_name(variable: str, value: str, exit_code: ExitCode | None) -> None:
    environ = {"CLUSTER_NAME": "etcd", variable: value}
    if exit_code is None:
        assert Settings.from_environ(environ)
        return

    with pytest.raises(SettingsError, match=variable) as caught:
        Settings.from_environ(environ)

    assert caught.value.exit_code is exit_code


def test_no_flags_mean_without_the_parser_what_they_mean_to_it() -> None:
    given = vars(parser().parse_args([]))
    assert given == {**dict.fromkeys(given), **NO_FLAGS}
