"""Settings from the environment."""

from __future__ import annotations

from pathlib import Path

import pytest

from etcd_aws_agent.errors import ExitCode, SettingsError
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
