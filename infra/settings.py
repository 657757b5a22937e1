"""Every setting of the app: typed, with its unit, its default and what it may be (docs/settings.md shows them all).

Synth is a pure function of these, and a bad one is refused before anything is made.
"""

import dataclasses
import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from infra.setting_conflicts import conflicts, given_vpc_conflicts
from infra.setting_rules import KEY_PREFIX, Cidr, Flag, SettingsError, Text, TextOf, Whole, WholeOf, setting

SIZES = (1, 3, 5, 7, 9)
LOG_RETENTION_DAYS = (1, 3, 5, 7, 14, 30, 60, 90, 120, 180, 365)
"""What CloudWatch Logs accepts, up to a year."""

_SCHEME = TextOf(choices=("http", "https"))
# etcd runs as a user of its own and cannot open a port below 1024.
_PORT = Whole(minimum=1024, maximum=65535)
# https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_PutLifecycleHook.html
_HOOK_TIMEOUT = Whole(minimum=30, maximum=7200)
_WAIT = Whole(minimum=1, maximum=7200)


@dataclass(frozen=True, kw_only=True)
class NetworkSettings:
    """Where the cluster lives."""

    vpc_id: str = setting(
        "",
        Text(form=r"|vpc-[0-9a-f]{8}([0-9a-f]{9})?", expected="a VPC id such as vpc-0123456789abcdef0, or empty"),
        "an existing VPC to use; empty makes a new one",
    )
    vpc_cidr: str = setting("10.0.0.0/16", Cidr(shortest=16, longest=24), "address range of the new VPC")
    az_count: int = setting(3, Whole(minimum=1, maximum=6), "availability zones of the new VPC", unit="zones")
    egress: str = setting(
        "nat",
        TextOf(choices=("nat", "endpoints")),
        "how instances and controller reach AWS: through NAT gateways, or through VPC endpoints and nothing else; "
        "in a given VPC it says which subnets are used: private with egress, or isolated",
    )
    nat_gateways: int = setting(1, Whole(minimum=1, maximum=6), "NAT gateways of the new VPC", unit="gateways")


@dataclass(frozen=True, kw_only=True)
class MemberSettings:
    """What an instance of the group is."""

    instance_type: str = setting(
        "m7g.medium",
        Text(form=r"[a-z][a-z0-9-]*\.[a-z0-9-]+", expected="an EC2 instance type such as m7g.medium"),
        "EC2 instance type; its processor (x86_64 or arm64) selects image and etcd archive",
    )
    ami_id: str = setting(
        "",
        Text(form=r"|ami-[0-9a-f]{8}([0-9a-f]{9})?", expected="an image id such as ami-0123456789abcdef0, or empty"),
        "machine image with systemd, curl, the AWS CLI and Python 3.9 or newer; empty takes the Amazon Linux 2023 "
        "that is newest at each deploy",
    )
    root_device_name: str = setting(
        "/dev/xvda",
        Text(form=r"/dev/[a-z0-9]+", expected="a device such as /dev/xvda"),
        "root device of the image",
    )
    volume_gib: int = setting(20, Whole(minimum=8, maximum=16384), "size of the encrypted gp3 root volume", unit="GiB")
    imds_hop_limit: int = setting(
        1, Whole(minimum=1, maximum=64), "network hops that an IMDSv2 answer may take; 2 for containers", unit="hops"
    )
    health_check_grace_s: int = setting(
        60,
        Whole(minimum=0, maximum=7200),
        "time after InService in which the group ignores failed EC2 checks",
        unit="s",
    )
    agent_deadline_s: int = setting(
        1800,
        Whole(minimum=5, maximum=7200),
        "how long the agent of one boot waits to be listed before systemd starts it again",
        unit="s",
    )


@dataclass(frozen=True, kw_only=True)
class EtcdSettings:
    """Which etcd runs, and how it is reached."""

    etcd_version: str = setting(
        "3.5.21",
        Text(form=r"[0-9]+\.[0-9]+\.[0-9]+", expected="a version such as 3.5.21, without v"),
        "etcd release to install",
    )
    etcd_sha256: str = setting(
        "",
        Text(form=r"|[0-9a-f]{64}", expected="64 lower-case hexadecimal digits, or empty"),
        "SHA-256 of the archive; empty takes the one known for the default release",
    )
    etcd_url: str = setting(
        "https://github.com/etcd-io/etcd/releases/download/v{version}/etcd-v{version}-linux-{architecture}.tar.gz",
        # No quote, blank or shell sign: the text is written into the instances' boot script.
        Text(
            form=r"(https|s3)://([A-Za-z0-9._~:/?&=%+-]|\{version\}|\{architecture\})+",
            expected="an https:// or s3:// address, in which {version} and {architecture} (amd64, arm64) are filled in",
        ),
        "archive to install etcd from, laid out as the upstream releases",
    )
    etcd_client_scheme: str = setting("http", _SCHEME, "scheme of client URLs")
    etcd_peer_scheme: str = setting("http", _SCHEME, "scheme of peer URLs")
    etcd_client_port: int = setting(2379, _PORT, "port of client URLs")
    etcd_server_port: int = setting(2380, _PORT, "port of peer URLs")


