"""Settings from context: what is read, and how what cannot be used is refused."""

from pathlib import Path
from typing import Any

import pytest

from infra.settings import Settings, declared_settings
from infra.settings.rules import SettingsError
from infra.settings.table import render_short_table, render_table
from tests.infra.stacks import ENDPOINTS, ROOT


def test_without_context_the_defaults_hold() -> None:
    settings = Settings.from_context({})
    assert (settings.cluster_name, settings.size) == ("etcd", 3)
    assert settings.timing.join_timeout_s == 900


def test_the_context_of_cdk_json_is_good_and_leaves_the_defaults() -> None:
    assert "etcd:" not in (ROOT / "cdk.json").read_text(encoding="utf-8")


def test_keys_of_other_tools_are_left_alone() -> None:
    assert Settings.from_context({"@aws-cdk/core:something": "x", "size": 4}) == Settings.from_context({})


@pytest.mark.parametrize("five", [5, "5", 5.0])
def test_a_number_may_come_as_the_command_line_or_json_writes_it(five: object) -> None:
    assert Settings.from_context({"etcd:size": five}).size == 5


@pytest.mark.parametrize(("written", "meant"), [(True, True), ("true", True), (False, False), ("false", False)])
def test_a_flag_may_come_as_the_command_line_or_json_writes_it(written: object, *, meant: bool) -> None:
    assert Settings.from_context({"etcd:reserve_concurrency": written}).controller.reserve_concurrency is meant


SECRET = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:etcd"
CONTROLLER = {"etcd:controller_tls_source": "ssm:/tls/controller"}
BAD = [
    ("size", "4", "one of 1, 3, 5, 7, 9"),
    ("size", 0, "one of 1, 3, 5, 7, 9"),
    ("size", 11, "one of 1, 3, 5, 7, 9"),
    ("size", "-3", "one of 1, 3, 5, 7, 9"),
    ("size", "three", "one of 1, 3, 5, 7, 9"),
    ("size", 3.5, "one of 1, 3, 5, 7, 9"),
    ("size", True, "one of 1, 3, 5, 7, 9"),
    ("size", None, "one of 1, 3, 5, 7, 9"),
    ("size", [3], "one of 1, 3, 5, 7, 9"),
    ("size", "٣", "one of 1, 3, 5, 7, 9"),
    ("cluster_name", "", "a letter first"),
    ("cluster_name", "my cluster", "a letter first"),
    ("cluster_name", "a/b", "a letter first"),
    ("cluster_name", "9lives", "a letter first"),
    ("cluster_name", "under_score", "a letter first"),
    ("cluster_name", "ends-", "a letter first"),
    ("cluster_name", "etcd\n", "a letter first"),
    ("cluster_name", "x" * 64, "1 to 63"),
    ("cluster_name", 7, "1 to 63"),
    ("launch_hook_timeout_s", 29, "from 30 to 7200"),
    ("launch_hook_timeout_s", "7201", "from 30 to 7200"),
    ("terminate_hook_timeout_s", "29", "from 30 to 7200"),
    ("terminate_hook_timeout_s", "1h", "from 30 to 7200"),
    ("etcd_client_port", 80, "from 1024 to 65535"),
    ("etcd_server_port", "65536", "from 1024 to 65535"),
    ("etcd_client_scheme", "htttp", "one of http, https"),
    ("etcd_peer_scheme", "HTTPS", "one of http, https"),
    ("quota_mib", 15, "from 16 to 16384"),
    ("database_alarm_percent", 100, "from 1 to 99"),
    ("alarm_email", "nobody", "an e-mail address"),
    ("alarm_email", "two words@example.com", "an e-mail address"),
    ("vpc_cidr", "10.0.0.1/16", "without host bits"),
    ("vpc_cidr", "10.0.0.0", "without host bits"),
    ("vpc_cidr", "10.0.0.0/8", "/16 to /24"),
    ("vpc_cidr", "10.0.0.0/28", "/16 to /24"),
    ("vpc_cidr", "300.0.0.0/16", "IPv4"),
    ("vpc_cidr", "fd00::/16", "IPv4"),
    ("vpc_id", "vpc-xyz", "VPC id"),
    ("egress", "internet", "one of nat, endpoints"),
    ("subnet_ids", "subnet-12", "subnet ids"),
    ("subnet_ids", "subnet-12345678, subnet-12345679", "subnet ids"),
    ("given_vpc_endpoints", "ssm,kms", "some of ssm, autoscaling"),
    ("given_vpc_endpoints", "all,ssm", "some of ssm, autoscaling"),
    ("dns_zone_name", "internal", "two labels or more"),
    ("dns_zone_name", "Example.internal", "two labels or more"),
    ("dns_zone_name", "example.internal.", "two labels or more"),
    ("dns_zone_id", "example.internal", "a hosted zone id"),
    ("dns_ttl_s", "4", "from 5 to 3600"),
    ("ami_id", "amzn", "image id"),
    ("instance_type", "m7g", "instance type"),
    ("instance_type", "u-6tb1.metal", "instance type"),
    ("root_device_name", "xvda", "device"),
    ("operating_system", "debian", "one of amazon-linux-2023, ubuntu, flatcar"),
    ("agent_image", "Agent image", "s3:// address"),
    ("agent_image", "s3://bucket/'; reboot", "s3:// address"),
    ("data_volume", "nvme", "one of root, ebs, instance-store"),
    ("data_volume_gib", 0, "from 1 to 16384"),
    ("data_volume_iops", 2999, "from 3000 to 16000"),
    ("data_volume_mib_s", "1001", "from 125 to 1000"),
    ("data_volume_on_termination", "retain", "one of delete, keep"),
    ("etcd_version", "v3.5.21", "without v"),
    ("etcd_version", "latest", "without v"),
    ("etcd_version", f"{'9' * 5000}.0.0", "without v"),
    ("certificate_hours", 7, "from 8 to 8760"),
    ("controller_tls_source", "ssm:/tls/{instance_id}", "ssm:/name of a SecureString"),
    ("etcd_user_secret_arn", f"{SECRET}/{{private_ip}}", "the ARN of a Secrets Manager secret"),
    ("host_tls_source", "ssm:/tls/{hostname}", "{instance_id} and {private_ip}"),
    ("host_tls_source", "ssm:/{private_ip}", "after a beginning of your own"),
    ("host_tls_source", f"{SECRET.removesuffix('etcd')}{{instance_id}}", "after a beginning of your own"),
    ("host_tls_source", f"{SECRET}/{{instance_id", "{instance_id} and {private_ip}"),
    ("etcd_sha256", "ABC", "64 lower-case"),
    ("etcd_url", "http://example.com/etcd.tar.gz", "https:// or s3://"),
    ("etcd_url", "https://example.com/'; reboot; '", "https:// or s3://"),
    ("etcd_url", "https://example.com/{oops}", "https:// or s3://"),
    ("etcd_url", "s3://archives/etcd+1.tar.gz", "https:// or s3://"),
    ("reserve_concurrency", "yes", "true or false"),
    ("reserve_concurrency", 1, "true or false"),
    ("log_level", "info", "one of DEBUG"),
    ("log_retention_days", 31, "one of 1, 3"),
    ("alarm_topic_arn", "my-topic", "SNS topic"),
]


