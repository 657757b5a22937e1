"""The function's settings: read once from its environment, checked, each with its unit.

docs/settings.md lists them. Durations are ``timedelta`` from here on.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from .core.dns import SERVICES, Domain
from .core.errors import SettingError
from .core.policy import Policy

_SECOND = timedelta(seconds=1)
_MILLISECOND = timedelta(milliseconds=1)
_UNIT_NAMES = {_SECOND: "seconds", _MILLISECOND: "milliseconds"}
_SCHEMES = r"https?"
_MAX_PORT = 65_535


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that differs between one cluster's function and another's.

    Attributes:
        cluster_name: Also the name of the Auto Scaling group.
        parameter_prefix: Of the cluster's parameters, for example ``/etcd-aws-cluster/etcd``.
        policy: What decisions depend on.
        etcd_connect_timeout: For one call to one member.
        etcd_read_timeout: For one call to one member, after the connection is made.
        etcd_poll_interval: Between two looks at etcd while something is expected of it.
        aws_poll_interval: The least time between two reads of the group within one run.
        run_reserve: A run starts nothing new when less time than this is left of the function's timeout.
        dns_zone_id: Of the hosted zone that has the cluster's names; empty where it has none.
        domain: Where the names are; None where there are none.
    """

    cluster_name: str
    parameter_prefix: str
    launch_hook_name: str
    terminate_hook_name: str
    dead_letter_queue_url: str
    policy: Policy
    etcd_connect_timeout: timedelta
    etcd_read_timeout: timedelta
    etcd_poll_interval: timedelta
    aws_poll_interval: timedelta
    run_reserve: timedelta
    dns_zone_id: str = ""
    domain: Domain | None = None

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Settings:
        """Read the settings.

        Raises:
            SettingError: Names every setting that is missing or wrong, its value, and what was expected.
        """
        read = _Reader(environ)
        policy = _policy(read)
        settings = cls(
            cluster_name=read.text("CLUSTER_NAME", r"[A-Za-z0-9_.-]{1,100}"),
            parameter_prefix=read.text("PARAMETER_PREFIX", r"(/[A-Za-z0-9_.-]+)+"),
            launch_hook_name=read.text("LAUNCH_HOOK_NAME", r"[A-Za-z0-9_/-]{1,255}"),
            terminate_hook_name=read.text("TERMINATE_HOOK_NAME", r"[A-Za-z0-9_/-]{1,255}"),
            dead_letter_queue_url=read.text("DEAD_LETTER_QUEUE_URL", r"https?://\S+"),
            policy=policy,
            etcd_connect_timeout=read.duration("ETCD_CONNECT_TIMEOUT_S", 1, low=0.05, high=10),
            etcd_read_timeout=read.duration("ETCD_READ_TIMEOUT_S", 2, low=0.05, high=20),
            etcd_poll_interval=read.duration("ETCD_POLL_INTERVAL_MS", 100, low=10, high=10_000, unit=_MILLISECOND),
            aws_poll_interval=read.duration("AWS_POLL_INTERVAL_S", 2, low=0.1, high=60),
            run_reserve=read.duration("RUN_RESERVE_S", 10, low=1, high=600),
            dns_zone_id=read.text("DNS_ZONE_ID", r"|Z[A-Z0-9]{1,31}", default=""),
            domain=_domain(read, policy.client_port),
        )
        if settings.domain and not settings.dns_zone_id:
            read.problem("DNS_ZONE_ID", settings.dns_zone_id, "the id of the zone that DNS_ZONE_NAME names")
        read.finish()
        return settings


def _policy(read: _Reader) -> Policy:
    policy = Policy(
        gather_window=read.duration("GATHER_WINDOW_S", 300, low=0, high=7_200),
        formation_timeout=read.duration("FORMATION_TIMEOUT_S", 600, low=1, high=172_800),
        join_timeout=read.duration("JOIN_TIMEOUT_S", 900, low=1, high=172_800),
        replacement_wait=read.duration("REPLACEMENT_WAIT_S", 600, low=0, high=172_800),
        unresponsive_grace=read.duration("UNRESPONSIVE_GRACE_S", 120, low=1, high=172_800),
        client_scheme=read.text("ETCD_CLIENT_SCHEME", _SCHEMES, default="http"),
        peer_scheme=read.text("ETCD_PEER_SCHEME", _SCHEMES, default="http"),
        client_port=read.port("ETCD_CLIENT_PORT", 2379),
        peer_port=read.port("ETCD_SERVER_PORT", 2380),
    )
    if policy.client_port == policy.peer_port:
        read.problem("ETCD_SERVER_PORT", str(policy.peer_port), "another port than ETCD_CLIENT_PORT")
    return policy


def _domain(read: _Reader, client_port: int) -> Domain | None:
    """Where the names are: below a zone that is shared with other clusters, for each cluster in a domain of its own."""
    zone = read.text("DNS_ZONE_NAME", r"|[a-z0-9-]+(\.[a-z0-9-]+)+", default="")
    ttl = read.duration("DNS_TTL_S", 30, low=1, high=86_400)
    schemes = read.text("DNS_CLIENT_SCHEMES", rf"{_SCHEMES}(,{_SCHEMES})?", default="http").split(",")
    if not zone:
        return None
    return Domain(
        name=f"{read.text('CLUSTER_NAME', '.*').lower()}.{zone}",
        ttl_s=int(ttl.total_seconds()),
        schemes=tuple(s for s in SERVICES if s in schemes),
        client_port=client_port,
    )


class _Reader:
    """Reads settings one by one and collects what is wrong with them, so that all of it is told at once."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._problems: list[str] = []

    def problem(self, name: str, value: str | None, expected: str) -> None:
        found = "is not set" if value is None else f"is {value!r}"
        self._problems.append(f"{name} {found}, expected {expected}")

    def text(self, name: str, pattern: str, *, default: str | None = None) -> str:
        value = self._environ.get(name, default)
        if value is None or not re.fullmatch(pattern, value):
            self.problem(name, value, f"text that matches {pattern}")
        return value or ""

    def port(self, name: str, default: int) -> int:
        value = self._environ.get(name, str(default))
        if not (value.isascii() and value.isdigit() and 1 <= int(value) <= _MAX_PORT):
            self.problem(name, value, f"a port from 1 to {_MAX_PORT}")
            return default
        return int(value)

    def duration(self, name: str, default: float, *, low: float, high: float, unit: timedelta = _SECOND) -> timedelta:
        value = self._environ.get(name, str(default))
        try:
            number = float(value)
        except ValueError:
            number = float("nan")
        if not low <= number <= high:  # not a number is in no range
            self.problem(name, value, f"a number of {_UNIT_NAMES[unit]} from {low:g} to {high:g}")
            return default * unit
        return number * unit

    def finish(self) -> None:
        """Raise SettingError if anything was wrong."""
        if self._problems:
            raise SettingError("; ".join(self._problems))
