"""Every setting of the app: typed, with its unit, its default and what it may be (docs/settings.md shows them all).

Synth is a pure function of these, and a bad one is refused before anything is made.
"""

import dataclasses
import difflib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from infra.settings.attach import CLUSTER_NAME, AttachSettings, attach_conflicts
from infra.settings.conflicts import basic_conflicts, given_vpc_conflicts
from infra.settings.controller import ControllerSettings
from infra.settings.dns import DnsSettings, dns_conflicts
from infra.settings.etcd import EtcdSettings
from infra.settings.members import MemberSettings, member_conflicts
from infra.settings.monitoring import MonitoringSettings, monitoring_conflicts
from infra.settings.network import NetworkSettings, network_conflicts
from infra.settings.rollout import RolloutSettings, rollout_conflicts
from infra.settings.rules import KEY_PREFIX, SettingsError, WholeOf, setting
from infra.settings.timing import TimingSettings, timing_conflicts
from infra.settings.tls import TlsSettings, tls_conflicts
from infra.settings.volumes import VolumeSettings, volume_conflicts

SIZES = (1, 3, 5, 7, 9)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """All settings of one cluster."""

    cluster_name: str = setting(
        "etcd",
        # It is also the group's name, a path part of SSM parameters, a message group and a part of the stack's name.
        CLUSTER_NAME,
        "name of the cluster and of its Auto Scaling group",
    )
    size: int = setting(
        3,
        WholeOf(choices=SIZES, because="an even cluster tolerates no more failures than one smaller"),
        "voters that the cluster shall have",
        unit="members",
    )
    attach: AttachSettings = field(default_factory=AttachSettings)
    network: NetworkSettings = field(default_factory=NetworkSettings)
    members: MemberSettings = field(default_factory=MemberSettings)
    volumes: VolumeSettings = field(default_factory=VolumeSettings)
    etcd: EtcdSettings = field(default_factory=EtcdSettings)
    tls: TlsSettings = field(default_factory=TlsSettings)
    dns: DnsSettings = field(default_factory=DnsSettings)
    timing: TimingSettings = field(default_factory=TimingSettings)
    rollout: RolloutSettings = field(default_factory=RolloutSettings)
    controller: ControllerSettings = field(default_factory=ControllerSettings)
    monitoring: MonitoringSettings = field(default_factory=MonitoringSettings)

    @property
    def uses_tls(self) -> bool:
        """Whether members have certificates."""
        schemes = (self.etcd.etcd_client_scheme, self.etcd.etcd_peer_scheme)
        return "https" in schemes or self.tls.tls_transition

    @property
    def pki(self) -> str:
        """Who makes certificates: ``off`` where members have none."""
        return self.tls.pki if self.uses_tls else "off"

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
            problems = [problem for conflicts in CONFLICTS for problem in conflicts(settings, given)]
        if problems:
            raise SettingsError("\n".join(problems))
        return settings


CONFLICTS: tuple[Callable[[Settings, Mapping[str, Any]], Iterator[str]], ...] = (
    basic_conflicts,
    given_vpc_conflicts,
    network_conflicts,
    attach_conflicts,
    member_conflicts,
    volume_conflicts,
    tls_conflicts,
    dns_conflicts,
    rollout_conflicts,
    monitoring_conflicts,
    timing_conflicts,
)
"""What is fine alone and not together, by part of the app; each gets the settings, and the keys as they were given."""

_GROUPS: Mapping[str, type[Any]] = {
    "attach": AttachSettings,
    "network": NetworkSettings,
    "members": MemberSettings,
    "volumes": VolumeSettings,
    "etcd": EtcdSettings,
    "tls": TlsSettings,
    "dns": DnsSettings,
    "timing": TimingSettings,
    "rollout": RolloutSettings,
    "controller": ControllerSettings,
    "monitoring": MonitoringSettings,
}


def declared_settings() -> Iterator[tuple[type[Any], "dataclasses.Field[Any]"]]:
    """Every setting with the class that holds it, in the order of the documentation."""
    owners: tuple[type[Any], ...] = (Settings, *_GROUPS.values())
    for owner in owners:
        for declared in dataclasses.fields(owner):
            if declared.metadata:
                yield owner, declared


def _unknown_keys(given: Mapping[str, Any]) -> Iterator[str]:
    known = [declared.name for _, declared in declared_settings()]
    for key in given:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            hint = f"did you mean {KEY_PREFIX}{near[0]}?" if near else "docs/settings.md lists all settings"
            yield f"{KEY_PREFIX}{key}: no such setting; {hint}"