@pytest.mark.parametrize(("key", "value", "expected"), BAD)
def test_a_bad_value_is_refused_with_key_value_and_what_was_expected(key: str, value: object, expected: str) -> None:
    with pytest.raises(SettingsError) as refusal:
        Settings.from_context({f"etcd:{key}": value})
    (line,) = str(refusal.value).splitlines()
    assert line.startswith(f"etcd:{key}: got {value!r}, expected ")
    assert expected in line


def test_the_shortest_life_of_a_certificate_leaves_its_host_two_looks_before_the_end() -> None:
    timer = (ROOT / "infra/user_data/files/etcd-certificates.timer").read_text(encoding="utf-8")
    assert "OnCalendar=hourly\nRandomizedDelaySec=30min\n" in timer  # so two looks may be 90 min apart
    shortest = next(d for _, d in declared_settings() if d.name == "certificate_hours").metadata["rule"].minimum
    assert shortest / 2 > 2 * 1.5


@pytest.mark.parametrize("name", ["instance_id", "private_ip"])
def test_the_source_of_hosts_certificates_may_be_one_for_each(name: str) -> None:
    for source in (f"ssm:/tls/hosts/{{{name}}}", f"{SECRET}/{{{name}}}-x"):
        assert Settings.from_context({"etcd:pki": "own", **CONTROLLER, "etcd:host_tls_source": source})


def test_every_kind_of_setting_has_a_bad_value_in_this_table() -> None:
    untested = {type(field.metadata["rule"]) for _, field in declared_settings()} - {
        type(field.metadata["rule"]) for _, field in declared_settings() if field.name in {key for key, *_ in BAD}
    }
    assert not untested


