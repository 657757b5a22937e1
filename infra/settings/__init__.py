"""Every setting of the app: typed, with its unit, its default and what it may be (docs/settings.md shows them all).

Synth is a pure function of these, and a bad one is refused before anything is made.
"""

import dataclasses
import difflib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from infra.settings.conflicts import basic_conflicts, given_vpc_conflicts
from infra.settings.controller import ControllerSettings
from infra.settings.etcd import EtcdSettings
from infra.settings.members import MemberSettings, member_conflicts
from infra.settings.network import NetworkSettings
from infra.settings.rules import KEY_PREFIX, SettingsError, Text, WholeOf, setting
from infra.settings.timing import TimingSettings
from infra.settings.tls import TlsSettings, tls_conflicts
from infra.settings.volumes import VolumeSettings, volume_conflicts

SIZES = (1, 3, 5, 7, 9)


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
    network: NetworkSettings = field(default_factory=NetworkSettings)
    members: MemberSettings = field(default_factory=MemberSettings)
    volumes: VolumeSettings = field(default_factory=VolumeSettings)
    etcd: EtcdSettings = field(default_factory=EtcdSettings)
    tls: TlsSettings = field(default_factory=TlsSettings)
    timing: TimingSettings = field(default_factory=TimingSettings)
    controller: ControllerSettings = field(default_factory=ControllerSettings)

    @property
    def uses_tls(self) -> bool:
        """Whether members have certificates."""
        schemes = (self.etcd.etcd_client_scheme, self.etcd.etcd_peer_scheme)
        return "https" in schemes or self.tls.tls_transition

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
    member_conflicts,
    volume_conflicts,
    tls_conflicts,
)
"""What is fine alone and not together, by part of the app; each gets the settings, and the keys as they were given."""

_GROUPS: Mapping[str, type[Any]] = {
    "network": NetworkSettings,
    "members": MemberSettings,
    "volumes": VolumeSettings,
    "etcd": EtcdSettings,
    "tls": TlsSettings,
    "timing": TimingSettings,
    "controller": ControllerSettings,
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
