"""The agent's settings about certificates."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from etcd_aws_agent.errors import SettingsError

_SECRET = re.compile(r"arn:[a-z-]+:secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:[A-Za-z0-9/_+=.@{}-]+", re.ASCII)
_PARAMETER = re.compile(r"ssm:/[A-Za-z0-9/_.{}-]+", re.ASCII)
_PLACEHOLDERS = ("{instance_id}", "{private_ip}")
_PATH = re.compile(r"/[A-Za-z0-9/._-]+", re.ASCII)
_USER = re.compile(r"[a-z_][a-z0-9_-]{0,31}|[0-9]{1,9}", re.ASCII)


class Environment(Protocol):
    """Where settings are read; an empty variable is one that is not set."""

    def get(self, name: str) -> str | None:
        """Return a variable's value."""

    def one_of(self, name: str, allowed: tuple[str, ...]) -> str:
        """Return a value of these, the first one by default; raises SettingsError."""

    def path(self, name: str, default: str) -> Path:
        """Return an absolute path; raises SettingsError."""


@dataclass(frozen=True)
class TlsSettings:
    """How this host gets its certificate.

    Attributes:
        pki: off, automatic (the controller is the CA), or own.
        source: own: ARN of a secret, or `ssm:/name`; None when the certificates come with the image.
        directory: where host.key, host.crt and ca.crt are.
        user: owner of these files, a name or a number.
        is_transition: clients are served with and without TLS on one port.
        checks_peers: etcd takes members' certificates only on its peer port.
        renew_at: the part of a certificate's life after which another is asked for.
    """

    pki: str
    source: str | None
    directory: Path
    user: str
    is_transition: bool
    checks_peers: bool
    renew_at: float

    @property
    def has_material(self) -> bool:
        """Whether the agent puts key and certificates on the disk."""
        return self.pki == "automatic" or self.source is not None

    @classmethod
    def from_environment(cls, env: Environment, *, is_proxy: bool, only_seed_keys: bool) -> TlsSettings:
        """Read the settings.

        Raises:
            SettingsError: names the variable, its value and what was expected.
        """
        pki = env.one_of("ETCD_PKI", ("off", "automatic", "own"))
        source = env.get("HOST_TLS_SOURCE")
        is_transition = env.one_of("ETCD_TLS_TRANSITION", ("off", "on")) == "on"
        checks_peers = env.one_of("ETCD_PEER_CN_CHECK", ("off", "on")) == "on"
        _check_source(source, pki)
        if checks_peers and (pki != "automatic" or only_seed_keys):
            raise SettingsError(
                f"ETCD_PEER_CN_CHECK='on' with ETCD_PKI={pki}, ETCD_PEERS_KEYS={'seed' if only_seed_keys else 'all'}; "
                "expected ETCD_PKI=automatic, whose certificates say who is a member, and ETCD_PEERS_KEYS=all"
            )
        if is_proxy and pki == "automatic":
            raise SettingsError(
                "ETCD_PKI='automatic' with PROXY_ASG: the controller makes certificates for its own group's instances "
                "only; expected ETCD_PKI=own with HOST_TLS_SOURCE, or off"
            )
        if is_transition and pki == "off":
            raise SettingsError("ETCD_TLS_TRANSITION='on' with ETCD_PKI=off; expected ETCD_PKI automatic or own")
        if is_transition and only_seed_keys:
            raise SettingsError(
                "ETCD_TLS_TRANSITION='on' with ETCD_PEERS_KEYS=seed, which leaves out the URLs that it is about; "
                "expected ETCD_PEERS_KEYS=all"
            )
        return cls(
            pki=pki,
            source=source,
            directory=_directory(env),
            user=_user(env),
            is_transition=is_transition,
            checks_peers=checks_peers,
            renew_at=_fraction(env, "CERTIFICATE_RENEW_AT", "0.5"),
        )


def _check_source(source: str | None, pki: str) -> None:
    if source is None:
        return
    plain = source
    for placeholder in _PLACEHOLDERS:
        plain = plain.replace(placeholder, "x")
    is_known = _SECRET.fullmatch(source) or _PARAMETER.fullmatch(source)
    if not is_known or "{" in plain or "}" in plain:
        raise SettingsError(
            f"HOST_TLS_SOURCE={source!r}; expected the ARN of a Secrets Manager secret, or ssm:/name of a SecureString "
            f"parameter, with no other placeholders than {' and '.join(_PLACEHOLDERS)}"
        )
    if pki != "own":
        raise SettingsError(f"HOST_TLS_SOURCE={source!r} with ETCD_PKI={pki}; expected ETCD_PKI=own, or nothing")


def _directory(env: Environment) -> Path:
    value = env.path("ETCD_PKI_DIR", "/etc/etcd/pki")
    # It is written to the peers file, which systemd and shells read.
    if not _PATH.fullmatch(str(value)):
        raise SettingsError(f"ETCD_PKI_DIR={str(value)!r}; expected a path of letters, digits and '/', '.', '_', '-'")
    return value


def _user(env: Environment) -> str:
    value = env.get("ETCD_USER") or "etcd"
    if not _USER.fullmatch(value):
        raise SettingsError(f"ETCD_USER={value!r}; expected a user's name or number")
    return value


def _fraction(env: Environment, name: str, default: str) -> float:
    value = env.get(name) or default
    if not re.fullmatch(r"[01](\.[0-9]{1,6})?|0?\.[0-9]{1,6}", value) or not 0 < float(value) < 1:
        raise SettingsError(f"{name}={value!r}; expected a part of the life, more than 0 and less than 1")
    return float(value)