CONFLICTS = [
    ({"join_timeout_s": 1800}, ("join_timeout_s", "got 1800", "launch_hook_timeout_s, which is 1800")),
    ({"gather_window_s": 1200}, ("gather_window_s", "formation_timeout_s", "launch_hook_timeout_s")),
    ({"replacement_wait_s": "3600"}, ("replacement_wait_s", "terminate_hook_timeout_s")),
    ({"function_timeout_s": 90}, ("function_timeout_s", "visibility_timeout_s")),
    ({"run_reserve_s": 58}, ("run_reserve_s", "etcd_read_timeout_s", "function_timeout_s")),
    ({"tick_interval_min": 15}, ("tick_interval_min", "got 15", "join_timeout_s, which is 900 s")),
    (
        {"tick_interval_min": 11, "terminate_hook_timeout_s": 601},
        ("tick_interval_min", "got 11", "terminate_hook_timeout_s, which is 601 s"),
    ),
    ({"etcd_client_port": 2380}, ("etcd_client_port", "etcd_server_port", "2380 for both")),
    ({"nat_gateways": 4}, ("nat_gateways", "az_count, which is 3")),
    ({"egress": "endpoints"}, ("etcd_url", "s3://", "egress=endpoints")),
    ({"etcd_version": "3.4.37"}, ("etcd_sha256", "3.4.37", "SHA256SUMS")),
    ({"etcd_version": "3.5.2", "etcd_sha256": "a" * 64}, ("etcd_version", "3.5.2", "3.5.3 or newer")),
    ({"vpc_id": "vpc-01234567", "vpc_cidr": "10.0.0.0/16"}, ("vpc_cidr", "vpc_id")),
    ({"vpc_id": "vpc-01234567", "az_count": 2}, ("az_count", "vpc_id")),
    ({"subnet_ids": "subnet-01234567"}, ("subnet_ids", "subnet-01234567", "vpc_id")),
    (
        {"vpc_id": "vpc-01234567", "subnet_ids": "subnet-01234567,subnet-01234567"},
        ("subnet_ids", "subnet-01234567", "each of them once"),
    ),
    (
        {"egress": "endpoints", "etcd_url": "s3://a/b", "given_vpc_endpoints": "all"},
        ("given_vpc_endpoints", "got all", "vpc_id"),
    ),
    (
        {"vpc_id": "vpc-01234567", "given_vpc_endpoints": "ssm"},
        ("given_vpc_endpoints", "got ssm", "egress=endpoints", "it is nat"),
    ),
    (
        {"vpc_id": "vpc-01234567", "egress": "endpoints", "etcd_url": "s3://a/b", "given_vpc_endpoints": "ssm,route53"},
        ("given_vpc_endpoints", "got route53", "ssm, autoscaling, ec2, sqs, lambda, s3"),
    ),
    (
        {"tls_transition": True, "etcd_version": "3.4.24", "etcd_sha256": "a" * 64},
        ("tls_transition", "etcd_version=3.4.24", "3.4.25, 3.5.8 or newer"),
    ),
    (
        {"tls_transition": True, "etcd_version": "3.5.7", "etcd_sha256": "a" * 64},
        ("tls_transition", "etcd_version=3.5.7", "3.4.25, 3.5.8 or newer"),
    ),
    (
        {
            "pki": "own",
            "host_tls_source": "ssm:/tls/etcd/{private_ip}",
            "controller_tls_source": "ssm:/tls/etcd/controller",
        },
        ("controller_tls_source", "ssm:/tls/etcd/controller", "host_tls_source=ssm:/tls/etcd/{private_ip}"),
    ),
    (
        {
            "pki": "own",
            "host_tls_source": f"{SECRET}-{{instance_id}}",
            "controller_tls_source": "ssm:/tls/controller",
            "etcd_user_secret_arn": f"{SECRET}-root-AbCdEf",
        },
        ("etcd_user_secret_arn", f"{SECRET}-root-AbCdEf", "hosts may not read"),
    ),
    ({"dns_zone_id": "Z0123456789ABC"}, ("dns_zone_id", "Z0123456789ABC", "dns_zone_name")),
    ({"dns_ttl_s": 5}, ("dns_ttl_s", "got 5", "dns_zone_name")),
    ({"dns_zone_name": f"{'x' * 60}.{'y' * 60}"}, ("dns_zone_name", "got 121", "at most 120")),
    ({"dns_zone_name": "a.amazonaws.com"}, ("dns_zone_name", "a.amazonaws.com", "hides")),
    ({"dns_zone_name": "ec2.internal"}, ("dns_zone_name", "ec2.internal", "hides")),
    ({"operating_system": "flatcar", "agent_image": "a"}, ("ami_id", "operating_system=flatcar")),
    ({"operating_system": "flatcar", "ami_id": "ami-01234567"}, ("agent_image", "Flatcar has no Python")),
    ({"agent_image": "registry.example.com/agent:1"}, ("agent_image", "operating_system=amazon-linux-2023")),
    (
        {
            "operating_system": "flatcar",
            "ami_id": "ami-01234567",
            "agent_image": "registry.example.com/agent:1",
            "egress": "endpoints",
            "etcd_url": "s3://archives/etcd.tar.gz",
        },
        ("agent_image", "s3://", "egress=endpoints"),
    ),
    ({"data_volume_gib": 20}, ("data_volume_gib", "data_volume=root")),
    ({"data_volume": "ebs", "instance_type": "t2.medium"}, ("data_volume", "m7g.medium", "t2.medium are not")),
    ({"data_volume": "instance-store"}, ("data_volume", "m7gd.medium", "m7g.medium has none")),
    (
        {
            "data_volume": "instance-store",
            "instance_type": "i4i.large",
            "data_volume_on_termination": "keep",
        },
        ("data_volume_on_termination", "instance-store"),
    ),
    ({"data_volume": "ebs", "data_volume_gib": 3}, ("data_volume_gib", "at least 4", "quota_mib=2048")),
    ({"data_volume": "ebs", "data_volume_gib": 10, "data_volume_iops": 6000}, ("data_volume_iops", "at most 5000")),
    ({"data_volume": "ebs", "data_volume_mib_s": 1000}, ("data_volume_mib_s", "at most 750", "iops=3000")),
]