@dataclass(frozen=True, kw_only=True)
class TimingSettings:
    """How long things may take."""

    launch_hook_timeout_s: int = setting(
        1800, _HOOK_TIMEOUT, "a launching instance that is no caught-up voter by then is abandoned", unit="s"
    )
    terminate_hook_timeout_s: int = setting(
        3600, _HOOK_TIMEOUT, "a terminating instance that etcd has not let go by then is retained", unit="s"
    )
    gather_window_s: int = setting(
        300, _WAIT, "wait for all instances of a new cluster before a majority forms it", unit="s"
    )
    formation_timeout_s: int = setting(600, _WAIT, "a new cluster without quorum by then is given up", unit="s")
    join_timeout_s: int = setting(900, _WAIT, "a learner that has not caught up by then is removed", unit="s")
    replacement_wait_s: int = setting(600, _WAIT, "a leaving voter waits so long for its replacement", unit="s")
    unresponsive_grace_s: int = setting(120, _WAIT, "a silent voter is left alone for so long", unit="s")
    tick_interval_min: int = setting(1, Whole(minimum=1, maximum=60), "time between scheduled looks", unit="min")
    etcd_connect_timeout_s: int = setting(1, Whole(minimum=1, maximum=10), "limit of one connect to etcd", unit="s")
    etcd_read_timeout_s: int = setting(2, Whole(minimum=1, maximum=20), "limit of one answer from etcd", unit="s")
    etcd_poll_interval_ms: int = setting(
        100, Whole(minimum=10, maximum=5000), "pause between looks at etcd while a change is under way", unit="ms"
    )
    aws_poll_interval_s: int = setting(
        2, Whole(minimum=1, maximum=60), "pause between looks at the AWS APIs while a change is under way", unit="s"
    )
    run_reserve_s: int = setting(
        10, Whole(minimum=1, maximum=120), "no new step is begun with less than this left of a run", unit="s"
    )


@dataclass(frozen=True, kw_only=True)
class ControllerSettings:
    """How the controller runs."""

    function_timeout_s: int = setting(60, Whole(minimum=15, maximum=840), "limit of one run", unit="s")
    visibility_timeout_s: int = setting(
        90, Whole(minimum=15, maximum=43200), "a message comes back after so long if its run was lost", unit="s"
    )
    max_receive_count: int = setting(
        5, Whole(minimum=1, maximum=100), "tries before a message goes to the dead-letter queue", unit="tries"
    )
    function_memory_mib: int = setting(256, Whole(minimum=128, maximum=3008), "memory of the function", unit="MiB")
    reserve_concurrency: bool = setting(
        True,  # noqa: FBT003 - a default, not an argument
        Flag(),
        "reserve one concurrent run for the function; AWS refuses it in an account whose limit is 10",
    )
    log_level: str = setting("INFO", TextOf(choices=("DEBUG", "INFO", "WARNING", "ERROR")), "level of the log")
    log_retention_days: int = setting(90, WholeOf(choices=LOG_RETENTION_DAYS), "how long logs are kept", unit="days")
    alarm_topic_arn: str = setting(
        "",
        Text(form=r"|arn:[a-z-]+:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]+", expected="an SNS topic ARN, or empty"),
        "where alarms are sent; empty sends them nowhere",
    )


@dataclass(frozen=True, kw_only=True)
class Settings:
    """All settings of one cluster."""

    cluster_name: str = setting(
        "etcd",
        # It is also the group's name, a path part of SSM parameters, a message group and a part of the stack's name.
        Text(
            form=r"[A-Za-z]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?",
            expected="1 to 63 of A-Z a-z 0-9 -, a letter first and no - last",
        ),
        "name of the cluster and of its Auto Scaling group",
    )
    size: int = setting(
        3,
        WholeOf(choices=SIZES, because="an even cluster tolerates no more failures than one smaller"),
        "voters that the cluster shall have",
        unit="members",
    )
    network: NetworkSettings = NetworkSettings()
    members: MemberSettings = MemberSettings()
    etcd: EtcdSettings = EtcdSettings()
    timing: TimingSettings = TimingSettings()
    controller: ControllerSettings = ControllerSettings()

    @classmethod
    def from_context(cls, context: Mapping[str, Any]) -> "Settings":
        """Read all keys that begin with ``etcd:``; the rest of the context belongs to others.

        Raises:
            SettingsError: One line for each unknown key, bad value, or pair of values that cannot go together.
        """
        given = {key.removeprefix(KEY_PREFIX): raw for key, raw in context.items() if key.startswith(KEY_PREFIX)}
        problems = list(_unknown_keys(given))
        values: dict[type[Any], dict[str, Any]] = {}
        for owner, declared in declared_settings():
            if declared.name in given:
                try:
                    values.setdefault(owner, {})[declared.name] = declared.metadata["rule"].read(given[declared.name])
                except ValueError:
                    problems.append(
                        f"{KEY_PREFIX}{declared.name}: got {given[declared.name]!r}, "
                        f"expected {declared.metadata['rule'].expected}"
                    )
        if not problems:
            groups = {name: group(**values.get(group, {})) for name, group in _GROUPS.items()}
            settings = cls(**groups, **values.get(cls, {}))
            problems = [*conflicts(settings), *given_vpc_conflicts(settings, given)]
        if problems:
            raise SettingsError("\n".join(problems))
        return settings


_GROUPS: Mapping[str, type[Any]] = {
    "network": NetworkSettings,
    "members": MemberSettings,
    "etcd": EtcdSettings,
    "timing": TimingSettings,
    "controller": ControllerSettings,
}


def declared_settings() -> Iterator[tuple[type[Any], "dataclasses.Field[Any]"]]:
    """Every setting with the class that holds it, in the order of the documentation."""
    owners: tuple[type[Any], ...] = (Settings, *_GROUPS.values())
    for owner in owners:
        for field in dataclasses.fields(owner):
            if field.metadata:
                yield owner, field


def _unknown_keys(given: Mapping[str, Any]) -> Iterator[str]:
    known = [declared.name for _, declared in declared_settings()]
    for key in given:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            hint = f"did you mean {KEY_PREFIX}{near[0]}?" if near else "docs/settings.md lists all settings"
            yield f"{KEY_PREFIX}{key}: no such setting; {hint}"
