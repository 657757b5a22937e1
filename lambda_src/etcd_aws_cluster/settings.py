"""The function's settings: read once from its environment, checked, each with its unit.

docs/settings.md lists them. Durations are ``timedelta`` from here on.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import NamedTuple

from .core.dns import SERVICES, Domain
from .core.errors import SettingError
from .core.policy import Policy
from .core.telemetry import Metric

_SECOND = timedelta(seconds=1)
_MILLISECOND = timedelta(milliseconds=1)
_HOUR = timedelta(hours=1)
_UNIT_NAMES = {_SECOND: "seconds", _MILLISECOND: "milliseconds", _HOUR: "hours"}
_SCHEMES = r"https?"
_MAX_PORT = 65_535
_MANAGED = r"arn:[a-z-]+:secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:\S+"
_GENERATION = r"[1-9][0-9]{0,2}"
_DNS_NAME = r"(?:\{instance_id\}\.)?[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?"


class PkiSettings(NamedTuple):
    """Where certificates come from, where members have any.

    Attributes:
        kind: ``off``; ``automatic``: from here; ``own``: from the operator.
        ca_secret: ARN of the secret with the CA's generations.
        generations: Those that are trusted; the first signs.
        certificate_life: Of what is issued.
        host_role: Name of the role of the instances.
        cluster_names: DNS names that every member's certificate has too.
        source: Own: ARN of a secret, or ``ssm:/name``, with the controller's ca, cert and key.
    """

    kind: str
    ca_secret: str
    generations: tuple[int, ...]
    certificate_life: timedelta
    host_role: str
    cluster_names: tuple[str, ...]
    source: str


class Settings(NamedTuple):
    """Everything that differs between one cluster's function and another's.

    Attributes:
        cluster_name: Also the name of the Auto Scaling group.
        parameter_prefix: Of the cluster's parameters, for example ``/etcd-aws-cluster/etcd``.
        policy: What decisions depend on.
        etcd_connect_timeout: For one call to one member.
        etcd_read_timeout: For one call to one member, after the connection is made.
        etcd_poll_interval: Between two looks at etcd while something is expected of it.
        aws_poll_interval: The least time between two reads of the group within one run.
        etcd_quota_bytes: The quota of etcd's database, where etcd itself does not tell.
        group_is_attached: The group, hooks apart, is not of this stack.
        run_reserve: A run starts nothing new when less time than this is left of the function's timeout.
        etcd_user_secret: ARN of the secret with username and password; empty where etcd has no users.
        dns_zone_id: Of the hosted zone that has the cluster's names; empty where it has none.
        domain: Where the names are; None where there are none.
        published_metrics: Those that somebody reads; the values of others are only logged.
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
    etcd_quota_bytes: int
    run_reserve: timedelta
    pki: PkiSettings
    etcd_user_secret: str
    group_is_attached: bool
    dns_zone_id: str = ""
    domain: Domain | None = None
    published_metrics: frozenset[Metric] = frozenset(Metric)

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
            etcd_quota_bytes=read.whole("ETCD_QUOTA_BACKEND_BYTES", 2**31, low=2**20, high=2**40),
            run_reserve=read.duration("RUN_RESERVE_S", 10, low=1, high=600),
            pki=_pki(read),
            etcd_user_secret=read.text("ETCD_USER_SECRET_ARN", f"|{_MANAGED}", default=""),
            group_is_attached=read.text("GROUP_IS_ATTACHED", "true|false", default="false") == "true",
            dns_zone_id=read.text("DNS_ZONE_ID", r"|Z[A-Z0-9]{1,31}", default=""),
            domain=_domain(read, policy.client_port),
            published_metrics=_metrics(read),
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


def _pki(read: _Reader) -> PkiSettings:
    kind = read.text("ETCD_PKI", "off|automatic|own", default="off")
    # What only one kind needs is required of that kind alone.
    automatic, own = ("" if kind == wanted else "|" for wanted in ("automatic", "own"))
    signing = read.text("CA_SIGNING", _GENERATION, default="1")
    trusted = read.text("CA_TRUSTED", f"{_GENERATION}(,{_GENERATION}){{0,2}}", default=signing).split(",")
    if signing not in trusted:
        read.problem("CA_TRUSTED", ",".join(trusted), f"CA_SIGNING among them, which is {signing}")
    names = read.text("CERTIFICATE_DNS_NAMES", rf"|{_DNS_NAME}(,{_DNS_NAME})*", default="")
    return PkiSettings(
        kind=kind,
        ca_secret=read.text("CA_SECRET_ARN", f"{automatic}{_MANAGED}", default=""),
        generations=tuple(int(g) for g in (signing, *(t for t in trusted if t != signing)) if g.isdigit()),
        certificate_life=read.duration("CERTIFICATE_HOURS", 168, low=1, high=8_760, unit=_HOUR),
        host_role=read.text("HOST_ROLE_NAME", rf"{automatic}[A-Za-z0-9+=,.@_-]{{1,64}}", default=""),
        cluster_names=tuple(filter(None, names.split(","))),
        source=read.text("CONTROLLER_TLS_SOURCE", rf"{own}({_MANAGED}|ssm:/[A-Za-z0-9/_.-]+)", default=""),
    )


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


def _metrics(read: _Reader) -> frozenset[Metric]:
    """Those that are named; all where none is."""
    one = "|".join(Metric)
    names = read.text("PUBLISHED_METRICS", rf"|({one})(,({one}))*", default="").split(",")
    return frozenset(m for m in Metric if m in names) or frozenset(Metric)


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
        return self.whole(name, default, low=1, high=_MAX_PORT, what="a port")

    def whole(self, name: str, default: int, *, low: int, high: int, what: str = "a whole number") -> int:
        value = self._environ.get(name, str(default))
        if not (value.isascii() and value.isdigit() and low <= int(value) <= high):
            self.problem(name, value, f"{what} from {low} to {high}")
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