@pytest.mark.parametrize(("given", "named"), CONFLICTS)
def test_values_that_cannot_go_together_are_refused_naming_both(given: dict[str, Any], named: tuple[str, ...]) -> None:
    with pytest.raises(SettingsError) as refusal:
        Settings.from_context({f"etcd:{key}": value for key, value in given.items()})
    (line,) = str(refusal.value).splitlines()
    for part in named:
        assert part in line


@pytest.mark.parametrize(
    ("instance_type", "has_local_disk"),
    [
        *(
            (name, True)
            for name in ("m7gd.medium", "c6id.large", "r5dn.xlarge", "i4i.large", "im4gn.large", "g5.xlarge")
        ),
        *(
            (name, False)
            for name in ("m7g.medium", "m7i.large", "c7g.large", "r6a.large", "t4g.small", "m7i-flex.large")
        ),
    ],
)
def test_local_disks_are_known_by_the_name_of_the_type(instance_type: str, *, has_local_disk: bool) -> None:
    given = {"etcd:data_volume": "instance-store", "etcd:instance_type": instance_type}
    if has_local_disk:
        assert Settings.from_context(given).volumes.data_volume == "instance-store"
    else:
        with pytest.raises(SettingsError, match=f"{instance_type} has none"):
            Settings.from_context(given)


def test_an_unknown_key_is_refused_with_the_nearest_known_one() -> None:
    with pytest.raises(SettingsError, match=r"^etcd:az_counts: no such setting; did you mean etcd:az_count\?$"):
        Settings.from_context({"etcd:az_counts": 5})


def test_an_unknown_key_like_no_other_is_refused_with_where_to_look() -> None:
    with pytest.raises(SettingsError, match=r"^etcd:qqq: no such setting; docs/settings.md lists all settings$"):
        Settings.from_context({"etcd:qqq": 5})


def test_all_problems_are_told_at_once() -> None:
    with pytest.raises(SettingsError) as refusal:
        Settings.from_context({"etcd:size": 4, "etcd:az_counts": 5, "etcd:log_level": "x"})
    assert len(str(refusal.value).splitlines()) == 3


def test_another_etcd_is_installed_when_its_checksum_is_given() -> None:
    settings = Settings.from_context({"etcd:etcd_version": "3.4.37", "etcd:etcd_sha256": "a" * 64})
    assert settings.etcd.etcd_version == "3.4.37"


def test_the_shortest_times_of_all_fit_together() -> None:
    settings = Settings.from_context(
        {
            **ENDPOINTS,
            "etcd:launch_hook_timeout_s": "30",
            "etcd:terminate_hook_timeout_s": "30",
            "etcd:gather_window_s": "1",
            "etcd:formation_timeout_s": "20",
            "etcd:join_timeout_s": "20",
            "etcd:replacement_wait_s": "1",
            "etcd:unresponsive_grace_s": "1",
            "etcd:aws_poll_interval_s": "1",
            "etcd:agent_deadline_s": "5",
        }
    )
    assert settings.timing.unresponsive_grace_s == 1


def test_the_documentation_shows_every_setting_as_it_is() -> None:
    for document, table in (("docs/settings.md", render_table()), ("README.md", render_short_table())):
        assert table in Path(ROOT / document).read_text(encoding="utf-8"), "run: python -m infra.settings.table"
