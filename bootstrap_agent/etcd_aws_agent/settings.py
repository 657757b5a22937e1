"""The agent's settings: environment variables, some of which are flags as well."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from etcd_aws_agent.errors import ExitCode, SettingsError
from etcd_aws_agent.record import URL
from etcd_aws_agent.tls_settings import TlsSettings

PARAMETER_ROOT = "/etcd-aws-cluster"
HIGHEST_PORT = 65535

# A group's name becomes a part of a parameter's name, which may hold no other characters:
# https://docs.aws.amazon.com/systems-manager/latest/userguide/sysman-paramstore-su-create.html
_GROUP_NAME = re.compile(r"[A-Za-z0-9_.-]{1,255}", re.ASCII)
_REGION = re.compile(r"[a-z]{2,}(-[a-z0-9]+)+")
_GONE = ("RETRY_TIMES", "ETCD_CURLOPTS")


class Settings(NamedTuple):
    """What the agent was told; nothing else is read from the environment except by botocore.

    Attributes:
        cluster_name: the group whose record is followed; None when it must be looked up by `group_tag`.
        group_tag: value of the Name tag of the group that a proxy follows.
        is_proxy: write an etcd 2.x proxy's file.
        only_seed_keys: leave out of the file what the seed's did not have.
        deadline_s: how long to wait for the record, in seconds; None is for ever.
        ignored: variables of the seed that are set and have no meaning any more.
        tls: how this host gets its certificate.
    """

    cluster_name: str | None
    group_tag: str | None
    is_proxy: bool
    client_scheme: str
    peer_scheme: str
    client_port: int
    peer_port: int
    listens_on_loopback: bool
    only_seed_keys: bool
    data_dir: Path
    peers_file: Path
    deadline_s: float | None
    region: str | None
    ssm_endpoint: str | None
    autoscaling_endpoint: str | None
    metadata_endpoint: str
    ignored: tuple[str, ...]
    tls: TlsSettings
    secrets_endpoint: str | None

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Settings:
        """Read the settings; an empty variable counts as one that is not set.

        Raises:
            SettingsError: names the variable, its value and what was expected.
        """
        env = _Environment(environ)
        proxy_group = env.get("PROXY_ASG")
        group_tag = proxy_group if proxy_group and env.get("ASG_BY_TAG") else None
        deadline_s = env.number("AGENT_DEADLINE_S", 3600)
        only_seed_keys = env.one_of("ETCD_PEERS_KEYS", ("all", "seed")) == "seed"
        any_endpoint = env.url("AWS_ENDPOINT_URL")
        return cls(
            cluster_name=None if group_tag else env.group_name("PROXY_ASG" if proxy_group else "CLUSTER_NAME"),
            group_tag=group_tag,
            is_proxy=proxy_group is not None,
            client_scheme=env.one_of("ETCD_CLIENT_SCHEME", ("http", "https")),
            peer_scheme=env.one_of("ETCD_PEER_SCHEME", ("http", "https")),
            client_port=env.port("ETCD_CLIENT_PORT", 2379),
            peer_port=env.port("ETCD_SERVER_PORT", 2380),
            listens_on_loopback=env.one_of("ETCD_LISTEN_LOOPBACK", ("on", "off")) == "on",
            only_seed_keys=only_seed_keys,
            data_dir=env.path("ETCD_DATA_DIR", "/var/lib/etcd"),
            peers_file=env.path("ETCD_PEERS_FILE", "/etc/sysconfig/etcd-peers"),
            deadline_s=deadline_s or None,
            region=env.region(),
            ssm_endpoint=env.url("AWS_ENDPOINT_URL_SSM") or any_endpoint,
            autoscaling_endpoint=env.url("AWS_ENDPOINT_URL_AUTO_SCALING") or any_endpoint,
            metadata_endpoint=env.url("AWS_EC2_METADATA_SERVICE_ENDPOINT") or "http://169.254.169.254",
            ignored=tuple(name for name in _GONE if env.get(name)),
            tls=TlsSettings.from_environment(env, is_proxy=proxy_group is not None, only_seed_keys=only_seed_keys),
            secrets_endpoint=env.url("AWS_ENDPOINT_URL_SECRETS_MANAGER") or any_endpoint,
        )


def parameter_of(cluster_name: str) -> str:
    """Return the name of the parameter that holds a cluster's record."""
    return f"{PARAMETER_ROOT}/{cluster_name}/record"


class _Environment:
    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ

    def get(self, name: str) -> str | None:
        return self._environ.get(name, "").strip() or None

    def one_of(self, name: str, allowed: tuple[str, ...]) -> str:
        value = self.get(name) or allowed[0]
        if value not in allowed:
            raise SettingsError(f"{name}={value!r}; expected {' or '.join(allowed)}")
        return value

    def number(self, name: str, default: float) -> float:
        value = self.get(name)
        if value is None:
            return default
        if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]+)?", value):
            raise SettingsError(f"{name}={value!r}; expected seconds, a number of 0 or more")
        return float(value)

    def port(self, name: str, default: int) -> int:
        value = self.get(name) or str(default)
        if not re.fullmatch(r"[0-9]{1,5}", value) or not 0 < int(value) <= HIGHEST_PORT:
            raise SettingsError(f"{name}={value!r}; expected a port from 1 to {HIGHEST_PORT}")
        return int(value)

    def path(self, name: str, default: str) -> Path:
        value = self.get(name) or default
        # etcd gets the path by other means, so a relative one would be relative to something else there.
        if not Path(value).is_absolute():
            raise SettingsError(f"{name}={value!r}; expected an absolute path")
        return Path(os.path.normpath(value))

    def group_name(self, name: str) -> str:
        value = self.get(name)
        if value is None:
            raise SettingsError(
                f"{name} is not set; expected the name of the Auto Scaling group", ExitCode.GROUP_UNKNOWN
            )
        if not _GROUP_NAME.fullmatch(value):
            raise SettingsError(f"{name}={value!r}; expected a group name of letters, digits, '.', '_' and '-'")
        return value

    def region(self) -> str | None:
        value = self.get("AWS_REGION") or self.get("AWS_DEFAULT_REGION")
        if value is not None and not _REGION.fullmatch(value):
            raise SettingsError(f"AWS_REGION={value!r}; expected a region such as us-east-1", ExitCode.REGION_UNKNOWN)
        return value

    def url(self, name: str) -> str | None:
        value = self.get(name)
        if value is None:
            return None
        value = value.rstrip("/")
        if not URL.fullmatch(value) and not re.fullmatch(r"https?://[A-Za-z0-9.-]+", value):
            raise SettingsError(f"{name}={value!r}; expected a URL such as http://127.0.0.1:4566")
        return value
